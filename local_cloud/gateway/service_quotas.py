"""Service Quotas for the local cloud: the quotas of processing jobs that `quotas.json` sets (see `sagemaker.capacity`).

Two operations, ListServiceQuotas and ListAWSDefaultServiceQuotas; the second knows none, since what the file does not
name is unlimited here. Codes stand for the real ones, which are AWS's own.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Response = tuple[int, dict[str, str], bytes]


class ServiceQuotas:
    """Answers requests; `file` is read anew for each."""

    def __init__(self, file: Path, *, region: str, account: str) -> None:
        self._file = file
        self._region = region
        self._account = account

    async def handle_request(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
    ) -> Response:
        target = next((value for name, value in headers.items() if name.lower() == "x-amz-target"), "")
        action = target.rpartition(".")[2]
        if action not in ("ListServiceQuotas", "ListAWSDefaultServiceQuotas"):
            return _response(400, {"__type": "UnknownOperationException", "message": f"{action} is not in this cloud."})
        request = json.loads(body or b"{}")
        if request.get("ServiceCode") != "sagemaker":
            return _response(
                400, {"__type": "NoSuchResourceException", "message": "The local cloud has sagemaker only."}
            )
        return _response(200, {"Quotas": self._quotas() if action == "ListServiceQuotas" else []})

    def _quotas(self) -> list[dict[str, Any]]:
        try:
            values = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        return [self._quota(f"{kind} for processing job usage", value) for kind, value in values.items()]

    def _quota(self, name: str, value: float) -> dict[str, Any]:
        code = f"L-{hashlib.sha256(name.encode()).hexdigest()[:8].upper()}"
        return {
            "ServiceCode": "sagemaker",
            "ServiceName": "Amazon SageMaker",
            "QuotaArn": f"arn:aws:servicequotas:{self._region}:{self._account}:sagemaker/{code}",
            "QuotaCode": code,
            "QuotaName": name,
            "Value": float(value),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }


def resource_arn(operation: str, request: dict[str, Any], region: str, account: str) -> str:
    """Listing is about no resource."""
    return "*"


def more(operation: str, request: dict[str, Any], region: str, account: str) -> Iterable[Any]:
    """No further permissions."""
    return ()


def _response(status: int, content: dict[str, Any]) -> Response:
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": str(uuid.uuid4())}
    if "__type" in content:
        headers["x-amzn-ErrorType"] = content["__type"]
    return status, headers, json.dumps(content).encode()
