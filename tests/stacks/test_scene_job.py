"""The processing job that a definition comes to, as the state asks for it."""

from __future__ import annotations

import json
import zipfile

import botocore.session
import pytest
from botocore.validate import ParamValidator

from tests.stacks.templates import Stack, Synthesis, context, evaluate

PLAN = {"instance_count": 4, "input_uri": "s3://in/ndvi-weekly/runs/r1/batches/"}


@pytest.fixture(scope="module")
def weekly(synthesis: Synthesis) -> Stack:
    return synthesis.stack("geocadence-dev-ndvi-weekly")


def _job(stack: Stack, attempt: dict | None = None) -> dict:
    given = {"context": context(), "input": {"batch": 2, **(attempt or {})}}
    return evaluate(stack.task["Arguments"], states=given, plan=PLAN, run_id="r1", written=0)


def test_a_batchs_job_is_the_one_that_the_definition_describes(weekly: Stack) -> None:
    job = _job(weekly)
    assert job["ProcessingJobName"].startswith("ndvi-weekly-")
    assert job["ProcessingJobName"].endswith("-2-0-0")
    assert job["AppSpecification"]["ImageUri"].endswith("/sagemaker-geospatial-v1-0:latest")
    assert job["AppSpecification"]["ContainerArguments"] == ["--indices", "NDVI,EVI", "--mask", "default"]
    code, data = job["ProcessingInputs"]
    file = code["S3Input"]["S3Uri"].rpartition("/")[2]
    assert job["AppSpecification"]["ContainerEntrypoint"] == ["python3", f"/opt/ml/processing/code/{file}"]
    assert code["S3Input"]["S3DataDistributionType"] == "FullyReplicated"
    assert data["S3Input"] == {
        "S3Uri": PLAN["input_uri"] + "2/",
        "LocalPath": "/opt/ml/processing/input_data",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
        "S3DataDistributionType": "ShardedByS3Key",
    }
    (output,) = job["ProcessingOutputConfig"]["Outputs"]
    assert output["S3Output"] == {
        "S3Uri": "s3://geocadence-dev-output-123456789012-us-west-2/ndvi-weekly",
        "LocalPath": "/opt/ml/processing/output_data",
        "S3UploadMode": "Continuous",
    }
    assert job["ProcessingResources"]["ClusterConfig"] == {
        "InstanceCount": 4,
        "InstanceType": "ml.m5.4xlarge",
        "VolumeSizeInGB": 50,
    }
    assert job["Environment"] == {
        "GDAL_CACHEMAX": "512",
        "GEOCADENCE_PIPELINE": "ndvi-weekly",
        "GEOCADENCE_RUN_ID": "r1",
    }
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 14400}


def test_a_prefix_is_handed_over_as_it_is(synthesis: Synthesis) -> None:
    job = _job(synthesis.stack("geocadence-dev-tiles"))
    source = job["ProcessingInputs"][1]["S3Input"]
    assert (source["S3Uri"], source["S3DataType"]) == (PLAN["input_uri"], "S3Prefix")
    assert source["S3DataDistributionType"] == "FullyReplicated"
    assert "ContainerArguments" not in job["AppSpecification"]
    assert job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3UploadMode"] == "EndOfJob"


def test_a_manifest_is_handed_over_as_a_manifest(synthesis: Synthesis) -> None:
    job = _job(synthesis.stack("geocadence-dev-orthos"))
    source = job["ProcessingInputs"][1]["S3Input"]
    assert (source["S3Uri"], source["S3DataType"]) == (PLAN["input_uri"], "ManifestFile")
    assert job["AppSpecification"]["ContainerArguments"] == ["--fast"]


@pytest.mark.parametrize("pipeline", ["ndvi-weekly", "tiles", "orthos", "zonal", "guide", "cubes"])
def test_the_request_is_one_that_botocore_takes(synthesis: Synthesis, pipeline: str) -> None:
    shape = (
        botocore.session.get_session().get_service_model("sagemaker").operation_model("CreateProcessingJob").input_shape
    )
    request = _job(synthesis.stack(f"geocadence-dev-{pipeline}"), {"attempt": 1}) | {
        "RoleArn": "arn:aws:iam::123456789012:role/x"
    }
    assert ParamValidator().validate(request, shape).generate_report() == ""


def test_a_definitions_own_inputs_and_outputs_go_beside_the_scenes_and_products(synthesis: Synthesis) -> None:
    job = _job(synthesis.stack("geocadence-dev-zonal"))
    inputs = {each["InputName"]: each["S3Input"] for each in job["ProcessingInputs"]}
    assert list(inputs) == ["code", "input_data", "area", "calibration", "masks"]
    assert inputs["area"].pop("S3Uri").endswith(".geojson")
    assert inputs["area"] == {
        "LocalPath": "/opt/ml/processing/area",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
        "S3DataDistributionType": "FullyReplicated",
    }
    assert (inputs["calibration"]["S3Uri"], inputs["calibration"]["LocalPath"]) == (
        "s3://survey-lists/tables/dark.csv",
        "/opt/ml/processing/tables",
    )
    assert (inputs["masks"]["S3DataType"], inputs["masks"]["S3DataDistributionType"]) == (
        "ManifestFile",
        "ShardedByS3Key",
    )
    outputs = {each["OutputName"]: each["S3Output"] for each in job["ProcessingOutputConfig"]["Outputs"]}
    assert list(outputs) == ["output_data", "statistics", "quicklooks"]
    assert outputs["statistics"] == {
        "S3Uri": "s3://geocadence-dev-output-123456789012-us-west-2/zonal/statistics",
        "LocalPath": "/opt/ml/processing/statistics",
        "S3UploadMode": "EndOfJob",
    }
    assert outputs["quicklooks"] == {
        "S3Uri": "s3://survey-web/looks",
        "LocalPath": "/opt/ml/processing/png",
        "S3UploadMode": "Continuous",
    }


def test_the_job_is_told_what_the_files_of_its_inputs_are_called(synthesis: Synthesis) -> None:
    entry = _job(synthesis.stack("geocadence-dev-zonal"))["AppSpecification"]["ContainerEntrypoint"][1]
    with zipfile.ZipFile(synthesis.folder / f"asset.{entry.rpartition('/')[2]}") as archive:
        told = json.loads(archive.read("start.json"))
    assert told["files"] == {"/opt/ml/processing/area": "area.geojson"}


def test_preferences_take_the_place_of_the_instance_type(synthesis: Synthesis) -> None:
    cluster = _job(synthesis.stack("geocadence-dev-zonal"))["ProcessingResources"]["ClusterConfig"]
    assert cluster["InstancePreferences"] == [{"InstanceType": "ml.m5.2xlarge"}, {"InstanceType": "ml.m6i.2xlarge"}]
    assert "InstanceType" not in cluster
    assert cluster["InstanceCount"] == 4, "one count for all of them"


def test_products_of_files_are_uploaded_when_they_are_in_their_folders(synthesis: Synthesis) -> None:
    (output,) = _job(synthesis.stack("geocadence-dev-guide"))["ProcessingOutputConfig"]["Outputs"]
    assert output["S3Output"]["S3UploadMode"] == "EndOfJob"
