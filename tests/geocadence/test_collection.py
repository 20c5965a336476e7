"""collection.json: a view of the table, whoever wrote last and whatever broke on the way."""

from __future__ import annotations

from typing import Any

import pystac
import pytest

from geocadence.bucket import Bucket
from geocadence.close import scenes
from tests.geocadence.pipeline import Pipeline, linked, table
from tests.geocadence.scenes import item, scene_id

KEY = "ndvi/collection.json"


@pytest.fixture
def pipeline(inputs: Bucket, outputs: Bucket) -> Pipeline:
    return Pipeline(inputs, outputs, [item(n) for n in range(5)])


def dies_before_the_collection(pipeline: Pipeline, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose products are in the table, and whose close came no further."""
    planned = pipeline.plan(name)
    pipeline.work(planned)
    with monkeypatch.context() as broken:
        broken.setattr(scenes, "commit", lambda *_, **__: pytest.fail("here it dies"))
        with pytest.raises(pytest.fail.Exception):
            pipeline.close(planned)
    pipeline.abort(planned)


def test_a_close_that_died_between_table_and_collection_is_made_up_for_by_the_next(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    # More than the report shows of what is in place, each of which costs a request.
    monkeypatch.setattr(scenes, "SHOWN_IN_PLACE", 1)
    dies_before_the_collection(pipeline, "a", monkeypatch)
    assert not pipeline.outputs.exists(KEY)

    # A window that holds none of them.
    pipeline.items = []
    assert pipeline.run("b", {"window": {"start": "2026-12-01", "end": "2026-12-02"}})["outcome"] == "empty"

    assert linked(pipeline) == table(pipeline, tmp_path) == [scene_id(n) for n in range(5)]


def test_a_collection_that_lags_behind_is_made_up_for_beside_new_products(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.run("a")
    pipeline.items = [item(n) for n in range(7)]
    dies_before_the_collection(pipeline, "b", monkeypatch)
    pipeline.items = [item(7)]

    pipeline.run("c")

    assert linked(pipeline) == [scene_id(n) for n in range(8)]
    assert pipeline.outputs.read_json(KEY)["extent"]["temporal"]["interval"][0][1] == item(7)["properties"]["datetime"]


def test_a_scene_whose_date_changes_keeps_one_link(pipeline: Pipeline) -> None:
    def dated(instant: str, baseline: str) -> dict[str, Any]:
        return item(2, properties={"datetime": instant, "s2:processing_baseline": baseline})

    pipeline.items = [dated("2026-10-31T23:59:59.900000Z", "05.10")]
    pipeline.run("a")
    pipeline.items = [dated("2026-11-01T00:00:00.100000Z", "05.11")]
    pipeline.run("b")

    links = pipeline.outputs.read_json(KEY)["links"]
    assert [link["href"] for link in links[1:]] == [f"./2026/11/{scene_id(2)}/{scene_id(2)}.json"]


def test_what_was_replaced_is_in_neither_links_nor_extent(pipeline: Pipeline) -> None:
    def tile(counter: str, west: float, baseline: str) -> dict[str, Any]:
        ring = [[west, 38.0], [west + 1, 38.0], [west + 1, 39.0], [west, 39.0], [west, 38.0]]
        properties = item(2)["properties"] | {"s2:processing_baseline": baseline}
        geometry, box = {"type": "Polygon", "coordinates": [ring]}, [west, 38.0, west + 1, 39.0]
        named = f"S2B_29SNB_20261103_{counter}_L2A"
        return item(2, id=named, geometry=geometry, bbox=box, properties=properties)

    pipeline.items = [tile("0", -9.0, "05.10")]
    pipeline.run("a")
    pipeline.items = [tile("1", -8.99, "05.11")]
    pipeline.run("b")

    assert linked(pipeline) == ["S2B_29SNB_20261103_1_L2A"]
    assert pipeline.outputs.read_json(KEY)["extent"]["spatial"]["bbox"] == [[-8.99, 38.0, -7.99, 39.0]]


def test_a_box_over_the_antimeridian_makes_the_whole_belt_and_a_scene_without_one_makes_none(
    pipeline: Pipeline,
) -> None:
    pipeline.items = [item(0, bbox=[179.0, -18.0, -179.0, -17.0]), item(1, bbox=None, geometry=None)]
    pipeline.run("a")

    assert pipeline.outputs.read_json(KEY)["extent"]["spatial"]["bbox"] == [[-180.0, -18.0, 180.0, -17.0]]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"type": "text/csv"}, {"title": "values", "type": "text/csv"}),
        ({"roles": ["data"]}, {"title": "values", "roles": ["data"]}),
        ({"title": "A table", "type": "text/csv"}, {"title": "A table", "type": "text/csv"}),
        ({"title": "A table"}, None),
        ({}, None),
    ],
)
def test_an_asset_of_which_its_item_says_little_makes_no_invalid_collection(
    pipeline: Pipeline, said: dict[str, Any], told: dict[str, Any] | None
) -> None:
    """STAC wants two fields of each in `item_assets`; an asset by itself needs none but its href."""
    pipeline.items = [item(0)]
    pipeline.says = {"assets": {"values": {"href": f"./{scene_id(0)}_ndvi.tif"} | said}}
    pipeline.run("a")

    collection = pipeline.outputs.read_json(KEY)
    assert collection["item_assets"].get("values") == told
    pystac.Collection.from_dict(collection).validate()


def both_worked(pipeline: Pipeline) -> tuple[Any, Any]:
    """Two runs whose jobs have ended, neither closed."""
    plans = []
    for n, name in enumerate(("slow", "quick")):
        pipeline.items = [item(n)]
        plans.append(pipeline.plan(name))
        pipeline.work(plans[-1])
    return plans[0], plans[1]


@pytest.mark.parametrize("moment", ["before it reads", "before it writes"])
def test_a_run_that_closes_meanwhile_is_in_the_collection_as_well(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    slow, quick = both_worked(pipeline)
    # Once the slow run has its table: a collection is looked at there, and written there.
    name = "read_with_etag" if moment == "before it reads" else "replace_json"
    usual = getattr(Bucket, name)

    def late(bucket: Bucket, key: str, *given: Any, **named: Any) -> Any:
        if key == KEY:
            monkeypatch.setattr(Bucket, name, usual)
            pipeline.close(quick)
        return usual(bucket, key, *given, **named)

    monkeypatch.setattr(Bucket, name, late)
    pipeline.close(slow)

    assert linked(pipeline) == [scene_id(0), scene_id(1)]


def test_a_newer_collection_is_not_taken_back_to_an_older_table(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for the table's state first, and for the collection then, would do so."""
    slow, quick = both_worked(pipeline)
    usual = Bucket.etag

    def late(bucket: Bucket, key: str) -> str | None:
        found = usual(bucket, key)
        monkeypatch.setattr(Bucket, "etag", usual)
        pipeline.close(quick)
        return found

    monkeypatch.setattr(Bucket, "etag", late)
    pipeline.close(slow)

    assert linked(pipeline) == [scene_id(0), scene_id(1)]
