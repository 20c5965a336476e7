"""A CQL2 filter (https://docs.ogc.org/is/21-065r2/21-065r2.html): read, sent to APIs, evaluated here for the others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

# What the standard has, which is what is evaluated here. An API may know functions of its own.
_SPACE = "contains crosses disjoint equals intersects overlaps touches within"
_TIME = "after before contains disjoint during equals finishedBy finishes intersects meets metBy overlappedBy overlaps"
_TIME += " startedBy starts"
_OPERATORS = {
    *"and or not = <> < <= > >= isNull between in like + - * / ^ % div casei accenti".lower().split(),
    *(f"s_{name}" for name in _SPACE.lower().split()),
    *(f"t_{name}" for name in _TIME.lower().split()),
    *(f"a_{name}" for name in ("contains", "containedby", "equals", "overlaps")),
}


class Filter:
    """CQL2 as text (`"eo:cloud_cover" < 20 AND platform = 'sentinel-2b'`) or as JSON; ValueError says what is wrong."""

    def __init__(self, expression: str | dict[str, Any]) -> None:
        import cql2  # a compiled library, which most pipelines have no use for

        try:
            self._expression = cql2.Expr(expression)
            self._expression.validate()
        except Exception as error:  # the library raises bare Exceptions
            raise ValueError(f"is no CQL2: {' '.join(str(error).split())[:300]}") from error
        self._has_passed = False
        self._left: str | None = None

    @cached_property
    def as_json(self) -> dict[str, Any]:
        return self._expression.to_json()

    @property
    def foreign(self) -> str | None:
        """A function or operator that is none of the standard's, so that only an API can know it."""
        return next((op for op in _operators(self.as_json) if op.lower() not in _OPERATORS), None)

    @property
    def never_told(self) -> str | None:
        """What became of the filter with the first Item that it couldn't tell of, where none passed.

        That it was false of others says nothing: of two conditions one suffices for that, whatever is wrong with the
        other.
        """
        return None if self._has_passed else self._left

    def matches(self, item: dict[str, Any]) -> bool:
        """Whether the Item passes; a comparison with a property that is not there is never true."""
        try:
            passes = bool(self._expression.matches(item))
        except Exception:  # noqa: BLE001 ("could not reduce to boolean": a bare Exception)
            self._left = self._left or self._rest(item)
            return False
        self._has_passed |= passes
        return passes

    def _rest(self, item: dict[str, Any]) -> str | None:
        """What is left of the filter once the Item's values are in it; None where it lacks a property."""
        try:
            rest = self._expression.reduce(item)
            return None if _lacks(rest.to_json()) else rest.to_text()
        except Exception as error:  # noqa: BLE001 (the same)
            return " ".join(str(error).split())[:200]


def _operators(expression: Any) -> Iterator[str]:
    if isinstance(expression, dict) and isinstance(expression.get("op"), str):
        yield expression["op"]
    for part in _parts(expression):
        yield from _operators(part)


def _lacks(expression: Any) -> bool:
    return (isinstance(expression, dict) and "property" in expression) or any(map(_lacks, _parts(expression)))


def _parts(expression: Any) -> list[Any]:
    if isinstance(expression, dict):
        return list(expression.values())
    return expression if isinstance(expression, list) else []
