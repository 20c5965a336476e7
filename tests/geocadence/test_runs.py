"""Run after run over one catalogue: nothing lost, nothing twice."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pystac
import pytest
import rustac

from geocadence.again import drift
from geocadence.bucket import Bucket
from geocadence.instants import parse_instant
from geocadence.plan.claims import read_claims, renew
from tests.geocadence.pipeline import Pipeline, linked, table
from tests.geocadence.scenes import commit_product, counted, definition, item, scene_id


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
    pipeline.outputs.delete_many([f"ndvi/2026/11/{scene_id(2)}/{scene_id(2)}_ndvi.tif"])

    reason = f"its product is incomplete: its Item names {scene_id(2)}_ndvi.tif, which is not there"
    assert pipeline.decisions(pipeline.plan("b"))[scene_id(2)] == ("new", reason)


def test_a_committed_product_that_is_gone_is_made_again(pipeline: Pipeline) -> None:
    pipeline.run("a")
    pipeline.outputs.delete_many(found.key for found in pipeline.outputs.listing(f"ndvi/2026/11/{scene_id(2)}/"))

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


def test_two_starts_at_once_make_one_set_of_products(pipeline: Pipeline, tmp_path: Any) -> None:
    first, second = pipeline.plan("a"), pipeline.plan("b")

    assert (first["planned"], second["planned"], second["batches"]) == (5, 0, 0)
    assert set(pipeline.decisions(second).values()) == {("skip", f"run {first['run_id']} is working on it")}
    pipeline.close(second)
    pipeline.work(first)
    assert pipeline.close(first)["outcome"] == "complete"
    assert sorted(pipeline.jobs) == [scene_id(n) for n in range(5)]
    assert table(pipeline, tmp_path) == [scene_id(n) for n in range(5)]
    assert read_claims(pipeline.inputs, "ndvi").runs == ()


def test_of_two_runs_that_plan_at_the_very_same_time_one_looks_again(pipeline: Pipeline) -> None:
    others: list[dict[str, Any]] = []

    def meanwhile(arn: str) -> bool:
        return arn in pipeline.at_work

    pipeline.plan("early")  # so that claims are looked at while planning

    def slow(arn: str) -> bool:
        if not others:
            others.append({})
            others.append(pipeline.plan("fast"))
        return meanwhile(arn)

    pipeline.abort({"arn": next(iter(pipeline.at_work))})
    slow_one = pipeline.plan("slow", is_at_work=slow)

    assert (others[1]["planned"], slow_one["planned"]) == (5, 0)


def test_as_many_neighbours_as_a_backfill_may_run_at_once_share_out_the_scenes(inputs: Bucket, outputs: Bucket) -> None:
    """Ten windows that overlap by a scene, planned by ten threads on a bucket that refuses conditional writes."""
    pipeline = Pipeline(inputs, outputs, [item(n) for n in range(12)])
    first = parse_instant(item(0)["properties"]["datetime"])

    def plan(n: int) -> dict[str, Any]:
        window = {"start": (first + timedelta(days=n)).isoformat(), "end": (first + timedelta(days=n + 1)).isoformat()}
        return pipeline.plan(f"window-{n}", {"window": window}, is_at_work=lambda arn: True)

    with ThreadPoolExecutor(10) as pool:
        planned = list(pool.map(plan, range(10)))

    taken = Counter(scene for each in planned for scene in pipeline.taken(each))
    assert taken == Counter(scene_id(n) for n in range(11))
    claimed = {claim.run_id for claim in read_claims(inputs, "ndvi").runs}
    assert claimed == {each["run_id"] for each in planned if each["planned"]}


def test_a_run_that_closes_while_another_plans_is_not_overlooked(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other's products come after they were looked for, and its claim goes before it was looked at."""
    first = pipeline.plan("a")
    listing, calls = Bucket.listing, []

    def then_closes(bucket: Bucket, prefix: str, *, after: str = "") -> Any:
        found = list(listing(bucket, prefix, after=after))
        if after and not calls:
            calls.append(prefix)
            pipeline.work(first)
            pipeline.close(first)
        return iter(found)

    pipeline.at_work.clear()
    monkeypatch.setattr(Bucket, "listing", then_closes)
    second = pipeline.plan("b")

    assert calls
    assert (second["planned"], second["skipped"]) == (0, 5)


def test_who_took_a_claim_for_dead_before_its_owner_showed_life_looks_again(pipeline: Pipeline) -> None:
    """A submitted job: its claim is there before SageMaker lists it."""
    submitted = pipeline.plan("submitted")
    pipeline.at_work.clear()
    looked: list[str] = []

    def then_shows(arn: str) -> bool:
        looked.append(arn)
        if len(looked) == 1:
            pipeline.at_work.add(submitted["arn"])
            assert renew(pipeline.inputs, "ndvi", submitted["run_id"])
            return False
        return arn in pipeline.at_work

    second = pipeline.plan("b", is_at_work=then_shows)

    assert (second["planned"], second["skipped"]) == (0, 5)
    assert looked == [submitted["arn"]] * 2


def test_a_claim_that_another_run_has_entered_over_is_not_renewed(pipeline: Pipeline) -> None:
    submitted = pipeline.plan("submitted")
    pipeline.at_work.clear()
    second = pipeline.plan("b")

    assert second["planned"] == 5
    assert not renew(pipeline.inputs, "ndvi", submitted["run_id"])
    assert [claim.run_id for claim in read_claims(pipeline.inputs, "ndvi").runs] == [second["run_id"]]


def test_an_aborted_run_gives_its_scenes_back_and_what_it_finished_counts(pipeline: Pipeline, tmp_path: Any) -> None:
    first = pipeline.plan("a")
    pipeline.work(first, but=(scene_id(3), scene_id(4)))
    pipeline.abort(first)

    second = pipeline.run("b")

    assert (second["planned"], second["produced"], second["skipped"]) == (2, 2, 3)
    assert sorted(pipeline.jobs) == [scene_id(n) for n in range(5)]
    assert table(pipeline, tmp_path) == linked(pipeline) == [scene_id(n) for n in range(5)]


def test_planning_a_run_again_keeps_its_scenes(pipeline: Pipeline) -> None:
    pipeline.plan("a")
    again = pipeline.plan("a")

    assert again["planned"] == 5
    assert [claim.run_id for claim in read_claims(pipeline.inputs, "ndvi").runs] == [again["run_id"]]


def test_a_dry_run_claims_nothing(pipeline: Pipeline) -> None:
    pipeline.plan("a", {"dry_run": True})

    assert pipeline.plan("b")["planned"] == 5


def test_two_runs_over_the_same_objects_do_not_run_at_once(inputs: Bucket, outputs: Bucket) -> None:
    pipeline = Pipeline(inputs, outputs, [])
    inputs.write("images/a.tif", b"x", content_type="image/tiff")

    def plan(name: str) -> dict[str, Any]:
        pipeline.definition = definition(prefix={"uri": inputs.uri("images/")})
        return pipeline.plan(name)

    first, second = plan("a"), plan("b")

    assert (first["planned"], second["planned"], second["batches"]) == (1, 0, 0)
    assert second["document"]["note"] == f"run {first['run_id']} is working on the same objects"


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


def test_a_dry_run_commits_nothing_and_tells_of_what_is_to_be_committed(pipeline: Pipeline) -> None:
    planned = pipeline.plan("a")
    pipeline.work(planned)
    pipeline.abort(planned)

    looked = pipeline.plan("b", {"dry_run": True})
    pipeline.close(looked)

    assert not pipeline.outputs.exists("ndvi/items.parquet")
    assert not pipeline.outputs.exists("ndvi/collection.json")
    assert {each["reason"] for each in drift(looked["document"], {})} == {
        "its product is in place (and not in the catalogue yet)"
    }
    pipeline.run("c")
    assert drift(pipeline.plan("d", {"dry_run": True})["document"], {}) == []


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


def test_the_table_is_stac_geoparquet_that_others_read(pipeline: Pipeline, tmp_path: Any) -> None:
    pipeline.run("a")
    path = tmp_path / "items.parquet"
    pipeline.outputs.fetch("ndvi/items.parquet", path)

    # DuckDB
    rows = duckdb.sql(
        f"SELECT id, datetime::VARCHAR, bbox.xmin, assets.ndvi.href FROM '{path}' WHERE bbox.xmax > -7.69"  # noqa: S608
    ).fetchall()
    assert [row[0] for row in rows] == [scene_id(n) for n in (2, 3, 4)]
    assert rows[0][3] == pipeline.outputs.uri(f"ndvi/2026/11/{scene_id(2)}/{scene_id(2)}_ndvi.tif")
    # rustac, and pystac over it
    found = rustac.read_sync(str(path))
    items = [pystac.Item.from_dict(feature) for feature in found["features"]]
    assert [each.id for each in items] == [scene_id(n) for n in range(5)]
    assert items[0].geometry == item(0)["geometry"]
    assert list(items[0].bbox) == item(0)["bbox"]
    assert items[0].properties["platform"] == "sentinel-2b"
    for each in items:
        each.validate()
    # GeoParquet's own metadata
    keys = dict(duckdb.sql(f"SELECT decode(key), decode(value) FROM parquet_kv_metadata('{path}')").fetchall())  # noqa: S608
    assert json.loads(keys["geo"])["columns"]["geometry"]["bbox"] == [-8.0, 38.0, -7.66, 38.2]


def test_products_from_before_there_was_a_table_are_taken_into_it(pipeline: Pipeline, tmp_path: Any) -> None:
    for n in range(5):
        commit_product(pipeline.outputs, n)

    planned = pipeline.run("a")

    assert planned["outcome"] == "empty"
    assert set(pipeline.decisions(planned).values()) == {
        ("skip", "its product is in place (and not in the catalogue yet)")
    }
    assert table(pipeline, tmp_path) == [scene_id(n) for n in range(5)]


def test_two_closes_at_once_both_end_up_in_the_table(
    pipeline: Pipeline, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pipeline.plan("a", {"window": {"start": "2026-11-01", "end": "2026-11-03T12:00:00Z"}})
    second = pipeline.plan("b")
    pipeline.work(first)
    pipeline.work(second)
    replace_file, calls = Bucket.replace_file, []

    def late(bucket: Bucket, *arguments: Any, **options: Any) -> None:
        if not calls:
            calls.append("once")
            pipeline.close(second)
        replace_file(bucket, *arguments, **options)

    monkeypatch.setattr(Bucket, "replace_file", late)
    pipeline.close(first)

    assert (first["planned"], second["planned"]) == (3, 2)
    assert table(pipeline, tmp_path) == linked(pipeline) == [scene_id(n) for n in range(5)]


def test_columns_of_many_kinds_of_items_are_merged(pipeline: Pipeline, tmp_path: Any) -> None:
    pipeline.run("a")
    pipeline.items.append(item(7, geometry=None, bbox=None))
    planned = pipeline.plan("b")
    pipeline.work(planned, is_reconciled=False)
    key = f"ndvi/2026/11/{scene_id(7)}/{scene_id(7)}.json"
    odd = {
        "datetime": "yesterday",
        "platform": ["a"],
        "id": 3,
        "eo:cloud_cover": "much",
        "nested": {"a": [1, {"b": 2}]},
    }
    assets = {"ndvi": {"href": f"./{scene_id(7)}_ndvi.tif", "bands": {"a": 1}, "n": 1}, "preview": {"href": "s3://b/c"}}
    pipeline.outputs.write_json(key, pipeline.outputs.read_json(key) | {"properties": odd, "assets": assets})

    pipeline.close(planned)

    assert table(pipeline, tmp_path, "id, platform")[-1] == (scene_id(7), None)
    assert rustac.read_sync(str(tmp_path / "items.parquet"))["features"][0]["properties"]["platform"] == "sentinel-2b"
