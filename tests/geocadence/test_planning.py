"""PlanRun against a real STAC API and a real S3."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import rustac

from geocadence.bucket import Bucket
from geocadence.catalogue.http import CatalogueUnavailable
from geocadence.execution_input import InvalidInput
from geocadence.layout import RunLayout, product_item
from geocadence.plan.batch_objects import write_batch
from geocadence.plan.batches import ranked
from geocadence.plan.estimate import Took, remember
from geocadence.plan.planning import Run, plan_run
from tests.geocadence.misbehaving_api import CORE, FILTER, SEARCH, misbehaving, page
from tests.geocadence.scenes import (
    FIRST,
    commit_product,
    definition,
    item,
    items_source,
    scene_id,
    sources_in,
    stac_source,
)

STARTED = datetime(2026, 11, 22, 6, tzinfo=UTC)
ARN = "arn:aws:states:us-west-2:123456789012:execution:geocadence-dev-ndvi:x"


@pytest.fixture
def plan(inputs: Bucket, outputs: Bucket) -> Any:
    def run(
        resolved: dict[str, Any],
        execution_input: Any = None,
        *,
        run_id: str = "20261122T060000Z-0a1b2c3d",
        quota_refusal: Any = lambda wanted: None,
        writes_batches: bool = True,
        **sources: Any,
    ) -> dict[str, Any]:
        result = plan_run(
            Run(run_id, f"{ARN}-{run_id}", STARTED, {} if execution_input is None else execution_input),
            definition=resolved,
            inputs=inputs,
            outputs=outputs,
            sources=sources_in(inputs, **sources),
            quota_refusal=quota_refusal,
            clock=lambda: STARTED,
        )
        if writes_batches and result["input_uri"].endswith("/batches/"):
            for batch in range(result["batches"]):
                write_batch(inputs, RunLayout("ndvi", run_id), batch)
        return result | {"document": inputs.read_json(f"ndvi/runs/{run_id}/plan.json")}

    return run


def batch_objects(inputs: Bucket) -> list[str]:
    return [found.key.partition("/batches/")[2] for found in inputs.listing("ndvi/runs/") if "/batches/" in found.key]


def verdicts(result: dict[str, Any]) -> dict[str, str]:
    return {d["id"]: d["decision"] for d in result["document"]["decisions"]}


def test_an_empty_input_takes_all_new_scenes_of_the_window(plan: Any, inputs: Bucket, stac_api: str) -> None:
    result = plan(definition(stac=stac_source(stac_api)))

    assert {key: result[key] for key in ("planned", "skipped", "rejected", "batches", "instance_count")} == {
        "planned": 12,
        "skipped": 0,
        "rejected": 0,
        "batches": 3,
        "instance_count": 3,
    }
    assert result["input_uri"] == inputs.uri("ndvi/runs/20261122T060000Z-0a1b2c3d/batches/")
    assert result["plan"] == inputs.uri("ndvi/runs/20261122T060000Z-0a1b2c3d/plan.json")
    assert batch_objects(inputs) == sorted(f"{n // 4}/{scene_id(n)}.json" for n in range(12))


def test_each_batch_object_is_the_scenes_item_as_the_catalogue_has_it(plan: Any, inputs: Bucket, stac_api: str) -> None:
    plan(definition(stac=stac_source(stac_api)))

    written = inputs.read_json(f"ndvi/runs/20261122T060000Z-0a1b2c3d/batches/0/{scene_id(0)}.json")
    assert written["assets"]["red"]["href"] == item(0)["assets"]["red"]["href"]
    assert written["properties"]["datetime"] == item(0)["properties"]["datetime"]


def test_batch_objects_bear_the_tag_by_which_they_expire(plan: Any, inputs: Bucket, stac_api: str, s3: Any) -> None:
    plan(definition(stac=stac_source(stac_api)))

    key = next(found.key for found in inputs.listing("ndvi/runs/") if "/batches/" in found.key)
    assert s3.get_object_tagging(Bucket=inputs.name, Key=key)["TagSet"] == [
        {"Key": "geocadence-expires", "Value": "batch"}
    ]


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


def test_a_committed_scene_is_skipped(plan: Any, inputs: Bucket, outputs: Bucket, stac_api: str) -> None:
    committed = commit_product(outputs, 2)

    result = plan(definition(stac=stac_source(stac_api)))

    assert verdicts(result)[committed] == "skip"
    assert (result["planned"], result["skipped"]) == (11, 1)
    assert not any(committed in key for key in batch_objects(inputs))


def test_a_product_with_a_missing_asset_is_made_again(plan: Any, outputs: Bucket, stac_api: str) -> None:
    scene = commit_product(outputs, 2, without="_ndvi.tif")

    result = plan(definition(stac=stac_source(stac_api)))

    decision = next(d for d in result["document"]["decisions"] if d["id"] == scene)
    assert decision["decision"] == "new"
    assert decision["reason"] == (f"its product is incomplete: its Item names {scene}_ndvi.tif, which is not there")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"assets": {}}, "its Item names no asset of its own"),
        ({"assets": {"red": {"href": "https://example.com/a.tif"}}}, "its Item names no asset of its own"),
        ({"assets": {"ndvi": {"href": "/a.tif"}}}, "/a.tif"),
        ({"assets": {"ndvi": {"href": "../../../../a.tif"}}}, "../../../../a.tif"),
        ({"assets": {"ndvi": {"href": "file:///opt/ml/processing/a.tif"}}}, "file:///opt/ml/processing/a.tif"),
        ({"id": "another"}, 'its Item has the id "another", not the scene\'s'),
        ({"id": ["a"]}, 'its Item has the id ["a"], not the scene\'s'),
        ({"assets": {"ndvi": {"href": "../other/a.tif"}}}, "../other/a.tif"),
        ({"assets": {"ndvi": {"href": "./..%2Fother%2Fa.tif"}}}, "./..%2Fother%2Fa.tif"),
    ],
)
def test_an_item_that_is_not_the_scenes_own_is_no_product(
    plan: Any, outputs: Bucket, changes: dict[str, Any], fault: str
) -> None:
    scene = commit_product(outputs, 2)
    key = product_item("ndvi", scene, FIRST + timedelta(days=2))
    outputs.write_json(key, outputs.read_json(key) | changes)
    outputs.write("ndvi/2026/11/other/a.tif", b"pixels", content_type="image/tiff")

    (decision,) = plan(definition(items=items_source([item(2)])))["document"]["decisions"]

    if "ndvi" in str(changes):
        fault = f"its Item names {fault}, which is outside of the scene's folder"
    assert (decision["decision"], decision["reason"]) == ("new", f"its product is incomplete: {fault}")


def test_links_to_what_lies_elsewhere_do_not_make_a_product_incomplete(plan: Any, outputs: Bucket) -> None:
    scene = commit_product(outputs, 2)
    key = product_item("ndvi", scene, FIRST + timedelta(days=2))
    committed = outputs.read_json(key)
    committed["assets"]["red"] = {"href": "s3://elsewhere/red.tif"}
    committed["assets"]["nir"] = {"href": "https://example.com/nir.tif"}
    committed["assets"]["soil"] = {"href": outputs.uri("soil/2026/11/a/a.tif")}
    outputs.write_json(key, committed)

    (decision,) = plan(definition(items=items_source([item(2)])))["document"]["decisions"]

    assert decision["decision"] == "skip"


def test_assets_in_the_scenes_folder_count_however_they_are_named(plan: Any, outputs: Bucket) -> None:
    scene = commit_product(outputs, 2)
    key = product_item("ndvi", scene, FIRST + timedelta(days=2))
    folder = key.rpartition("/")[0]
    href = outputs.uri(f"{folder}/{scene}_ndvi.tif")
    assets = {"ndvi": {"href": href}, "again": {"href": f"../{scene}/{scene}_ndvi.tif"}}
    outputs.write_json(key, outputs.read_json(key) | {"assets": assets})

    assert verdicts(plan(definition(items=items_source([item(2)])))) == {scene: "skip"}


def test_recompute_takes_committed_scenes_too(plan: Any, outputs: Bucket, stac_api: str) -> None:
    committed = commit_product(outputs, 2)

    result = plan(definition(stac=stac_source(stac_api)), {"recompute": True})

    assert verdicts(result)[committed] == "recompute"
    assert result["planned"] == 12


def test_named_scenes_are_found_whatever_the_window_and_the_filter(plan: Any, stac_api: str) -> None:
    source = stac_source(stac_api, lookback="P1D", query={"eo:cloud_cover": {"lt": 1}})

    result = plan(definition(stac=source), {"scenes": [scene_id(7)]})

    assert verdicts(result) == {scene_id(7): "new"}


def test_scenes_that_are_gone_are_named_and_the_others_taken(plan: Any, stac_api: str) -> None:
    result = plan(definition(stac=stac_source(stac_api)), {"scenes": ["S2X", scene_id(7)]})

    assert verdicts(result) == {scene_id(7): "new", "S2X": "rejected"}
    assert result["document"]["decisions"][1]["reason"] == (
        f"collection sentinel-2-c1-l2a of {stac_api} over areas/test.geojson does not have it (any more)"
    )


def test_a_run_of_unknown_scenes_alone_is_refused(plan: Any, stac_api: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        plan(definition(stac=stac_source(stac_api)), {"scenes": ["S2B_FAR_AWAY", "S2X"]})

    assert str(refusal.value) == (
        f"`scenes` names what collection sentinel-2-c1-l2a of {stac_api} over areas/test.geojson does not have: "
        "S2B_FAR_AWAY, S2X (check the ids and the window)."
    )


def test_a_dry_run_plans_and_starts_nothing(plan: Any, inputs: Bucket, stac_api: str) -> None:
    result = plan(definition(stac=stac_source(stac_api)), {"dry_run": True})

    assert (result["planned"], result["batches"]) == (12, 0)
    assert batch_objects(inputs) == []
    assert result["document"]["dry_run"] is True


def test_planning_a_run_again_leaves_nothing_of_the_first_attempt_to_its_jobs(
    plan: Any, inputs: Bucket, outputs: Bucket, stac_api: str
) -> None:
    plan(definition(stac=stac_source(stac_api)), writes_batches=False)
    committed = [commit_product(outputs, n) for n in range(8)]

    result = plan(definition(stac=stac_source(stac_api)))

    assert batch_objects(inputs) == sorted(f"0/{scene_id(n)}.json" for n in range(8, 12))
    assert result["skipped"] == len(committed)


def test_a_run_above_the_limit_is_refused_and_writes_nothing(plan: Any, inputs: Bucket, stac_api: str) -> None:
    resolved = definition(stac=stac_source(stac_api))
    resolved["limits"]["max_scenes_per_run"] = 11

    with pytest.raises(InvalidInput) as refusal:
        plan(resolved)

    assert str(refusal.value) == (
        "The run would take 12 scenes, above limits.max_scenes_per_run, 11 "
        "(take a shorter window, name the scenes, or raise the limit in the definition)."
    )
    assert list(inputs.listing("")) == []


def test_no_scene_means_no_batch(plan: Any, stac_api: str) -> None:
    result = plan(definition(stac=stac_source(stac_api)), {"window": {"start": "2026-12-01", "end": "2026-12-02"}})

    assert (result["planned"], result["batches"], result["rejected"]) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["items", "prefix"])
def test_more_instances_than_may_share_the_work_are_refused(plan: Any, inputs: Bucket, kind: str) -> None:
    source = {"items": items_source([item(0)]), "prefix": {"uri": inputs.uri("images/")}}[kind]
    resolved = definition(**{kind: source})
    resolved["processing"] |= {"instance_count": 1, "distribution": "FullyReplicated", "most_instances": 1}

    assert plan(resolved, {"instance_count": 1})["instance_count"] == 1
    with pytest.raises(InvalidInput) as refusal:
        plan(resolved, {"instance_count": 4}, run_id="20261122T060000Z-refused0")

    assert str(refusal.value) == (
        "`instance_count` is 4, but FullyReplicated gives each instance every scene, and spectral_index would make "
        "every product as often (leave the key out, or take ShardedByS3Key in the definition)."
    )
    assert list(inputs.listing("ndvi/runs/20261122T060000Z-refused0/")) == []


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


def test_an_item_collection_is_filtered_by_a_given_window_only(plan: Any) -> None:
    resolved = definition(items=items_source([item(n) for n in range(5)]))

    assert plan(resolved)["planned"] == 5
    assert plan(resolved, {"window": {"start": "2026-11-03", "end": "2026-11-04"}})["planned"] == 1


def test_an_item_collection_in_s3_gets_absolute_hrefs(plan: Any, inputs: Bucket) -> None:
    beside = item(0, assets={"red": {"href": "./images/B04.tif"}})
    inputs.write_json("catalogue/items.json", {"type": "FeatureCollection", "features": [beside]})

    plan(definition(items={"href": inputs.uri("catalogue/items.json")}))

    written = inputs.read_json(f"ndvi/runs/20261122T060000Z-0a1b2c3d/batches/0/{scene_id(0)}.json")
    assert written["assets"]["red"]["href"] == inputs.uri("catalogue/images/B04.tif")


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


def test_a_cql2_filter_is_sent_to_an_api_that_knows_it(plan: Any) -> None:
    knows = "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter"
    with misbehaving(page([item(2)]), conforms_to=(CORE, SEARCH, FILTER, knows)) as api:
        plan(definition(stac=stac_source(api.url, filter='"eo:cloud_cover" < 11')))

    assert api.searches[0]["filter-lang"] == "cql2-json"
    assert api.searches[0]["filter"] == {"op": "<", "args": [{"property": "eo:cloud_cover"}, 11.0]}


def test_stac_geoparquet_in_s3_is_read_as_its_items(plan: Any, inputs: Bucket, tmp_path: Path) -> None:
    given = [item(0), item(1, assets={"red": {"href": "./B04.tif", "file:size": 7}, "nir": {"href": "s3://a/B08.tif"}})]
    rustac.write_sync(str(tmp_path / "items.parquet"), given)
    inputs.write("catalogue/items.parquet", (tmp_path / "items.parquet").read_bytes(), content_type="application/x")

    result = plan(definition(items={"href": inputs.uri("catalogue/items.parquet")}))

    assert verdicts(result) == {scene_id(0): "new", scene_id(1): "new"}
    written = inputs.read_json(f"ndvi/runs/20261122T060000Z-0a1b2c3d/batches/0/{scene_id(1)}.json")
    assert written["properties"] == given[1]["properties"]
    assert written["geometry"] == given[1]["geometry"]
    assert written["bbox"] == given[1]["bbox"]
    assert written["assets"] == {
        "red": {"href": inputs.uri("catalogue/B04.tif"), "file:size": 7},
        "nir": {"href": "s3://a/B08.tif"},
    }


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"PK", "is no Parquet file"), (None, "is not there"), ("other", "is no stac-geoparquet: it has no column id")],
)
def test_what_is_no_stac_geoparquet_is_refused(
    plan: Any, inputs: Bucket, tmp_path: Path, content: Any, sentence: str
) -> None:
    if content == "other":
        duckdb.sql(f"COPY (SELECT 1 AS a) TO '{tmp_path}/a.parquet'")
        content = (tmp_path / "a.parquet").read_bytes()
    if content is not None:
        inputs.write("items.parquet", content, content_type="application/x")

    with pytest.raises(InvalidInput) as refusal:
        plan(definition(items={"href": inputs.uri("items.parquet")}))

    assert str(refusal.value).startswith(f"{inputs.uri('items.parquet')} {sentence}")


def test_where_sizes_are_known_the_objects_bear_the_rank_that_spreads_them(plan: Any, inputs: Bucket) -> None:
    sizes = [900, 100, 500, 500]
    items = [item(n, assets={"red": {"href": "s3://a/b", "file:size": size}}) for n, size in enumerate(sizes)]
    resolved = definition(items=items_source(items))
    resolved["processing"]["instance_count"] = 2

    result = plan(resolved)

    names = [name.partition("_")[2].removesuffix(".json") for name in batch_objects(inputs)]
    assert names == [scene_id(n) for n in ranked(sizes, instances=2)]
    assert result["document"]["estimate"]["bytes"] == 2000


def test_before_the_first_run_a_stated_default_is_the_estimate(plan: Any) -> None:
    estimate = plan(definition(items=items_source([item(n) for n in range(4)])))["document"]["estimate"]

    assert estimate == {
        "of": "scene",
        "scenes": 4,
        "bytes": None,
        "instance_hours": round((4 * 60 + 3 * 180) / 3600, 3),
        "basis": "no run on ml.m5.4xlarge has closed yet: 60 s a scene and 180 s to start an instance are assumed",
        "usd_per_hour": None,
        "cost_usd": None,
    }


def test_later_runs_are_estimated_by_what_earlier_ones_took(plan: Any, outputs: Bucket) -> None:
    for n, seconds in enumerate((100.0, 300.0)):
        remember(outputs, "ndvi", Took(f"run-{n}", "ml.m5.4xlarge", 10, 2_000_000_000, seconds))
    remember(outputs, "ndvi", Took("run-2", "ml.c5.xlarge", 10, None, 9999.0))
    by_scene = definition(items=items_source([item(n) for n in range(4)]))
    assets = {"red": {"href": "s3://a/b", "file:size": 500_000_000}}
    by_bytes = definition(items=items_source([item(n, assets=assets) for n in range(4)]))
    by_bytes["processing"]["hourly_rate"] = 0.9

    first, second = (plan(each)["document"]["estimate"] for each in (by_scene, by_bytes))

    assert first["instance_hours"] == round(4 * 20 / 3600, 3)
    assert first["basis"] == "20.0 instance-seconds a scene in the last 2 runs on ml.m5.4xlarge"
    assert second["instance_hours"] == round(2e9 / 1e7 / 3600, 3)
    assert second["basis"] == "10.0 MB an instance-second in the last 2 runs on ml.m5.4xlarge"
    assert second["cost_usd"] == 0.05


def test_a_run_that_would_cost_too_much_is_refused_and_starts_nothing(plan: Any, inputs: Bucket) -> None:
    resolved = definition(items=items_source([item(n) for n in range(4)]))
    resolved["processing"]["hourly_rate"] = 100.0
    resolved["limits"]["max_cost_usd"] = 20

    with pytest.raises(InvalidInput) as refusal:
        plan(resolved)

    assert str(refusal.value) == (
        "The run would cost about 21.67 USD (4 scenes, 0.2 instance-hours at 100 USD; no run on ml.m5.4xlarge has "
        "closed yet: 60 s a scene and 180 s to start an instance are assumed), above limits.max_cost_usd, 20 (take a "
        "shorter window, name the scenes, or raise the limit in the definition)."
    )
    assert list(inputs.listing("")) == []


def test_a_limit_of_money_without_a_price_is_refused(plan: Any) -> None:
    resolved = definition(items=items_source([item(0)]))
    resolved["limits"]["max_cost_usd"] = 20

    with pytest.raises(InvalidInput, match=r"no price of ml\.m5\.4xlarge is known"):
        plan(resolved)

    resolved["source"]["items"] = items_source([])
    assert plan(resolved)["planned"] == 0


def test_a_prefix_is_counted_and_handed_over_as_it_is(plan: Any, inputs: Bucket) -> None:
    for name in ("images/", "images/a.tif", "images/b/c.tif"):
        inputs.write(name, b"" if name.endswith("/") else b"x", content_type="image/tiff")

    result = plan(definition(prefix={"uri": inputs.uri("images/")}))

    assert (result["planned"], result["batches"], result["instance_count"]) == (2, 1, 2)
    assert result["input_uri"] == inputs.uri("images/")


def test_a_run_that_the_quota_cannot_carry_ends_before_its_plan_is_written(plan: Any, inputs: Bucket) -> None:
    for n in range(6):
        inputs.write(f"images/{n}.tif", b"x", content_type="image/tiff")
    asked: list[int] = []

    def refuse(wanted: int) -> str:
        asked.append(wanted)
        return "The quota is 3."

    with pytest.raises(InvalidInput, match=r"^The quota is 3\.$"):
        plan(definition(prefix={"uri": inputs.uri("images/")}), {"instance_count": 4}, quota_refusal=refuse)
    assert asked == [4]
    assert not list(inputs.listing("ndvi/runs/"))
    assert plan(definition(prefix={"uri": inputs.uri("nothing/")}), quota_refusal=refuse)["batches"] == 0
    assert asked == [4], "nothing is asked where no job is started"


def test_an_empty_prefix_means_no_batch(plan: Any, inputs: Bucket) -> None:
    result = plan(definition(prefix={"uri": inputs.uri("nothing/")}))

    assert (result["planned"], result["batches"]) == (0, 0)


def listed(bucket: Bucket, *keys: str) -> dict[str, Any]:
    """A pipeline over a manifest of these keys below `sheets/`."""
    bucket.write_json("manifest.json", [{"prefix": bucket.uri("sheets/")}, *keys])
    return definition(manifest={"uri": bucket.uri("manifest.json")})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"data_type": "S3Prefix", "uri": "s3://{0}/areas/"}, "s3://{0}/areas/ matches no object"),
        ({"data_type": "ManifestFile", "uri": "s3://{0}/masks.json"}, "s3://{0}/masks.json is not there"),
        ({"data_type": "ManifestFile", "uri": "s3://{0}/lacking.json"}, "s3://{0}/masks/gone.tif (not there)"),
        ({"data_type": "ManifestFile", "uri": "s3://{0}/bare.json"}, "s3://{0}/bare.json names no object"),
        ({"data_type": "ManifestFile", "uri": "s3://{0}/blank.json"}, "s3://{0}/blank.json has no key at position 1"),
    ],
)
def test_a_further_input_that_a_job_would_fail_for_ends_the_run_before_it(
    plan: Any, inputs: Bucket, given: dict[str, str], told: str
) -> None:
    inputs.write("images/a.tif", b"x", content_type="image/tiff")
    inputs.write_json("lacking.json", [{"prefix": inputs.uri("masks/")}, "gone.tif"])
    inputs.write_json("bare.json", [{"prefix": inputs.uri("masks/")}])
    # An object of that name may well be there.
    inputs.write_json("blank.json", [{"prefix": inputs.uri("images/a.tif")}, ""])
    resolved = definition(prefix={"uri": inputs.uri("images/")})
    extra = {key: value.format(inputs.name) for key, value in given.items()}
    resolved["processing"]["inputs"] = {"areas": {"uri": None, "file": "areas.geojson"}, "masks": extra}

    with pytest.raises(InvalidInput) as refusal:
        plan(resolved)
    assert str(refusal.value).startswith("processing.inputs.masks: ")
    assert told.format(inputs.name) in str(refusal.value)

    resolved["source"] = definition(prefix={"uri": inputs.uri("nothing/")})["source"]
    assert plan(resolved)["planned"] == 0, "where no job is to be, none can fail"


def test_a_manifest_is_counted_and_handed_over_as_it_is(plan: Any, inputs: Bucket) -> None:
    for name in ("a.tif", "b.tif"):
        inputs.write(f"sheets/{name}", b"x", content_type="image/tiff")

    result = plan(listed(inputs, "a.tif", "b.tif"))

    assert (result["planned"], result["batches"], result["input_uri"]) == (2, 1, inputs.uri("manifest.json"))


def test_an_empty_manifest_means_no_job(plan: Any, inputs: Bucket) -> None:
    result = plan(listed(inputs))

    assert (result["planned"], result["batches"]) == (0, 0)


def test_the_first_keys_that_a_manifest_names_and_s3_lacks_are_named(plan: Any, inputs: Bucket) -> None:
    inputs.write("sheets/there.tif", b"x", content_type="image/tiff")
    gone = [f"gone-{n}.tif" for n in range(7)]

    with pytest.raises(InvalidInput) as refusal:
        plan(listed(inputs, "there.tif", *gone))

    told = str(refusal.value)
    assert "names 7 of 8 objects that the job could not read: " in told
    assert [f"{inputs.uri(f'sheets/{key}')} (not there)" in told for key in gone] == [True] * 5 + [False] * 2
    assert "and 2 more" in told
    assert "there.tif (" not in told


def test_what_the_role_may_not_read_is_named(plan: Any, inputs: Bucket) -> None:
    uri = inputs.uri("sheets/secret.tif")

    with pytest.raises(InvalidInput, match=r"secret\.tif \(access denied\) .*open them by access\.read"):
        plan(listed(inputs, "secret.tif"), look_s3=lambda uris: dict.fromkeys([uri], "access denied"))


def test_objects_of_another_region_are_refused_with_both_regions(plan: Any, inputs: Bucket) -> None:
    resolved = listed(inputs)
    inputs.write_json("manifest.json", [{"prefix": "s3://far/sheets/"}, "a.tif"])
    far = {"region_of_bucket": lambda bucket: "eu-central-1" if bucket == "far" else "us-west-2"}
    with pytest.raises(InvalidInput, match=r"objects in eu-central-1, and the job runs in us-west-2 .*-c region=eu"):
        plan(resolved, **far)


@pytest.mark.parametrize("kind", ["prefix", "manifest"])
def test_a_source_or_a_further_input_of_another_region_is_refused_though_it_can_be_listed(
    plan: Any, inputs: Bucket, kind: str
) -> None:
    lies = r"lies in eu-central-1, and the job runs in us-west-2 .*copy it, or deploy with -c region=eu-central-1"
    with pytest.raises(InvalidInput, match=f"^s3://far/sheets {lies}"):
        plan(definition(**{kind: {"uri": "s3://far/sheets"}}), region_of_bucket=lambda bucket: "eu-central-1")
    resolved = listed(inputs, "a.tif")
    inputs.write("sheets/a.tif", b"x", content_type="image/tiff")
    data_type = {"prefix": "S3Prefix", "manifest": "ManifestFile"}[kind]
    resolved["processing"]["inputs"] = {"areas": {"uri": "s3://far/areas", "data_type": data_type}}
    far = {"region_of_bucket": lambda bucket: "eu-central-1" if bucket == "far" else "us-west-2"}
    with pytest.raises(InvalidInput, match=f"^processing.inputs.areas: s3://far/areas {lies}"):
        plan(resolved, **far)


def test_a_bucket_tells_its_region(inputs: Bucket) -> None:
    assert inputs.region() == "us-west-2"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "is no JSON"),
        (b"{}", 'is no manifest (expected [{"prefix": "s3://bucket/path/"}, "relative/key", …])'),
        (b'["a.tif"]', "does not begin with its prefix"),
        (b'[{"prefix": "s3://b/"}, 3]', "has no key at position 1, but 3"),
        (b'[{"prefix": "s3://b"}, "a.tif"]', "has the prefix s3://b, without a slash behind the bucket"),
        (b'[{"prefix": "s3://b/"}, "s3://c/a.tif"]', "has a whole URI at position 1, s3://c/a.tif"),
        (
            b'[{"prefix": "s3://b/"}, "a.tif", "b.tif", "a.tif"]',
            "has a.tif at position 1 and again at 3 (two instances would work on it: take one of them out)",
        ),
        (None, "is not there"),
    ],
)
def test_a_broken_manifest_is_refused(plan: Any, inputs: Bucket, content: bytes | None, sentence: str) -> None:
    if content is not None:
        inputs.write("broken.json", content, content_type="application/json")

    with pytest.raises(InvalidInput) as refusal:
        plan(definition(manifest={"uri": inputs.uri("broken.json")}))

    assert str(refusal.value).startswith(inputs.uri("broken.json") + " ")
    assert sentence in str(refusal.value)


def test_scenes_of_a_prefix_make_no_sense(plan: Any, inputs: Bucket) -> None:
    with pytest.raises(InvalidInput, match="takes the objects of a prefix, not scenes"):
        plan(definition(prefix={"uri": inputs.uri("images/")}), {"scenes": ["a"]})


def test_a_dead_catalogue_is_not_the_inputs_fault(plan: Any, inputs: Bucket, outputs: Bucket) -> None:
    def dead(*_: Any, **__: Any) -> Any:
        raise CatalogueUnavailable("https://example.com gave HTTP 503, again and again")

    with pytest.raises(CatalogueUnavailable):
        plan_run(
            Run("r", ARN, STARTED, {}),
            definition=definition(stac=stac_source("https://example.com")),
            inputs=inputs,
            outputs=outputs,
            sources=sources_in(inputs, search_stac_api=dead),
            quota_refusal=lambda wanted: None,
            clock=lambda: STARTED,
        )
