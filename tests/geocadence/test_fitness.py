"""What a scene's own properties say against it, and how a query is shared out between the API and the plan."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geocadence.catalogue.query import matches, split
from geocadence.plan.fitness import beyond, without_data


def scene(**properties: Any) -> dict[str, Any]:
    return {"id": "a", "properties": {name.replace("__", ":"): value for name, value in properties.items()}}


@pytest.mark.parametrize(
    ("share", "is_fit"), [(100, False), (100.0, False), (99.99, True), (0, True), (None, True), ("100", True)]
)
def test_a_tile_without_any_data_is_not_worth_a_job(share: Any, is_fit: bool) -> None:
    reason = without_data(scene(s2__nodata_pixel_percentage=share))
    assert (reason is None) == is_fit
    if not is_fit:
        assert reason == "it has no data (s2:nodata_pixel_percentage is 100)"


@pytest.mark.parametrize(
    ("comparisons", "value", "reason"),
    [
        ({"lt": 60}, 59.9, None),
        ({"lt": 60}, 60, "its eo:cloud_cover is 60 (the query asks for below 60)"),
        ({"lte": 60}, 60, None),
        ({"lte": 60.5}, 83.1234, "its eo:cloud_cover is 83.1234 (the query asks for at most 60.5)"),
        ({"gte": 5, "lt": 60}, 4, "its eo:cloud_cover is 4 (the query asks for at least 5)"),
        ({"gt": 5}, 5, "its eo:cloud_cover is 5 (the query asks for above 5)"),
        ({"lt": 60}, None, "it says no number as eo:cloud_cover (the query asks for below 60)"),
        ({"lt": 60}, "much", "it says no number as eo:cloud_cover (the query asks for below 60)"),
    ],
)
def test_a_threshold_is_told_with_what_was_found(comparisons: Any, value: Any, reason: str | None) -> None:
    assert beyond(scene(eo__cloud_cover=value), {"eo:cloud_cover": comparisons}) == (reason or "")


def test_comparisons_with_texts_and_for_equality_say_which_scenes_are_meant() -> None:
    query = {
        "eo:cloud_cover": {"lt": 60, "neq": 0},
        "created": {"gte": "2026-01-01"},
        "platform": {"in": ["sentinel-2a"]},
        "flag": {"lt": True},
    }
    assert split(query) == (
        {
            "eo:cloud_cover": {"neq": 0},
            "created": {"gte": "2026-01-01"},
            "platform": {"in": ["sentinel-2a"]},
            "flag": {"lt": True},
        },
        {"eo:cloud_cover": {"lt": 60}},
    )


values = st.one_of(st.integers(0, 5), st.floats(0, 5, allow_nan=False), st.none(), st.sampled_from(["a", "b"]))
comparisons = st.dictionaries(st.sampled_from(["eq", "neq", "lt", "lte", "gt", "gte"]), values.filter(bool), max_size=3)


@given(query=st.dictionaries(st.sampled_from(["x", "y"]), comparisons, max_size=2), x=values, y=values)
def test_both_parts_together_take_what_the_whole_query_takes(query: Any, x: Any, y: Any) -> None:
    meant, thresholds = split(query)
    found = scene(x=x, y=y)
    assert (matches(found, meant) and not beyond(found, thresholds)) == matches(found, query)
