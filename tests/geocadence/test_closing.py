"""CloseRun against a real S3: what counts as done, and the catalogue."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pystac
import pytest

from geocadence.bucket import Bucket
from geocadence.close.items_table import Entry, commit_items, row_of
from geocadence.products import Product
from tests.geocadence.closable import RUN, STARTED, Pipeline
from tests.geocadence.scenes import (
    commit_product,
    definition,
    item,
    job,
    scene_id,
)
from tests.offline_validator import stac_valid


@pytest.fixture(params=[True, False], ids=["reconciled", "not reconciled"])
def pipeline(request: pytest.FixtureRequest, inputs: Bucket, outputs: Bucket) -> Pipeline:
    """With and without what ReconcileBatch leaves: a run closes the same way."""
    return Pipeline(inputs, outputs, is_reconciled=request.param)


def test_a_run_is_complete_when_every_planned_scene_has_its_product(pipeline: Pipeline) -> None:
    pipeline.plan()
    for n in range(5):
        commit_product(pipeline.outputs, n)

    assert pipeline.close() == {
        "run_id": RUN,
        "outcome": "complete",
        "planned": 5,
        "produced": 5,
        "skipped": 0,
        "failed": 0,
        "report": pipeline.outputs.uri(f"ndvi/runs/{RUN}/report.html"),
        "failure": "",
    }


def test_a_scene_with_a_failure_file_has_failed_with_its_reason(pipeline: Pipeline) -> None:
    pipeline.plan()
    for n in range(4):
        commit_product(pipeline.outputs, n)
    pipeline.fail(4, "band red has no pixels over the area")

    result = pipeline.close()

    assert (result["outcome"], result["produced"], result["failed"]) == ("partial", 4, 1)
    assert pipeline.record()["scenes"][4]["failure"] == {
        "class": "input",
        "reason": "band red has no pixels over the area",
        "advice": "The scene itself is at fault: trying again changes nothing.",
    }


def test_a_scene_that_the_script_did_not_foresee_comes_with_what_to_do_about_the_script(pipeline: Pipeline) -> None:
    pipeline.plan()
    pipeline.fail(4, "Unforeseen KeyError: 'red'", kind="bug")

    pipeline.close()

    told = pipeline.record()["scenes"][4]["failure"]["advice"]
    assert f"in the log (.venv/bin/geocadence logs {RUN}), mend the script and deploy" in told
    assert f".venv/bin/geocadence retry {RUN}" in told


def test_an_object_that_the_script_did_not_foresee_comes_with_what_to_do_and_no_retry(pipeline: Pipeline) -> None:
    """No run takes objects by their names."""
    pipeline.inputs.write("images/a.tif", b"x", content_type="image/tiff")
    pipeline.definition = definition(prefix={"uri": pipeline.inputs.uri("images/")})
    pipeline.plan()
    failure = {"scene": "a.tif", "class": "bug", "reason": "KeyError: 'red'"}
    pipeline.outputs.write_json(f"ndvi/runs/{RUN}/failures/a.json", failure)

    pipeline.close()

    (other,) = pipeline.record()["other_failures"]
    assert {key: other[key] for key in failure} == failure
    assert other["advice"].endswith(f"logs {RUN}), mend the script and deploy, then start a run again.")
    assert other["advice"] in html.unescape(pipeline.outputs.read(f"ndvi/runs/{RUN}/report.html").decode())


def test_a_scene_without_product_and_failure_file_is_missing_for_its_jobs_reason(pipeline: Pipeline) -> None:
    pipeline.plan()
    commit_product(pipeline.outputs, 0)
    failed = job(status="Failed", failure_reason="AlgorithmError: exit code: 137", exit_message="Killed")

    result = pipeline.close(jobs_failed=1, failure="another sentence", seen=[failed])

    assert (result["outcome"], result["produced"], result["failed"]) == ("partial", 1, 4)
    scene = pipeline.record()["scenes"][1]
    assert scene["status"] == "missing"
    assert scene["failure"]["reason"] == "the job failed: AlgorithmError: exit code: 137 – Killed"
    assert scene["failure"]["advice"].startswith("The script was killed (exit code 137)")


def test_a_run_without_any_product_has_failed(pipeline: Pipeline) -> None:
    pipeline.plan()
    quota = (
        "SageMaker.ResourceLimitExceededException: The account-level service limit "
        "'ml.m5.4xlarge for processing job usage' is 0 Instances, with current utilization of 0 Instances and a "
        "request delta of 3 Instances. Please use AWS Service Quotas to request an increase for this quota."
    )

    result = pipeline.close(jobs_failed=1, failure=quota)

    assert (result["outcome"], result["failed"]) == ("failed", 5)
    assert pipeline.record()["advice"] == (
        "Retrying does not help: raise the account's quota “ml.m5.4xlarge for processing job usage” (now 0) in "
        "Service Quotas, https://us-west-2.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas , "
        "or take another instance type or fewer instances."
    )


def test_an_item_that_names_a_missing_asset_is_no_product(pipeline: Pipeline) -> None:
    pipeline.plan()
    for n in range(5):
        commit_product(pipeline.outputs, n, without="_ndvi.tif" if n == 2 else "")

    assert pipeline.close()["outcome"] == "partial"
    failure = pipeline.record()["scenes"][2]["failure"]
    assert failure["reason"] == f"its Item names {scene_id(2)}_ndvi.tif, which is not there"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"assets": {}}, "its Item names no asset of its own"),
        ({"id": scene_id(3)}, f'its Item has the id "{scene_id(3)}", not the scene\'s'),
        (
            {"assets": {"ndvi": {"href": f"../{scene_id(3)}/{scene_id(3)}_ndvi.tif"}}},
            f"its Item names ../{scene_id(3)}/{scene_id(3)}_ndvi.tif, which is outside of the scene's folder",
        ),
    ],
)
def test_an_item_that_is_not_the_scenes_own_is_no_product(
    pipeline: Pipeline, changes: dict[str, Any], reason: str
) -> None:
    pipeline.plan()
    for n in range(5):
        commit_product(pipeline.outputs, n)
    key = f"ndvi/2026/11/{scene_id(2)}/{scene_id(2)}.json"
    pipeline.outputs.write_json(key, pipeline.outputs.read_json(key) | changes)

    assert pipeline.close()["outcome"] == "partial"
    assert pipeline.record()["scenes"][2]["failure"]["reason"] == reason


def test_a_recompute_that_never_came_about_does_not_pass_for_one(pipeline: Pipeline, monkeypatch: Any) -> None:
    for n in range(5):
        commit_product(pipeline.outputs, n)
    pipeline.plan({"recompute": True})
    commit_product(pipeline.outputs, 0)

    result = pipeline.close()

    assert (result["planned"], result["produced"], result["failed"]) == (5, 1, 4)


def test_an_empty_plan_writes_nothing_over_anything(pipeline: Pipeline) -> None:
    pipeline.plan()
    for n in range(5):
        commit_product(pipeline.outputs, n)
    pipeline.close()
    before = {found.key: found.modified for found in pipeline.outputs.listing("ndvi/")}

    again = "20261129T060000Z-ffffffff"
    pipeline.plan(run_id=again)
    result = pipeline.close(run_id=again, jobs=0)

    assert (result["outcome"], result["planned"], result["skipped"]) == ("empty", 0, 5)
    after = {found.key: found.modified for found in pipeline.outputs.listing("ndvi/")}
    assert {key: after[key] for key in before} == before
    assert set(after) - set(before) == {f"ndvi/runs/{again}/run.json", f"ndvi/runs/{again}/report.html"}


def test_a_dry_run_ends_empty_and_shows_its_decisions(pipeline: Pipeline) -> None:
    pipeline.plan({"dry_run": True})

    result = pipeline.close(jobs=0)

    assert (result["outcome"], result["planned"], result["produced"], result["failed"]) == ("empty", 5, 0, 0)
    assert [scene["status"] for scene in pipeline.record()["scenes"]] == ["planned"] * 5


def test_closing_again_gives_the_same_answer(pipeline: Pipeline) -> None:
    pipeline.plan()
    commit_product(pipeline.outputs, 0)

    assert pipeline.close() == pipeline.close()
    assert len([link for link in pipeline.collection()["links"] if link["rel"] == "item"]) == 1


def test_products_of_a_run_that_never_closed_are_taken_into_the_collection(pipeline: Pipeline) -> None:
    pipeline.plan()
    for n in range(3):
        commit_product(pipeline.outputs, n)
    again = "20261129T060000Z-ffffffff"
    pipeline.plan(run_id=again)
    commit_product(pipeline.outputs, 3)

    pipeline.close(run_id=again)

    assert len([link for link in pipeline.collection()["links"] if link["rel"] == "item"]) == 4


def test_the_collection_grows_and_keeps_what_it_had(pipeline: Pipeline) -> None:
    pipeline.plan()
    commit_product(pipeline.outputs, 0)
    pipeline.close()
    again = "20261129T060000Z-ffffffff"
    pipeline.plan(run_id=again)
    commit_product(pipeline.outputs, 4)
    pipeline.close(run_id=again)

    collection = pipeline.collection()
    assert [link["href"] for link in collection["links"] if link["rel"] == "item"] == [
        f"./2026/11/{scene_id(n)}/{scene_id(n)}.json" for n in (0, 4)
    ]
    assert collection["extent"] == {
        "spatial": {"bbox": [[-8.0, 38.0, -7.66, 38.2]]},
        "temporal": {"interval": [["2026-11-01T11:21:19Z", "2026-11-05T11:21:19Z"]]},
    }
    assert collection["summaries"] == {
        "platform": ["sentinel-2b"],
        "eo:cloud_cover": {"minimum": 0.0, "maximum": 20.0},
    }


@pytest.fixture
def catalogue(pipeline: Pipeline, tmp_path: Path, download: Callable[[Bucket, Path], None]) -> Path:
    """The folder of a pipeline's catalogue, of five products, as somebody has copied it."""
    pipeline.plan()
    for n in range(5):
        commit_product(pipeline.outputs, n)
    pipeline.close()
    download(pipeline.outputs, tmp_path)
    return tmp_path / "ndvi"


def test_the_collection_is_stac_that_pystac_and_the_validator_accept(catalogue: Path) -> None:

    collection = pystac.Collection.from_file(str(catalogue / "collection.json"))
    assert sorted(found.id for found in collection.get_items()) == [scene_id(n) for n in range(5)]
    collection.validate()  # against the schemas that pystac ships: no network
    assert collection.license == "other"
    assert collection.to_dict()["stac_version"] == "1.1.0"
    assert set(collection.item_assets) == {"ndvi", "preview"}
    assert all(found.get_collection().id == "ndvi" for found in collection.get_items())


def test_stac_valid_passes_the_collection_and_its_items(catalogue: Path) -> None:
    file = catalogue / "collection.json"

    for each in (file, catalogue / f"2026/11/{scene_id(0)}/{scene_id(0)}.json"):
        done = stac_valid(each)
        assert done.returncode == 0, done.stdout
    file.write_text(json.dumps({**json.loads(file.read_text()), "extent": {}}))
    assert stac_valid(file).returncode == 1


def test_a_prefix_run_counts_what_the_script_wrote(pipeline: Pipeline) -> None:
    pipeline.inputs.write("images/a.tif", b"x", content_type="image/tiff")
    pipeline.outputs.write("ndvi/earlier.tif", b"x", content_type="image/tiff")
    pipeline.definition = definition(prefix={"uri": pipeline.inputs.uri("images/")})
    pipeline.plan()
    for name in ("a_ndvi.tif", "2026/b.tif"):
        pipeline.outputs.write(f"ndvi/{name}", b"x", content_type="image/tiff")

    result = pipeline.close()

    assert (result["outcome"], result["planned"], result["produced"], result["failed"]) == ("complete", 1, 2, 0)
    assert pipeline.collection() is None


def test_a_prefix_run_whose_jobs_all_failed_has_failed(pipeline: Pipeline) -> None:
    pipeline.inputs.write("images/a.tif", b"x", content_type="image/tiff")
    pipeline.definition = definition(prefix={"uri": pipeline.inputs.uri("images/")})
    pipeline.plan()

    result = pipeline.close(jobs_failed=1, failure="the job failed: exit code 1")

    assert (result["outcome"], result["produced"], result["failed"]) == ("failed", 0, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"properties": None},
        {"properties": {"datetime": "yesterday", "platform": [1], "eo:cloud_cover": "much"}},
        {"geometry": {"type": "Polygon", "coordinates": "here"}, "bbox": ["a", 0, 1, 2]},
        {"geometry": None, "bbox": None},
        {"assets": {"ndvi": {"href": f"./{scene_id(0)}_ndvi.tif", "bands": {"a": 1}, "roles": 3}}},
        {"assets": {"ndvi": {"href": f"{scene_id(0)}_ndvi.tif", "statistics": [1], "raster:bands": [3]}}},
    ],
)
def test_whatever_a_script_writes_into_its_items_the_run_closes(pipeline: Pipeline, changes: dict[str, Any]) -> None:
    pipeline.plan()
    scene = commit_product(pipeline.outputs, 0)
    key = f"ndvi/2026/11/{scene}/{scene}.json"
    pipeline.outputs.write_json(key, pipeline.outputs.read_json(key) | changes)

    assert pipeline.close()["produced"] == 1


@pytest.mark.parametrize(
    "odd",
    [
        {"assets": {"": {"href": "./ndvi.tif"}, "ndvi": {"href": "./ndvi.tif"}}},
        {"assets": {"ndvi": {"href": "./ndvi.tif", "": 1}}},
        {"assets": {"ndvi": {"href": "./ndvi.tif", "bands": [{"": {"": 1}}]}}},
        {
            "properties": {
                "datetime": "2026-11-01T11:21:19Z",
                **dict.fromkeys(("Assets", "ID", "Geometry", "DateTime"), "x"),
            }
        },
        {"properties": {"datetime": "2026-11-01T11:21:19Z", "Geocadence:Etag": [1], "geocadence:assets_left_out": "x"}},
    ],
    ids=["an asset without a name", "a field without one", "deep within", "columns of all Items", "our own"],
)
def test_no_product_keeps_later_ones_out_of_the_table(outputs: Bucket, tmp_path: Path, odd: dict[str, Any]) -> None:
    rows, after = tmp_path / "rows.jsonl", tmp_path / "after.parquet"
    for n, changes in enumerate((odd, {}, odd, {})):
        key = f"ndvi/2026/11/{scene_id(n)}/{scene_id(n)}.json"
        made = Product(
            scene_id(n), key, item(n, assets={"ndvi": {"href": "./a.tif"}}) | changes, STARTED, "etag", 0, (), ()
        )
        row = row_of(Entry(made, made.scene, "", "", item(n)["geometry"]), outputs, "ndvi")
        rows.write_text(json.dumps(row) + "\n")
        commit_items(outputs, "ndvi", rows, after=after, scratch=tmp_path)

    columns = 'id, assets.ndvi.href IS NOT NULL, geometry IS NOT NULL, "geocadence:etag"'
    found = duckdb.sql(f"SELECT {columns} FROM '{after}' ORDER BY id").fetchall()  # noqa: S608
    assert found == [(scene_id(n), True, True, "etag") for n in range(4)]
    assert "geocadence:etag_1" not in duckdb.sql(f"FROM '{after}'").columns


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"assets": 3}', b'{"assets": {"a": 3}}', b'{"assets": {"a": {}}}', b'{"assets": {}}'],
)
def test_what_is_no_item_is_no_product(pipeline: Pipeline, content: bytes) -> None:
    pipeline.plan()
    scene = scene_id(0)
    pipeline.outputs.write(f"ndvi/2026/11/{scene}/{scene}.json", content, content_type="application/json")

    assert pipeline.close()["produced"] == 0
