"""PlanRun against a real STAC API and a real S3."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from geocadence.bucket import Bucket
from geocadence.catalogue.http import CatalogueUnavailable
from geocadence.execution_input import InvalidInput
from geocadence.layout import product_item
from geocadence.plan.batches import ranked
from geocadence.plan.planning import Run, plan_run
from tests.geocadence.pipeline import in_memory
from tests.geocadence.scenes import (
    ARN,
    FIRST,
    STARTED,
    batch_objects,
    commit_product,
    definition,
    item,
    items_source,
    scene_id,
    sources_in,
    stac_source,
    verdicts,
)


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
    resolved["limits"]["max_scenes_per_run"] = 12
    assert plan(resolved)["planned"] == 12


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


def test_where_sizes_are_known_the_objects_bear_the_rank_that_spreads_them(plan: Any, inputs: Bucket) -> None:
    sizes = [900, 100, 500, 500]
    items = [item(n, assets={"red": {"href": "s3://a/b", "file:size": size}}) for n, size in enumerate(sizes)]
    resolved = definition(items=items_source(items))
    resolved["processing"]["instance_count"] = 2

    result = plan(resolved)

    names = [name.partition("_")[2].removesuffix(".json") for name in batch_objects(inputs)]
    assert names == [scene_id(n) for n in ranked(sizes, instances=2)]
    assert result["document"]["estimate"]["bytes"] == 2000


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


@pytest.mark.parametrize(
    ("scenes_per_job", "concurrent_jobs", "instances"),
    [
        pytest.param(2, 2, 4, id="three jobs, two at a time"),
        pytest.param(2, 10, 6, id="three jobs, all at once"),
        pytest.param(2, 1, 2, id="three jobs, one after another"),
        pytest.param(6, 2, 2, id="one job"),
    ],
)
def test_the_quota_is_asked_for_all_jobs_at_a_time(
    plan: Any, inputs: Bucket, scenes_per_job: int, concurrent_jobs: int, instances: int
) -> None:
    asked: list[int] = []
    given = definition(items=items_source([item(n) for n in range(6)]))
    given["limits"] |= {"scenes_per_job": scenes_per_job, "concurrent_jobs": concurrent_jobs}
    plan(given, {"instance_count": 2}, quota_refusal=asked.append)
    assert asked == [instances]


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


def test_python_looks_for_cycles_hardly_ever_while_items_are_read() -> None:
    seen: list[int] = []

    def search(source: dict[str, Any], **_: Any) -> Iterator[dict[str, Any]]:
        seen.append(gc.get_threshold()[0])
        yield item(0)

    pipeline = in_memory([])
    pipeline.definition = definition(stac=stac_source("https://x"))
    pipeline.plan("a", search_stac_api=search)

    assert seen[0] > 100 * gc.get_threshold()[0]
