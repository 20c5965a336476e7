"""Through the cloud's front door, with IAM on: a job does what its role may do, and says what it may not."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..conftest import Account, allow, unique, wait_for
from .conftest import ENDED, s3_input, s3_output

LOGS = allow(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"])
GROUP = "/aws/sagemaker/ProcessingJobs"
SCRIPT = """
import os, pathlib, boto3, botocore.exceptions
client = boto3.client("s3")
print("caller", boto3.client("sts").get_caller_identity()["Arn"])
print("read", client.get_object(Bucket=os.environ["BUCKET"], Key="in/a")["Body"].read().decode())
try:
    client.get_object(Bucket=os.environ["BUCKET"], Key="secret")
    print("read the secret")
except botocore.exceptions.ClientError as error:
    print("denied", error.response["Error"]["Code"])
pathlib.Path("/opt/ml/processing/out/b").write_text("b")
"""

READ_RASTER = """
import os
import numpy, rasterio
from rasterio.io import MemoryFile
import boto3
with MemoryFile() as memory:
    with memory.open(driver="GTiff", width=8, height=8, count=1, dtype="uint16") as raster:
        raster.write(numpy.arange(64, dtype="uint16").reshape(1, 8, 8))
    boto3.client("s3").put_object(Bucket=os.environ["BUCKET"], Key="out/a.tif", Body=bytes(memory.getbuffer()))
with rasterio.open(f"s3://{os.environ['BUCKET']}/out/a.tif") as raster:
    print("sum", int(raster.read(1).sum()))
"""


@dataclass
class Work:
    """A bucket with a script and an input, and jobs over it by roles of different powers."""

    account: Account
    bucket: str

    def run(
        self, *statements: dict[str, Any], script: str = "main.py", trusted: str = "sagemaker.amazonaws.com"
    ) -> dict[str, Any]:
        sagemaker = self.account.client("sagemaker")
        job = unique("job")
        sagemaker.create_processing_job(
            ProcessingJobName=job,
            RoleArn=self.account.role(trusted, *statements),
            AppSpecification={
                "ImageUri": "any",
                "ContainerEntrypoint": ["python3", f"/opt/ml/processing/code/{script}"],
            },
            Environment={"BUCKET": self.bucket},
            ProcessingResources={
                "ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
            },
            ProcessingInputs=[
                s3_input("code", f"s3://{self.bucket}/in/{script}", "/opt/ml/processing/code"),
                s3_input("data", f"s3://{self.bucket}/in/", "/opt/ml/processing/in"),
            ],
            ProcessingOutputConfig={
                "Outputs": [s3_output("out", f"s3://{self.bucket}/out/", "/opt/ml/processing/out")]
            },
        )

        def ended() -> dict[str, Any] | None:
            described = sagemaker.describe_processing_job(ProcessingJobName=job)
            return described if described["ProcessingJobStatus"] in ENDED else None

        return wait_for(ended, seconds=40, what=job)

    def log(self, job: str) -> list[str]:
        logs = self.account.client("logs")
        groups = logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]
        if not groups:
            return []
        streams = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{job}/")["logStreams"]
        names = [stream["logStreamName"] for stream in streams]
        read = (logs.get_log_events(logGroupName=GROUP, logStreamName=name, startFromHead=True) for name in names)
        return [event["message"] for events in read for event in events["events"]]

    def may(self, action: str, key: str = "") -> dict[str, Any]:
        return allow(action, f"arn:aws:s3:::{self.bucket}{key}")


@pytest.fixture(scope="module")
def work(account: Account) -> Work:
    bucket = unique("bucket")
    s3 = account.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    for key, body in {"in/main.py": SCRIPT, "in/raster.py": READ_RASTER, "in/a": "alpha", "secret": "x"}.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body.encode())
    return Work(account, bucket)


def test_a_job_acts_as_its_role_and_no_more(work):
    described = work.run(
        work.may("s3:ListBucket"), work.may("s3:GetObject", "/in/*"), work.may("s3:PutObject", "/out/*"), LOGS
    )
    assert described["ProcessingJobStatus"] == "Completed", (described, work.log(described["ProcessingJobName"]))
    lines = work.log(described["ProcessingJobName"])
    role = described["RoleArn"].rpartition("/")[2]
    assert lines[0] == f"caller arn:aws:sts::{work.account.cloud.account}:assumed-role/{role}/SageMaker"
    assert lines[1:] == ["read alpha", "denied AccessDenied"]
    stored = work.account.client("s3").get_object(Bucket=work.bucket, Key="out/b")
    assert stored["Body"].read() == b"b"


def test_gdal_reads_from_s3_inside_a_job(work):
    described = work.run(
        work.may("s3:ListBucket"),
        work.may("s3:GetObject", "/*"),
        work.may("s3:PutObject", "/*"),
        LOGS,
        script="raster.py",
    )
    lines = work.log(described["ProcessingJobName"])
    assert described["ProcessingJobStatus"] == "Completed", lines
    assert lines[-1] == "sum 2016"


def test_an_input_that_the_role_may_not_list_or_read_fails_the_job(work):
    unlisted = work.run(work.may("s3:GetObject", "/*"), LOGS)
    assert unlisted["FailureReason"].startswith("ClientError: Data download failed:")
    assert "ListObjectsV2: AccessDenied" in unlisted["FailureReason"]
    unread = work.run(work.may("s3:ListBucket"), LOGS)
    assert "GetObject: AccessDenied" in unread["FailureReason"]
    assert f"s3://{work.bucket}/in/" in unread["FailureReason"]


def test_an_output_that_the_role_may_not_write_fails_the_job(work):
    described = work.run(work.may("s3:ListBucket"), work.may("s3:GetObject", "/in/*"), LOGS)
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("ClientError: Failed to upload output 'out'")
    assert "PutObject: AccessDenied" in described["FailureReason"]


def test_without_permission_to_log_the_job_runs_in_silence(work):
    described = work.run(
        work.may("s3:ListBucket"), work.may("s3:GetObject", "/in/*"), work.may("s3:PutObject", "/out/*")
    )
    assert described["ProcessingJobStatus"] == "Completed", described.get("FailureReason")
    assert work.log(described["ProcessingJobName"]) == []


@pytest.mark.parametrize(("streams", "is_heard"), [("job-*", True), ("another-*", False)])
def test_a_role_may_log_to_the_streams_that_its_policy_names(work, streams, is_heard):
    group = f"arn:aws:logs:us-west-2:{work.account.cloud.account}:log-group:{GROUP}"
    described = work.run(
        work.may("s3:ListBucket"),
        work.may("s3:GetObject", "/in/*"),
        work.may("s3:PutObject", "/out/*"),
        allow(["logs:CreateLogGroup", "logs:DescribeLogStreams"], f"{group}:*"),
        allow(["logs:CreateLogStream", "logs:PutLogEvents"], f"{group}:log-stream:{streams}"),
    )
    assert described["ProcessingJobStatus"] == "Completed", described.get("FailureReason")
    assert bool(work.log(described["ProcessingJobName"])) == is_heard


def test_a_role_that_does_not_trust_sagemaker_is_refused(work):
    with pytest.raises(work.account.client("sagemaker").exceptions.ClientError, match="Could not assume role"):
        work.run(trusted="lambda.amazonaws.com")


def test_the_aws_cli_creates_describes_lists_and_stops_a_job(work):
    job = unique("job")
    request = {
        "ProcessingJobName": job,
        "RoleArn": work.account.role("sagemaker.amazonaws.com"),
        # As its first process a container's shell has to listen, or it is killed only after a while.
        "AppSpecification": {
            "ImageUri": "any",
            "ContainerEntrypoint": ["sh", "-c", "trap 'exit 0' TERM; sleep 60 & wait"],
        },
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 1}
        },
    }
    created = aws(work, "create-processing-job", "--cli-input-json", json.dumps(request))
    assert created["ProcessingJobArn"].endswith(f":processing-job/{job}")
    described = aws(work, "describe-processing-job", "--processing-job-name", job)
    assert described["ProcessingJobStatus"] == "InProgress"
    assert {key: described[key] for key in request} == request
    (listed,) = aws(work, "list-processing-jobs", "--name-contains", job)["ProcessingJobSummaries"]
    assert listed["ProcessingJobName"] == job
    aws(work, "stop-processing-job", "--processing-job-name", job)
    stopped = wait_for(
        lambda: aws(work, "list-processing-jobs", "--name-contains", job, "--status-equals", "Stopped")[
            "ProcessingJobSummaries"
        ],
        seconds=30,
        what=f"end of {job}",
    )
    assert [each["ProcessingJobName"] for each in stopped] == [job]


def aws(work: Work, *arguments: str) -> dict[str, Any]:
    """The real AWS CLI's answer."""
    command = [Path(__file__).parents[3] / ".venv/bin/aws", "sagemaker", *arguments, "--output", "json"]
    environment = {**os.environ, **work.account.cloud.environment()}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout) if said.stdout else {}
