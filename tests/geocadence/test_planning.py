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
from tests.geocadence.misbehaving_api import CORE, FILTER, SEARCH, misbehaving, page
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


def test_a_scene_of_another_collection_is_rejected_though_the_api_gave_it(plan: Any) -> None:
    with misbehaving(page([item(0), item(1, collection="landsat-c2-l2")])) as api:
        result = plan(definition(stac=stac_source(api.url)))

    assert verdicts(result)[scene_id(0)] == "new"
    (rejected,) = [found for found in result["document"]["decisions"] if found["decision"] == "rejected"]
    assert (rejected["id"], rejected["reason"]) == (
        scene_id(1),
        "it is of the collection landsat-c2-l2, not of sentinel-2-c1-l2a",
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
