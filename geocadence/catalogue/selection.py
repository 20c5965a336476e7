"""Which Items a source's query and filter mean, decided here: where the source itself does not know how."""

from __future__ import annotations

from typing import Any

from geocadence.catalogue.cql2 import Filter
from geocadence.catalogue.http import CatalogueRefused
from geocadence.catalogue.query import matches


class Selection:
    """A query without its thresholds, which are the plan's to reject by, and a CQL2 filter; either may be missing.

    Raises CatalogueRefused where the filter can't be evaluated here: it would leave all out without a word.
    """

    def __init__(self, query: dict[str, dict[str, Any]] | None, cql2: str | dict[str, Any] | None) -> None:
        self._query = query or {}
        self._filter = Filter(cql2) if cql2 else None
        if self._filter is not None and (foreign := self._filter.foreign):
            raise CatalogueRefused(f"the filter can't be evaluated here: {foreign_to(foreign)}")

    def passes(self, item: dict[str, Any]) -> bool:
        return matches(item, self._query) and (self._filter is None or self._filter.matches(item))

    def check(self) -> None:
        """After all Items: whether the filter let one pass, or could be told of all that have what it speaks of."""
        if self._filter is not None and (left := self._filter.never_told):
            raise CatalogueRefused(
                f"the filter lets no Item pass, and can't be evaluated for all: of one it leaves {left} (expected "
                "values of the types that the Items have: a number without quotes, a text in single ones)"
            )


def foreign_to(operator: str) -> str:
    return f"{operator} is none of CQL2's own operators (expected e.g. CASEI(platform) = CASEI('SENTINEL-2B'), or <)"
