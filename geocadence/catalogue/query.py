"""The STAC API's query extension, evaluated here for APIs that do not know it.

https://github.com/stac-api-extensions/query
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "startsWith": lambda value, start: str(value).startswith(start),
    "endsWith": lambda value, end: str(value).endswith(end),
    "contains": lambda value, part: part in str(value),
    "in": lambda value, values: value in values,
}
OPERATORS = tuple(_OPERATORS)


def matches(item: dict[str, Any], query: dict[str, dict[str, Any]]) -> bool:
    """Whether the Item's properties pass; a property that is not there passes `neq` alone."""
    properties = item.get("properties") or {}
    return all(
        _holds(properties.get(name), comparison, wanted)
        for name, comparisons in query.items()
        for comparison, wanted in comparisons.items()
    )


def _holds(value: Any, comparison: str, wanted: Any) -> bool:
    if value is None:
        return comparison == "neq"
    try:
        return _OPERATORS[comparison](value, wanted)
    except TypeError:  # a number compared with a text
        return False
