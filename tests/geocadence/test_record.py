"""What a close says of its run: run.json, the report, and what the next estimate learns."""

from __future__ import annotations

from typing import Any

import pytest

from geocadence.bucket import Bucket
from tests.geocadence.closable import RUN, Pipeline
from tests.geocadence.scenes import LEGEND, commit_product, job, scene_id


@pytest.fixture(params=[True, False], ids=["reconciled", "not reconciled"])
def pipeline(request: pytest.FixtureRequest, inputs: Bucket, outputs: Bucket) -> Pipeline:
    """With and without what ReconcileBatch leaves: a run closes the same way."""
    return Pipeline(inputs, outputs, is_reconciled=request.param)


def test_the_record_tells_of_the_run_and_its_jobs(pipeline: Pipeline) -> None:
    pipeline.plan()
    commit_product(pipeline.outputs, 0, mean=0.61)

    pipeline.close(seen=[job()])

    record = pipeline.record()
    assert record["window"] == {"start": None, "end": "2026-11-22T06:00:00Z"}
    assert record["seconds"] == {"whole": 1800.0, "planning": 0.0, "jobs": 960.0}
    assert record["jobs"][0] == job() | {"why": None, "advice": None}
    product = record["scenes"][0]["product"]
    folder = f"2026/11/{scene_id(0)}/{scene_id(0)}"
    assert product["item"] == f"{folder}.json"
    assert product["preview"] == f"{folder}_preview.png"
    assert product["legend"] == LEGEND
    assert product["statistics"] == {"ndvi": {"mean": 0.61, "valid_percent": 87.5}}


@pytest.mark.parametrize(
    "legend",
    [
        None,
        "NDVI",
        LEGEND | {"colours": ["#f5f0e6"]},
        LEGEND | {"colours": ["#f5f0e6", "red;}</style><script>"]},
        LEGEND | {"minimum": "0"},
        LEGEND | {"index": 7},
    ],
)
def test_what_is_no_legend_of_a_preview_is_left_out(pipeline: Pipeline, legend: Any) -> None:
    """Scripts of people's own may write anything under that name."""
    pipeline.plan()
    commit_product(pipeline.outputs, 0, legend=legend)

    pipeline.close(seen=[job()])

    product = pipeline.record()["scenes"][0]["product"]
    assert "legend" not in product
    assert product["preview"].endswith("_preview.png")


@pytest.mark.parametrize(
    "band",
    [
        {"bands": [{"raster:scale": 1e-4, "raster:offset": -0.1, "statistics": {"mean": 6894.02, "valid_percent": 8}}]},
        {"raster:bands": [{"scale": 1e-4, "offset": -0.1, "statistics": {"mean": 6894.02, "valid_percent": 8}}]},
        {"bands": [{"raster:scale": "?", "statistics": {"mean": 0.589402, "valid_percent": 8}}]},
    ],
    ids=["STAC 1.1", "STAC 1.0", "unscaled"],
)
def test_values_are_what_a_products_stored_numbers_stand_for(pipeline: Pipeline, band: dict[str, Any]) -> None:
    pipeline.plan()
    scene = commit_product(pipeline.outputs, 0)
    key = f"ndvi/2026/11/{scene}/{scene}.json"
    item = pipeline.outputs.read_json(key)
    item["assets"]["ndvi"] = {"href": item["assets"]["ndvi"]["href"], **band}
    pipeline.outputs.write_json(key, item)

    pipeline.close()

    product = pipeline.record()["scenes"][0]["product"]
    assert product["statistics"] == {"ndvi": {"mean": 0.589402, "valid_percent": 8}}


def test_what_a_run_took_is_kept_for_the_next_estimate(pipeline: Pipeline) -> None:
    pipeline.plan()
    for n in range(5):
        commit_product(pipeline.outputs, n)
    pipeline.close(seen=[job()])
    pipeline.close(seen=[job()])

    assert pipeline.outputs.read_json("ndvi/runs/throughput.json") == [
        {
            "run_id": RUN,
            "instance_type": "ml.m5.4xlarge",
            "scenes": 5,
            "bytes": None,
            "instance_seconds": 2880.0,
            "of": "scene",
            "starts": 3,
        }
    ]


def test_a_failed_job_says_nothing_of_the_next_run(pipeline: Pipeline) -> None:
    pipeline.plan()
    commit_product(pipeline.outputs, 0)
    pipeline.close(seen=[job(), job(status="Failed")], jobs_failed=1)

    assert pipeline.outputs.read_json("ndvi/runs/throughput.json") is None


def test_the_report_links_to_products_by_relative_paths(pipeline: Pipeline) -> None:
    pipeline.plan()
    commit_product(pipeline.outputs, 0)
    pipeline.fail(1, "<script>alert(1)</script>")

    pipeline.close()

    page = (pipeline.outputs.read(f"ndvi/runs/{RUN}/report.html") or b"").decode()
    assert f'src="../../2026/11/{scene_id(0)}/{scene_id(0)}_preview.png"' in page
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
