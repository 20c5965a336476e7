"""JSON of Items by the hundred thousand: read and written by orjson, and what it refuses by the standard library.

orjson takes no half of a surrogate pair and no NaN, and writes no integer beyond 64 bits (it reads one as a float).
Other people's Items have all of these.
"""

from __future__ import annotations

import json
from typing import Any

import orjson


def loads(text: str | bytes) -> Any:
    """ValueError where it is no JSON for the standard library either."""
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)


def dumps(data: Any) -> bytes:
    """Without spaces, in one line, as UTF-8."""
    try:
        return orjson.dumps(data)
    except TypeError:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(data, separators=(",", ":")).encode()
