"""A CQL2 filter (https://docs.ogc.org/is/21-065r2/21-065r2.html): read, sent to APIs, evaluated here for the others."""

from __future__ import annotations

from functools import cached_property
from typing import Any


class Filter:
    """CQL2 as text (`"eo:cloud_cover" < 20 AND platform = 'sentinel-2b'`) or as JSON; ValueError says what is wrong."""

    def __init__(self, expression: str | dict[str, Any]) -> None:
        import cql2  # a compiled library, which most pipelines have no use for

        try:
            self._expression = cql2.Expr(expression)
            self._expression.validate()
        except Exception as error:  # the library raises bare Exceptions
            raise ValueError(f"is no CQL2: {' '.join(str(error).split())[:300]}") from error

    @cached_property
    def as_json(self) -> dict[str, Any]:
        return self._expression.to_json()

    def matches(self, item: dict[str, Any]) -> bool:
        """Whether the Item passes; what it says of a property that is not there is never true."""
        try:
            return bool(self._expression.matches(item))
        except Exception:  # noqa: BLE001 ("could not reduce to boolean": a bare Exception)
            return False
