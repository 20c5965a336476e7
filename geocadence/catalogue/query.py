"""The STAC API's query extension: what an API is asked for, and what is evaluated here.

An API that does not know the extension gets none of it. Any gets no thresholds, comparisons of size with a number:
they say how good a scene has to be, and a scene that is not is to be told of, with the reason, not to be missing.

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
_SIZES = ("lt", "lte", "gt", "gte")


def matches(item: dict[str, Any], query: dict[str, dict[str, Any]]) -> bool:
    """Whether the Item's properties pass; a property that is not there passes `neq` alone."""
    properties = item.get("properties") or {}
    return all(
        compares(properties.get(name), comparison, wanted)
        for name, comparisons in query.items()
        for comparison, wanted in comparisons.items()
    )


def split(query: dict[str, dict[str, Any]]) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, float]]]:
    """`query` as which scenes are meant, and as thresholds for how good they have to be."""
    meant: dict[str, dict[str, Any]] = {}
    thresholds: dict[str, dict[str, float]] = {}
    for name, comparisons in query.items():
        for comparison, wanted in comparisons.items():
            is_number = isinstance(wanted, int | float) and not isinstance(wanted, bool)
            part = thresholds if comparison in _SIZES and is_number else meant
            part.setdefault(name, {})[comparison] = wanted
    return meant, thresholds


def compares(value: Any, comparison: str, wanted: Any) -> bool:
    """Whether a property's value passes a comparison."""
    if value is None:
        return comparison == "neq"
    try:
        return _OPERATORS[comparison](value, wanted)
    except TypeError:  # a number compared with a text
        return False
