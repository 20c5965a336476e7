"""Which Items a source's query and filter mean, decided here: where the source itself does not know how."""

from __future__ import annotations

from typing import Any

from geocadence.catalogue.cql2 import Filter
from geocadence.catalogue.query import matches


class Selection:
    """A query without its thresholds, which are the plan's to reject by, and a CQL2 filter; either may be missing."""

    def __init__(self, query: dict[str, dict[str, Any]] | None, cql2: str | dict[str, Any] | None) -> None:
        self._query = query or {}
        self._filter = Filter(cql2) if cql2 else None

    def passes(self, item: dict[str, Any]) -> bool:
        return matches(item, self._query) and (self._filter is None or self._filter.matches(item))
