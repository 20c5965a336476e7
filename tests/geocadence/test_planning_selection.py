"""Which of the scenes that a source lists a plan takes up, and why not the others."""

from __future__ import annotations

from typing import Any

import pytest

from geocadence.bucket import Bucket
from geocadence.execution_input import InvalidInput
from tests.geocadence.misbehaving_api import CORE, FILTER, SEARCH, misbehaving, page
from tests.geocadence.scenes import (
    batch_objects,
    definition,
    item,
    items_source,
    scene_id,
    stac_source,
    verdicts,
)


def test_only_scenes_within_the_window_are_taken(plan: Any, stac_api: str) -> None:
    window = {"start": "2026-11-03", "end": "2026-11-05T11:21:19Z"}

    result = plan(definition(stac=stac_source(stac_api)), {"window": window})

    assert list(verdicts(result)) == [scene_id(n) for n in (2, 3, 4)]
    assert result["document"]["window"] == {"start": "2026-11-03T00:00:00Z", "end": "2026-11-05T11:21:19Z"}


def test_an_api_without_the_query_extension_is_filtered_here(plan: Any, stac_api: str) -> None:
    result = plan(definition(stac=stac_source(stac_api, query={"eo:cloud_cover": {"in": [0, 5, 10, 15]}})))

    assert len(verdicts(result)) < 12
    assert result["planned"] == len(verdicts(result)) > 0


def test_scenes_beyond_the_querys_thresholds_are_rejected_with_the_reason(plan: Any, stac_api: str) -> None:
    result = plan(definition(stac=stac_source(stac_api, query={"eo:cloud_cover": {"lt": 20}})))

    assert [scene for scene, verdict in verdicts(result).items() if verdict == "new"] == [scene_id(n) for n in range(4)]
    rejected = [each for each in result["document"]["decisions"] if each["decision"] == "rejected"]
    assert len(rejected) == 8
    first = min(rejected, key=lambda each: each["datetime"])
    assert (first["id"], first["batch"]) == (scene_id(4), None)
    cover = item(4)["properties"]["eo:cloud_cover"]
    assert first["reason"] == f"its eo:cloud_cover is {cover:g} (the query asks for below 20)"
    assert (result["rejected"], result["planned"]) == (8, 4)


def test_unfit_scenes_are_rejected_with_a_reason(plan: Any, inputs: Bucket) -> None:
    hostile = [
        item(0, id="../../etc/passwd"),
        item(0, id="x" * 182),
        item(0, id=17),
        item(0, id=["a"]),
        item(1, properties={"datetime": None, "start_datetime": "2026-11-01T00:00:00Z"}),
        item(2, properties={"datetime": "2026-11-02"} | {"datetime": "yesterday"}),
        item(4, assets={}),
        item(5),
        item(5),
    ]

    result = plan(definition(items=items_source(hostile)))

    assert (result["planned"], result["rejected"]) == (1, 8)
    assert batch_objects(inputs) == [f"0/{scene_id(5)}.json"]
    unfit = "its id can be no folder's name (expected 1 to 181 letters, digits, dots, underscores and hyphens, "
    unfit += "the first a letter or digit)"
    assert [d["reason"] for d in result["document"]["decisions"] if d["decision"] == "rejected"] == [
        *[unfit] * 4,
        "its datetime is missing",
        "its datetime is no ISO 8601 date or time (expected e.g. 2026-11-22T06:00:00Z)",
        "it has no assets",
        "the catalogue listed it more than once; the first is taken",
    ]


@pytest.mark.parametrize(
    ("versions", "taken", "reason"),
    [
        (
            [{"s2:processing_baseline": "05.09"}, {"s2:processing_baseline": "05.11"}],
            1,
            "the one of processing baseline 05.11 is taken (this one's is 05.09)",
        ),
        (
            [{"s2:processing_baseline": "5.10"}, {"s2:processing_baseline": "05.9"}],
            0,
            "the one of processing baseline 5.10 is taken (this one's is 05.9)",
        ),
        (
            [{"updated": "2026-11-20T00:00:00Z"}, {"processing:version": "02.14", "updated": "2026-11-02T00:00:00Z"}],
            1,
            "the one of processing baseline 02.14 is taken (this one's is none)",
        ),
        (
            [{"updated": "2026-11-05T00:30:00+01:00"}, {"updated": "2026-11-04T23:45:00Z"}],
            1,
            "the one updated last, 2026-11-04T23:45:00Z, is taken",
        ),
        (
            [{"created": "2026-11-04T00:00:00Z"}, {"created": "2026-11-03T00:00:00Z", "updated": None}],
            0,
            "the one updated last, 2026-11-04T00:00:00Z, is taken",
        ),
        ([{"updated": "yesterday"}, {"updated": 3}], 0, "the first is taken"),
    ],
)
def test_of_two_items_with_one_id_the_newest_is_taken(
    plan: Any, inputs: Bucket, versions: list[dict[str, Any]], taken: int, reason: str
) -> None:
    twice = [item(5, properties=item(5)["properties"] | version | {"n": n}) for n, version in enumerate(versions)]

    result = plan(definition(items=items_source(twice)))

    assert (result["planned"], result["rejected"]) == (1, 1)
    written = inputs.read_json(f"ndvi/runs/20261122T060000Z-0a1b2c3d/batches/0/{scene_id(5)}.json")
    assert written["properties"]["n"] == taken
    assert [d["reason"] for d in result["document"]["decisions"] if d["decision"] == "rejected"] == [
        f"the catalogue listed it more than once; {reason}"
    ]


def test_scenes_that_only_their_box_brings_near_are_rejected(plan: Any) -> None:
    ring = [[-9, 37], [-7, 37], [-9, 37.8], [-9, 37]]  # below the area, but its box touches it
    near = item(3, geometry={"type": "Polygon", "coordinates": [ring]}, bbox=[-9, 37, -7, 38])
    with misbehaving(page([item(2), near])) as api:
        result = plan(definition(stac=stac_source(api.url)))

    assert verdicts(result) == {scene_id(2): "new", scene_id(3): "rejected"}
    assert result["document"]["decisions"][1]["reason"] == "its footprint does not touch the area"


def test_a_cql2_filter_is_evaluated_here_for_an_api_that_does_not_know_it(plan: Any) -> None:
    items = [item(n) for n in range(6)] + [item(6, properties={"datetime": "2026-11-07T00:00:00Z"})]
    with misbehaving(page(items)) as api:
        text = plan(
            definition(stac=stac_source(api.url, filter="\"eo:cloud_cover\" < 11 AND platform = 'sentinel-2b'"))
        )
        as_json = {"op": "<", "args": [{"property": "eo:cloud_cover"}, 11]}
        same = plan(definition(stac=stac_source(api.url, filter=as_json)))

    assert list(verdicts(text)) == [scene_id(n) for n in range(3)]
    assert verdicts(same) == verdicts(text)
    assert "filter" not in api.searches[0]


@pytest.mark.parametrize("expression", ["UPPER(platform) = 'S'", "platform = 5"])
def test_a_filter_that_nobody_can_evaluate_ends_the_run(plan: Any, expression: str) -> None:
    with (
        misbehaving(page([item(n) for n in range(3)])) as api,
        pytest.raises(InvalidInput, match=r"can't be evaluated"),
    ):
        plan(definition(stac=stac_source(api.url, filter=expression)))


def test_one_item_that_a_filter_cannot_be_told_of_ends_nothing(plan: Any) -> None:
    odd = item(0, properties=item(0)["properties"] | {"eo:cloud_cover": "few"})
    with misbehaving(page([odd, item(1)])) as api:
        result = plan(definition(stac=stac_source(api.url, filter='"eo:cloud_cover" < 60')))

    assert list(verdicts(result)) == [scene_id(1)]


def test_a_cql2_filter_is_sent_to_an_api_that_knows_it(plan: Any) -> None:
    knows = "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter"
    with misbehaving(page([item(2)]), conforms_to=(CORE, SEARCH, FILTER, knows)) as api:
        plan(definition(stac=stac_source(api.url, filter='"eo:cloud_cover" < 11')))

    assert api.searches[0]["filter-lang"] == "cql2-json"
    assert api.searches[0]["filter"] == {"op": "<", "args": [{"property": "eo:cloud_cover"}, 11.0]}


def test_a_scene_of_another_collection_is_rejected_though_the_api_gave_it(plan: Any) -> None:
    with misbehaving(page([item(0), item(1, collection="landsat-c2-l2")])) as api:
        result = plan(definition(stac=stac_source(api.url)))

    assert verdicts(result)[scene_id(0)] == "new"
    (rejected,) = [found for found in result["document"]["decisions"] if found["decision"] == "rejected"]
    assert (rejected["id"], rejected["reason"]) == (
        scene_id(1),
        "it is of the collection landsat-c2-l2, not of sentinel-2-c1-l2a",
    )
