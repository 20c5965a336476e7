"""ScriptProcessor, the state machine and the definition ask for one and the same job."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from geocadence.deployed_job import filled
from geocadence.submission import submit
from geocadence.target import TargetError
from tests.stacks.templates import Synthesis, context, evaluate

PLAN = {"instance_count": 3, "input_uri": "s3://in/p/runs/r1/batches/"}
ROLE = "arn:aws:iam::123456789012:role/geocadence-execution"


@dataclass
class Account:
    """A target whose CreateProcessingJob keeps what it is asked for."""

    session: Any = field(
        default_factory=lambda: boto3.Session(
            region_name="us-west-2", aws_access_key_id="test", aws_secret_access_key="test"
        )
    )
    asked: list[dict[str, Any]] = field(default_factory=list)
    refuses: tuple[str, str] | None = None
    region: str = "us-west-2"

    def client(self, service: str) -> Any:
        client = self.session.client(service, endpoint_url="http://127.0.0.1:9")
        client.create_processing_job = self._create
        return client

    def _create(self, **request: Any) -> None:
        self.asked.append(request)
        if self.refuses is not None:
            code, message = self.refuses
            raise ClientError({"Error": {"Code": code, "Message": message}}, "CreateProcessingJob")


def of_the_machine(synthesis: Synthesis, pipeline: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The Task's arguments as deployed, and the request that they come to in a run."""
    stack = synthesis.stack(f"geocadence-dev-{pipeline}")
    arguments = stack.task["Arguments"] | {"RoleArn": ROLE}
    states = {"context": context(), "input": {"batch": 0}}
    return arguments, evaluate(arguments, states=states, plan=PLAN, run_id="r1", written=0)


_NAMES = ("InputName", "OutputName", "Key", "InstanceType")


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Every field by its path; inputs, outputs and tags go by their names, since their order says nothing."""
    if isinstance(value, dict):
        return {key: each for name, held in value.items() for key, each in flat(held, f"{path}.{name}").items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        named = {next(str(each[name]) for name in _NAMES if name in each): each for each in value}
        return flat(named, path)
    return {path: value}


@pytest.mark.parametrize("pipeline", ["ndvi-weekly", "tiles", "orthos", "zonal", "guide", "cubes"])
def test_the_same_job_is_asked_for_field_by_field(synthesis: Synthesis, pipeline: str) -> None:
    arguments, by_machine = of_the_machine(synthesis, pipeline)
    request = filled(arguments, name=by_machine["ProcessingJobName"], run_id="r1", plan=PLAN)
    assert request == by_machine

    account = Account()
    submit(account, request)
    (by_sdk,) = account.asked
    machine, sdk = flat(by_machine), flat(by_sdk)
    differences = {key: (machine.get(key), sdk.get(key)) for key in machine.keys() | sdk.keys()}
    differences = {key: pair for key, pair in differences.items() if pair[0] != pair[1]}
    # That nothing is compressed is the API's default, which the SDK spells out.
    names = [each["InputName"] for each in by_machine["ProcessingInputs"]]
    assert differences == {f".ProcessingInputs.{name}.S3Input.S3CompressionType": (None, "None") for name in names}


def test_the_code_lies_beside_an_input_that_is_in_the_folder_of_the_sdks_own(synthesis: Synthesis) -> None:
    """/opt/ml/processing/input/code is where ScriptProcessor would have it: in the midst of such an input."""
    arguments, by_machine = of_the_machine(synthesis, "cubes")
    account = Account()
    submit(account, filled(arguments, name=by_machine["ProcessingJobName"], run_id="r1", plan=PLAN))
    (request,) = account.asked
    folders = {each["InputName"]: each["S3Input"]["LocalPath"] for each in request["ProcessingInputs"]}
    assert folders == {
        "code": "/opt/ml/processing/code",
        "input_data": "/opt/ml/processing/input/scenes",
        "objects": "/opt/ml/processing/input/code",
    }
    (output,) = request["ProcessingOutputConfig"]["Outputs"]
    assert output["S3Output"]["LocalPath"] == "/opt/ml/processing/output"
    assert request["AppSpecification"]["ContainerArguments"] == ["area.geojson", "2026-01-01", "-7", "-v"]


def test_the_definition_says_the_same_and_nothing_else(synthesis: Synthesis) -> None:
    """The whole request, written out from the definition `zonal` by hand."""
    arguments, by_machine = of_the_machine(synthesis, "zonal")
    account = Account()
    submit(account, filled(arguments, name=by_machine["ProcessingJobName"], run_id="r1", plan=PLAN))
    said = flat(account.asked[0])
    archive = said[".ProcessingInputs.code.S3Input.S3Uri"]
    area = said[".ProcessingInputs.area.S3Input.S3Uri"]
    assert archive.startswith("s3://cdk-hnb659fds-assets-")
    assert area.startswith("s3://cdk-hnb659fds-assets-")
    assert area.endswith(".geojson")
    products = "s3://geocadence-dev-output-123456789012-us-west-2/zonal"
    # URI, folder, kind, distribution
    inputs = {
        "code": (archive, "code", "S3Prefix", "FullyReplicated"),
        "input_data": (PLAN["input_uri"], "input_data", "S3Prefix", "ShardedByS3Key"),
        "area": (area, "area", "S3Prefix", "FullyReplicated"),
        "calibration": ("s3://survey-lists/tables/dark.csv", "tables", "S3Prefix", "FullyReplicated"),
        "masks": ("s3://survey-lists/masks/manifest.json", "masks", "ManifestFile", "ShardedByS3Key"),
    }
    # URI, folder, upload
    outputs = {
        "output_data": (products, "output_data", "Continuous"),
        "statistics": (f"{products}/statistics", "statistics", "EndOfJob"),
        "quicklooks": ("s3://survey-web/looks", "png", "Continuous"),
    }
    processing = "/opt/ml/processing/"
    entry = ["python3", f"{processing}code/{archive.rpartition('/')[2]}"]
    expected = {
        "ProcessingJobName": by_machine["ProcessingJobName"],
        "RoleArn": ROLE,
        "AppSpecification": {
            "ImageUri": "081189585635.dkr.ecr.us-west-2.amazonaws.com/sagemaker-geospatial-v1-0:latest",
            "ContainerEntrypoint": entry,
        },
        "ProcessingResources": {
            "ClusterConfig": {
                "InstancePreferences": [{"InstanceType": "ml.m5.2xlarge"}, {"InstanceType": "ml.m6i.2xlarge"}],
                "InstanceCount": 3,
                "VolumeSizeInGB": 50,
            }
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 4 * 3600},
        "ProcessingInputs": [
            {
                "InputName": name,
                "S3Input": {
                    "S3Uri": uri,
                    "LocalPath": processing + folder,
                    "S3DataType": kind,
                    "S3InputMode": "File",
                    "S3DataDistributionType": distribution,
                    "S3CompressionType": "None",
                },
            }
            for name, (uri, folder, kind, distribution) in inputs.items()
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": name,
                    "S3Output": {"S3Uri": uri, "LocalPath": processing + folder, "S3UploadMode": upload},
                }
                for name, (uri, folder, upload) in outputs.items()
            ]
        },
        "Environment": {"GEOCADENCE_PIPELINE": "zonal", "GEOCADENCE_RUN_ID": "r1"},
        "Tags": [
            {"Key": "geocadence:stage", "Value": "dev"},
            {"Key": "geocadence:pipeline", "Value": "zonal"},
            {"Key": "geocadence:run", "Value": "r1"},
        ],
    }
    assert said == flat(expected)


TOO_LOW = (
    "The account-level service limit 'ml.m5.4xlarge for processing job usage' is 4 Instances, with current utilization "
    "of 3 Instances and a request delta of 20 Instances. Please use AWS Service Quotas to request an increase."
)


def test_a_quota_that_is_too_low_is_told_in_the_state_machines_words(synthesis: Synthesis) -> None:
    task = synthesis.stack("geocadence-dev-tiles").task
    error = {"Error": "SageMaker.ResourceLimitExceededException", "Cause": TOO_LOW}
    states = {"errorOutput": error, "input": {"batch": 0}, "context": context()}
    told = evaluate(task["Catch"][0]["Output"], states=states)["reason"]
    assert told.startswith("Instances needed: 23. The quota “ml.m5.4xlarge for processing job usage” is 4")

    request = filled(task["Arguments"] | {"RoleArn": ROLE}, name="n-0", run_id="r1", plan=PLAN)
    with pytest.raises(TargetError) as refusal:
        submit(Account(refuses=("ResourceLimitExceeded", TOO_LOW)), request)
    assert str(refusal.value) == told
    # Too many tags, for instance: what is no quota of instances stays in AWS's own words.
    with pytest.raises(ClientError, match="50 tags"):
        submit(Account(refuses=("ResourceLimitExceeded", "A resource can have 50 tags")), request)


def test_a_pipeline_of_another_version_is_told_to_be_deployed_again() -> None:
    with pytest.raises(TargetError, match=r"of another version .*deploy it again"):
        filled({"X": "{% $plan.something_else %}"}, name="n", run_id="r", plan=PLAN)


def test_without_the_sdk_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sagemaker.core.processing", None)
    with pytest.raises(TargetError, match="make sdk"):
        submit(Account(), {})


def test_the_sdk_is_imported_by_nothing_but_a_submission() -> None:
    import subprocess
    import sys

    program = "import sys, geocadence.cli.main, stacks.stage, run_functions.plan_run\nprint('sagemaker' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
