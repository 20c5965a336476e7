"""Run after run over one catalogue: nothing lost, nothing twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pystac
import pytest
import rustac

from geocadence.again import drift
from geocadence.bucket import Bucket
from tests.geocadence.pipeline import Pipeline, delete, linked, table
from tests.geocadence.scenes import counted, item, scene_id


@pytest.fixture
def pipeline(inputs: Bucket, outputs: Bucket) -> Pipeline:
    return Pipeline(inputs, outputs, [item(n) for n in range(5)])


def test_a_second_run_has_nothing_to_do(pipeline: Pipeline, tmp_path: Any) -> None:
    assert pipeline.run("a")["outcome"] == "complete"
    again = pipeline.run("b")

    assert (again["outcome"], again["planned"], again["skipped"]) == ("empty", 0, 5)
    assert table(pipeline, tmp_path) == linked(pipeline) == [scene_id(n) for n in range(5)]


def test_what_is_committed_is_known_without_reading_its_items(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.run("a")
    read: list[str] = []
    monkeypatch.setattr(Bucket, "read_json_many", lambda self, keys: {key: read.append(key) for key in keys})

    assert pipeline.plan("b")["skipped"] == 5
    assert read == []


def test_a_committed_product_whose_file_is_gone_is_made_again(pipeline: Pipeline) -> None:
    pipeline.run("a")
    delete(pipeline.outputs, f"ndvi/2026/11/{scene_id(2)}/{scene_id(2)}_ndvi.tif")

    reason = f"its product is incomplete: its Item names {scene_id(2)}_ndvi.tif, which is not there"
    assert pipeline.decisions(pipeline.plan("b"))[scene_id(2)] == ("new", reason)


def test_a_committed_product_that_is_gone_is_made_again(pipeline: Pipeline) -> None:
    pipeline.run("a")
    delete(pipeline.outputs, *(found.key for found in pipeline.outputs.listing(f"ndvi/2026/11/{scene_id(2)}/")))

    assert pipeline.decisions(pipeline.plan("b"))[scene_id(2)] == ("new", "its product is gone")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"arguments": {"indices": ["NDVI", "EVI"]}}, "another arguments"),
        ({"environment": {"LEVEL": "2"}}, "another arguments"),
        ({"scene_format": "search-result"}, "another arguments"),
        ({"products": "files"}, "another arguments"),
        ({"code_digest": "0123"}, "another script"),
        ({"image": "123456789012.dkr.ecr.us-west-2.amazonaws.com/a:1"}, "another image"),
        ({"image": "b", "code_digest": "0"}, "another script and image"),
        ({"image_digest": "0"}, "another image"),
    ],
)
def test_a_changed_recipe_makes_products_anew(pipeline: Pipeline, change: dict[str, Any], named: str) -> None:
    pipeline.run("a")
    pipeline.definition["processing"] |= change

    planned = pipeline.plan("b")

    assert set(pipeline.decisions(planned).values()) == {
        ("recompute", f"the recipe changed since its product was made: {named}")
    }
    pipeline.work(planned)
    pipeline.close(planned)
    assert pipeline.run("c")["outcome"] == "empty"


def test_what_changes_nothing_in_a_product_is_no_recipe(pipeline: Pipeline) -> None:
    pipeline.run("a")
    # An image that is not built here has no digest.
    pipeline.definition["processing"] |= {"image_digest": ""}
    pipeline.definition["processing"] |= {"instance_count": 1, "instance_type": "ml.c5.xlarge", "max_runtime": "PT1H"}
    # What a definition of before they could be said came to.
    pipeline.definition["processing"] |= {"scene_format": "stac-item", "products": "items"}

    assert pipeline.run("b")["outcome"] == "empty"


def test_an_aborted_run_gives_its_scenes_back_and_what_it_finished_counts(pipeline: Pipeline, tmp_path: Any) -> None:
    first = pipeline.plan("a")
    pipeline.work(first, but=(scene_id(3), scene_id(4)))
    pipeline.abort(first)

    second = pipeline.run("b")

    assert (second["planned"], second["produced"], second["skipped"]) == (2, 2, 3)
    assert sorted(pipeline.jobs) == [scene_id(n) for n in range(5)]
    assert table(pipeline, tmp_path) == linked(pipeline) == [scene_id(n) for n in range(5)]


def test_a_newer_baseline_under_another_id_wins_and_replaces(pipeline: Pipeline, tmp_path: Any) -> None:
    old = counted("0", properties={"s2:processing_baseline": "05.10"})
    new = counted("1", properties={"s2:processing_baseline": "05.11"})
    pipeline.items = [item(0), old]
    pipeline.run("a")
    pipeline.items = [item(0), old, new]

    planned = pipeline.run("b")

    assert pipeline.decisions(planned) == {
        scene_id(0): ("skip", "its product is in place"),
        new["id"]: ("new", f"replaces {old['id']}, made from an older processing baseline"),
        old["id"]: ("rejected", f"superseded by {new['id']}, of processing baseline 05.11 (this one's is 05.10)"),
    }
    assert table(pipeline, tmp_path) == [scene_id(0), new["id"]]
    assert set(linked(pipeline)) == {scene_id(0), new["id"]}
    # The older one alone, as a late page of the catalogue may give it, changes nothing any more.
    pipeline.items = [item(0), old]
    again = pipeline.run("c")
    assert pipeline.decisions(again)[old["id"]] == (
        "rejected",
        f"superseded by {new['id']}, which is in the catalogue (processing baseline 05.11)",
    )
    assert table(pipeline, tmp_path) == [scene_id(0), new["id"]]


def test_a_newer_baseline_under_the_same_id_is_made_again(pipeline: Pipeline) -> None:
    pipeline.items = [item(2, properties=item(2)["properties"] | {"s2:processing_baseline": "05.10"})]
    pipeline.run("a")
    pipeline.items = [item(2, properties=item(2)["properties"] | {"s2:processing_baseline": "05.11"})]

    planned = pipeline.run("b")

    reason = "processing baseline 05.11 is there, its product was made from 05.10"
    assert pipeline.decisions(planned) == {scene_id(2): ("recompute", reason)}
    assert pipeline.run("c")["outcome"] == "empty"


@pytest.mark.parametrize("says", ["the product", "the catalogue"])
def test_a_product_that_an_aborted_run_left_does_not_pass_for_a_newer_version(
    pipeline: Pipeline, tmp_path: Any, says: str
) -> None:
    def of(baseline: str, updated: datetime) -> dict[str, Any]:
        changes = {"s2:processing_baseline": baseline, "updated": updated.isoformat()}
        return item(2, properties=item(2)["properties"] | changes)

    pipeline.tells_baseline = says == "the product"
    pipeline.items = [of("05.10", datetime(2026, 11, 4, tzinfo=UTC))]
    planned = pipeline.plan("a")
    pipeline.work(planned)
    pipeline.abort(planned)
    # S3's clock is the real one.
    since = datetime(2026, 11, 5, tzinfo=UTC) if pipeline.tells_baseline else datetime.now(UTC) + timedelta(minutes=1)
    pipeline.items = [of("05.11", since)]

    reason = pipeline.decisions(pipeline.run("b"))[scene_id(2)]

    told = "05.11 is there, its product was made from 05.10" if pipeline.tells_baseline else "changed the scene since"
    assert (reason[0], told in reason[1]) == ("recompute", True)
    assert pipeline.jobs == [scene_id(2)] * 2
    assert table(pipeline, tmp_path, 'id, "geocadence:baseline"') == [(scene_id(2), "05.11")]
    assert pipeline.run("c")["outcome"] == "empty"


@pytest.mark.parametrize("tells_baseline", [True, False])
def test_what_a_replaced_product_left_does_not_pass_for_the_newest_version_under_its_id(
    pipeline: Pipeline, tmp_path: Any, tells_baseline: bool
) -> None:
    pipeline.tells_baseline = tells_baseline
    first, second, third = (
        counted(counter, properties={"s2:processing_baseline": baseline})
        for counter, baseline in (("0", "05.10"), ("1", "05.11"), ("0", "05.12"))
    )
    for name, items in (("a", [first]), ("b", [first, second]), ("c", [third, second])):
        pipeline.items = items
        pipeline.run(name)

    assert pipeline.jobs == [first["id"], second["id"], third["id"]]
    assert table(pipeline, tmp_path, 'id, "geocadence:baseline"') == [(third["id"], "05.12")]
    assert linked(pipeline) == [third["id"]]


def test_products_that_an_aborted_recompute_made_stand_in_the_table_as_they_are(
    pipeline: Pipeline, tmp_path: Any
) -> None:
    pipeline.run("a")
    for each in pipeline.items:
        each["properties"]["platform"] = "sentinel-2c"
    planned = pipeline.plan("b", {"recompute": True})
    pipeline.work(planned, but=(scene_id(3),))
    pipeline.abort(planned)

    after = pipeline.run("c")

    assert after["outcome"] == "empty"
    assert pipeline.decisions(after)[scene_id(0)][1] == (
        "its product is in place (and newer than what the catalogue says of it)"
    )
    platforms = dict(table(pipeline, tmp_path, "id, platform"))
    assert platforms.pop(scene_id(3)) == "sentinel-2b"
    assert set(platforms.values()) == {"sentinel-2c"}
    assert set(pipeline.decisions(pipeline.run("d")).values()) == {("skip", "its product is in place")}
    # Their recipe is still known.
    pipeline.definition["processing"]["arguments"] = {"indices": ["EVI"]}
    assert pipeline.plan("e")["planned"] == 5


def test_a_product_of_an_aborted_run_is_made_anew_for_a_changed_recipe(pipeline: Pipeline) -> None:
    planned = pipeline.plan("a")
    pipeline.work(planned, but=(scene_id(1),))
    pipeline.abort(planned)
    pipeline.definition["processing"]["arguments"] = {"indices": ["EVI"]}

    after = pipeline.run("b")

    changed = ("recompute", "the recipe changed since its product was made: another arguments")
    assert [pipeline.decisions(after)[scene_id(n)] for n in (0, 1)] == [changed, ("new", "no product yet")]
    assert pipeline.run("c")["outcome"] == "empty"


def test_what_an_aborted_run_made_by_the_changed_recipe_is_not_made_twice(pipeline: Pipeline) -> None:
    pipeline.run("a")
    pipeline.definition["processing"]["arguments"] = {"indices": ["EVI"]}
    planned = pipeline.plan("b")
    pipeline.work(planned, but=(scene_id(3),))
    pipeline.abort(planned)

    after = pipeline.run("c")

    assert pipeline.taken(after) == [scene_id(3)]
    assert pipeline.run("d")["outcome"] == "empty"
    # What was adopted is known by the recipe that it was made by.
    pipeline.definition["processing"]["arguments"] = {"indices": ["NDVI"]}
    assert pipeline.plan("e")["planned"] == 5


def test_a_scene_of_a_span_of_time_is_a_scene(pipeline: Pipeline, tmp_path: Any) -> None:
    """Composites have no one datetime; their products are filed under their start."""
    span = {"datetime": None, "start_datetime": "2026-11-01T00:00:00Z", "end_datetime": "2026-11-30T23:59:59Z"}
    pipeline.items = [item(0, properties=span)]

    assert pipeline.run("a", {"window": {"start": "2026-11-01", "end": "2026-11-02"}})["produced"] == 1
    assert pipeline.run("b")["outcome"] == "empty"
    assert table(pipeline, tmp_path) == [scene_id(0)]
    (found,) = rustac.read_sync(str(tmp_path / "items.parquet"))["features"]
    pystac.Item.from_dict(found).validate()
    interval = pipeline.outputs.read_json("ndvi/collection.json")["extent"]["temporal"]["interval"]
    assert interval == [["2026-11-01T00:00:00Z", "2026-11-30T23:59:59Z"]]


def test_a_composite_is_in_each_window_that_it_lasts_into_as_a_search_of_an_api_has_it(pipeline: Pipeline) -> None:
    """It comes when it is over: a lookback shorter than it would never see its start."""
    span = {"datetime": None, "start_datetime": "2026-10-01T00:00:00Z", "end_datetime": "2026-10-31T23:59:59Z"}
    pipeline.items = [item(0, properties=span), item(1, properties=span | {"end_datetime": "at its end"})]

    def taken(**window: str) -> list[str]:
        return pipeline.taken(pipeline.plan("a", {"window": window}))

    assert taken(start="2026-10-25", end="2026-11-01") == [scene_id(0)]
    assert taken(start="2026-11-01", end="2026-11-09") == []
    assert taken(start="2026-09-01", end="2026-10-01") == [scene_id(0), scene_id(1)]


def test_a_dry_run_commits_nothing_and_tells_of_what_is_to_be_committed(pipeline: Pipeline) -> None:
    planned = pipeline.plan("a")
    pipeline.work(planned)
    pipeline.abort(planned)

    looked = pipeline.plan("b", {"dry_run": True})
    pipeline.close(looked)

    assert not pipeline.outputs.exists("ndvi/items.parquet")
    assert not pipeline.outputs.exists("ndvi/collection.json")
    assert {each["reason"] for each in drift(looked["document"]["decisions"], {})} == {
        "its product is in place (and not in the catalogue yet)"
    }
    pipeline.run("c")
    assert drift(pipeline.plan("d", {"dry_run": True})["document"]["decisions"], {}) == []


def test_one_acquisition_listed_under_two_ids_is_one_product(pipeline: Pipeline, tmp_path: Any) -> None:
    pipeline.items = [
        counted("0", properties={"updated": "2026-11-04T00:00:00Z"}),
        counted("1", properties={"updated": "2026-11-05T00:00:00Z"}),
    ]

    planned = pipeline.run("a")

    assert table(pipeline, tmp_path) == [pipeline.items[1]["id"]]
    assert pipeline.decisions(planned)[pipeline.items[0]["id"]] == (
        "rejected",
        f"superseded by {pipeline.items[1]['id']}, of the same acquisition and processing baseline",
    )


@pytest.mark.parametrize("says_baseline", [True, False])
def test_a_newer_version_of_planetary_computers_replaces(
    pipeline: Pipeline, tmp_path: Any, says_baseline: bool
) -> None:
    """Its ids name the time of processing and no baseline: where the Item says none either, the time decides."""

    def processed(at: str, baseline: str) -> dict[str, Any]:
        told = {"s2:processing_baseline": baseline} if says_baseline else {}
        scene = f"S2B_MSIL2A_20261103T112119_R037_T29SNB_{at}"
        return item(2, id=scene, properties=item(2)["properties"] | told)

    old, new = processed("20261103T134500", "05.10"), processed("20270206T080531", "05.11")
    pipeline.items = [old]
    pipeline.run("a")
    pipeline.items = [new, old]
    pipeline.run("b")

    assert table(pipeline, tmp_path) == linked(pipeline) == [new["id"]]
    pipeline.items = [old]
    assert pipeline.run("c")["outcome"] == "empty"
