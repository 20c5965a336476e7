"""What a run is expected to take, learnt from runs that closed."""

from __future__ import annotations

from typing import Any

import pytest

from geocadence.bucket import Bucket
from tests.geocadence.pipeline import Pipeline
from tests.geocadence.scenes import definition, items_source

JOB = {
    "name": "ndvi-012345-0123456789ab-0-0-0",
    "batch": 0,
    "status": "Completed",
    "failure_reason": "",
    "exit_message": "",
    "created": "2026-11-22T06:01:00Z",
    "started": "2026-11-22T06:04:00Z",
    "ended": "2026-11-22T06:20:00Z",
    "seconds": 1000.0,
    "instance_type": "ml.m5.4xlarge",
    "instance_count": 3,
    "max_runtime": 14400,
}


@pytest.fixture(params=["prefix", "manifest"])
def pipeline(request: pytest.FixtureRequest, inputs: Bucket, outputs: Bucket) -> Pipeline:
    """Over three objects of a kilobyte each."""
    for name in "abc":
        inputs.write(f"sheets/{name}.tif", bytes(1000), content_type="image/tiff")
    inputs.write_json("manifest.json", [{"prefix": inputs.uri("sheets/")}, "a.tif", "b.tif", "c.tif"])
    uri = inputs.uri("sheets/" if request.param == "prefix" else "manifest.json")
    made = Pipeline(inputs, outputs, [])
    made.definition = definition(**{request.param: {"uri": uri}})
    return made


def expected(planned: dict[str, Any]) -> dict[str, Any]:
    return planned["document"]["estimate"]


def test_objects_are_estimated_by_the_bytes_of_earlier_runs(pipeline: Pipeline) -> None:
    first = pipeline.plan("a")
    assert (expected(first)["bytes"], expected(first)["of"]) == (3000, "object")
    assert "60 s an object and 180 s to start an instance are assumed" in expected(first)["basis"]
    pipeline.close(first, jobs=[JOB])

    # One object in the place of three, of twice the bytes.
    pipeline.inputs.delete_many(["sheets/b.tif", "sheets/c.tif"])
    pipeline.inputs.write("sheets/a.tif", bytes(6000), content_type="image/tiff")
    pipeline.inputs.write_json("manifest.json", [{"prefix": pipeline.inputs.uri("sheets/")}, "a.tif"])
    again = expected(pipeline.plan("b"))

    assert again["instance_hours"] == round(2 * 3000 / 3600, 3)
    assert again["basis"].endswith("MB an instance-second in the last 1 runs on ml.m5.4xlarge")


def test_a_run_of_objects_that_went_wrong_teaches_nothing(pipeline: Pipeline) -> None:
    planned = pipeline.plan("a")
    key = f"ndvi/runs/{planned['run_id']}/failures/a.json"
    pipeline.outputs.write_json(key, {"scene": "a", "class": "input", "reason": "no bands"})
    pipeline.close(planned, jobs=[JOB])

    assert "are assumed" in expected(pipeline.plan("b"))["basis"]


def test_scenes_and_objects_teach_each_other_nothing(pipeline: Pipeline) -> None:
    pipeline.close(pipeline.plan("a"), jobs=[JOB])
    scene = {
        "type": "Feature",
        "id": "S2B",
        "properties": {"datetime": "2026-11-01T11:21:19Z"},
        "assets": {"red": {"href": "s3://a/b", "file:size": 100}},
    }
    pipeline.items = [scene]
    pipeline.definition["source"] = definition(items=items_source([scene]))["source"]

    assert "60 s a scene" in expected(pipeline.plan("b"))["basis"]
