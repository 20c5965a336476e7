"""What a scene's own properties say against it: no data, assets left out, a quality beyond the query's thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geocadence.catalogue.query import compares
from geocadence.table import LEFT_OUT

Item = dict[str, Any]

# The share of a tile without data, in percent, as the producers' Items tell it:
# https://github.com/stac-extensions/sentinel-2
_NO_DATA = ("s2:nodata_pixel_percentage",)
_WORDS = {"lt": "below", "lte": "at most", "gt": "above", "gte": "at least"}


def without_data(item: Item) -> str | None:
    """The sentence for a scene that has no data at all, which is no version of anything."""
    for name in _NO_DATA:
        share = item["properties"].get(name)
        if isinstance(share, int | float) and share >= 100:
            return f"it has no data ({name} is {share:g})"
    return None


def left_out(item: Item) -> int:
    """How many of its assets an Item of a pipeline's own table lacks, since the table has no columns for them."""
    properties = item.get("properties")
    lost = properties.get(LEFT_OUT) if isinstance(properties, dict) else None
    return lost if isinstance(lost, int) else 0


def beyond(item: Item, thresholds: Mapping[str, Mapping[str, float]]) -> str:
    """The sentence for a scene beyond a threshold; "" where it is within all of them."""
    properties = item["properties"]
    for name, comparisons in thresholds.items():
        for comparison, wanted in comparisons.items():
            value = properties.get(name)
            if not compares(value, comparison, wanted):
                found = f"its {name} is {value:g}" if isinstance(value, int | float) else f"it says no number as {name}"
                return f"{found} (the query asks for {_WORDS[comparison]} {wanted:g})"
    return ""
