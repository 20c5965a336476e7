"""A definition as plain data: what checks of its keys against each other and against files read."""

from __future__ import annotations

from typing import Any

from geocadence.definition.problems import KeyPath

Finding = tuple[KeyPath, str]


def at(data: Any, *key: str | int, kind: type | tuple[type, ...], default: Any = None) -> Any:
    """The value at `key` if it has the right type, else `default`."""
    for part in key:
        if not isinstance(data, dict) or part not in data:
            return default
        data = data[part]
    is_bool_as_number = isinstance(data, bool) and kind is int
    return data if isinstance(data, kind) and not is_bool_as_number else None
