"""AWS's JSON protocol: the operation stands in a header, the request in the body."""

from __future__ import annotations

import json
from typing import Any


def operation_and_request(headers: dict[str, str], body: bytes) -> tuple[str, dict[str, Any]]:
    """What a request asks for; an empty request where the body is no JSON object, for the service to refuse."""
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        request = {}
    return headers.get("x-amz-target", "").rpartition(".")[2], request if isinstance(request, dict) else {}
