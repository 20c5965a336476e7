"""A SageMaker service that really runs jobs, beside an S3 that really stores: started once for the session."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

ROOT = Path(__file__).parents[3]
EMULATOR_PYTHON = ROOT / ".local/emulator/bin/python"
CONTAINER_PYTHON = ROOT / ".local/container/bin/python"
ROLE = "arn:aws:iam::000000000000:role/geocadence-test"
# One count for all services: they share an S3 and a CloudWatch.
NUMBERS = itertools.count(1)
ENDED = {"Completed", "Failed", "Stopped"}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(ready, *, seconds: float = 30, every: float = 0.05) -> Any:
    """The first true value of `ready()`; fails after `seconds`."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := ready():
            return value
        time.sleep(every)
    raise AssertionError(f"not ready after {seconds} s")


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def client(name: str, endpoint: str) -> Any:
    return boto3.client(
        name,
        endpoint_url=endpoint,
        region_name="us-west-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        # What the service itself refuses is under test, not what this client does.
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


@dataclass
class JobService:
    """The running services, and the short ways to use them."""

    sagemaker: Any
    s3: Any
    logs: Any
    url: str
    folder: Path
    process: subprocess.Popen

    def bucket(self, objects: dict[str, str | bytes] | None = None) -> str:
        name = f"bucket-{next(NUMBERS)}-{os.getpid()}"
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        for key, body in (objects or {}).items():
            self.s3.put_object(Bucket=name, Key=key, Body=body)
        return name

    def objects(self, bucket: str) -> dict[str, str]:
        listed = self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        read = (self.s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read() for entry in listed)
        return {entry["Key"]: body.decode() for entry, body in zip(listed, read, strict=True)}

    def create(self, script: str = "", **changes: Any) -> str:
        """Start a job that runs `script` (Python) and return its name; `changes` replace members of the request."""
        name = changes.pop("ProcessingJobName", f"job-{next(NUMBERS)}")
        cluster = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
        request = {
            "ProcessingJobName": name,
            "RoleArn": ROLE,
            "AppSpecification": {
                "ImageUri": "000000000000.dkr.ecr.us-west-2.amazonaws.com/any:latest",
                "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/main.py"],
            },
            "ProcessingResources": {"ClusterConfig": cluster | changes.pop("ClusterConfig", {})},
        } | changes
        if script:
            code = self.bucket({"code/main.py": textwrap.dedent(script)})
            request["ProcessingInputs"] = [
                s3_input("code", f"s3://{code}/code/main.py", "/opt/ml/processing/code"),
                *request.get("ProcessingInputs", []),
            ]
        self.sagemaker.create_processing_job(**{key: value for key, value in request.items() if value is not None})
        return name

    def describe(self, name: str) -> dict[str, Any]:
        return self.sagemaker.describe_processing_job(ProcessingJobName=name)

    def wait(self, name: str, *, seconds: float = 40) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            described = self.describe(name)
            return described if described["ProcessingJobStatus"] in ENDED else None

        return wait_until(ended, seconds=seconds, every=0.1)

    def run(self, script: str, **changes: Any) -> dict[str, Any]:
        """Run a job to its end and return its description."""
        return self.wait(self.create(script, **changes))

    def log(self, name: str, host: str = "algo-1") -> list[str]:
        streams = self.logs.describe_log_streams(
            logGroupName="/aws/sagemaker/ProcessingJobs", logStreamNamePrefix=f"{name}/{host}-"
        )["logStreams"]
        assert len(streams) == 1, streams
        events = self.logs.get_log_events(
            logGroupName="/aws/sagemaker/ProcessingJobs", logStreamName=streams[0]["logStreamName"], startFromHead=True
        )
        return [event["message"] for event in events["events"]]


def s3_input(name: str, uri: str, path: str, **changes: Any) -> dict[str, Any]:
    s3 = {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"} | changes
    return {"InputName": name, "S3Input": s3}


def s3_output(name: str, uri: str, path: str, mode: str = "EndOfJob") -> dict[str, Any]:
    return {"OutputName": name, "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": mode}}


@pytest.fixture(scope="session")
def emulator(tmp_path_factory) -> Iterator[str]:
    port = free_port()
    folder = tmp_path_factory.mktemp("emulator")
    command = [EMULATOR_PYTHON, "-m", "hypercorn", "ministack.app:app", "--bind", f"127.0.0.1:{port}"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GATEWAY_PORT": str(port)}
    environment |= {"BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0"}  # else it listens for IoT on every interface
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{url}/_ministack/health"))
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def serve(emulator, tmp_path_factory):
    """Start a service, in any mode; all are stopped at the end of the session."""
    processes = []

    def start(mode: str | None = None) -> JobService:
        port = free_port()
        folder = tmp_path_factory.mktemp("sagemaker")
        command = [EMULATOR_PYTHON, Path(__file__).with_name("server.py"), "--port", str(port), "--emulator", emulator]
        command += ["--folder", folder, "--python", CONTAINER_PYTHON, *(["--mode", mode] if mode else [])]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "GATEWAY_SECRET": "not for jobs"}
        process = subprocess.Popen(command, env=environment, cwd=folder)
        processes.append(process)
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{url}/isolation"))
        return JobService(
            client("sagemaker", url), client("s3", emulator), client("logs", emulator), url, folder, process
        )

    yield start
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(20)


@pytest.fixture(scope="session")
def service(serve) -> JobService:
    return serve()
