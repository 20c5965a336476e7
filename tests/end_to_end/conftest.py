"""Local clouds with pipelines deployed to them by the real CDK CLI: one for each folder here, shared by its tests.

Which of the folders' tests run at the same time, in processes of their own, is said in `tests/conftest.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

import local_cloud
from sample.deploy import bootstrap, deploy

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).parent / "scripts"
STAGE = "local"

OBJECTS = {f"e2e-objects/maps/{number}.txt": f"map {number}" for number in range(5)}
LISTED = {f"e2e-listed/pool/{number}.txt": f"sheet {number}" for number in range(6)}

# In every cloud.
DEFINITIONS = """
name: e2e-objects
source: {{prefix: {{uri: "s3://{input_bucket}/e2e-objects/maps/"}}}}
processing:
  script: inventory.py
  instance_count: 2
  distribution: FullyReplicated
  environment: {{INPUT_BUCKET: "{input_bucket}", OUTPUT_BUCKET: "{output_bucket}"}}
---
name: e2e-listed
source: {{manifest: {{uri: "s3://{input_bucket}/e2e-listed/manifest.json"}}}}
processing:
  script: inventory.py
  instance_count: 3
  distribution: ShardedByS3Key
  upload: EndOfJob
  environment: {{INPUT_BUCKET: "{input_bucket}", OUTPUT_BUCKET: "{output_bucket}"}}
"""


@dataclass(frozen=True)
class Deployed:
    """The stage under test, as a user with the account's credentials sees it."""

    cloud: local_cloud.Cloud
    definitions: Path
    items: list[dict[str, Any]] = field(default_factory=list)  # what its STAC API serves
    _clients: dict[str, Any] = field(default_factory=dict)
    _making: threading.Lock = field(default_factory=threading.Lock)

    def client(self, name: str) -> Any:
        """Kept: a new one reads a hundred certificates and shakes hands anew."""
        with self._making:
            if name not in self._clients:
                self._clients[name] = boto3.client(name)
            return self._clients[name]

    @property
    def input_bucket(self) -> str:
        return f"geocadence-{STAGE}-input-{self.cloud.account}-{self.cloud.region}"

    @property
    def output_bucket(self) -> str:
        return f"geocadence-{STAGE}-output-{self.cloud.account}-{self.cloud.region}"

    def machine(self, pipeline: str) -> str:
        return f"arn:aws:states:{self.cloud.region}:{self.cloud.account}:stateMachine:geocadence-{STAGE}-{pipeline}"

    def start(self, pipeline: str, text: str = "{}", **options: str) -> str:
        """Start an execution as the console does: with whatever text was typed. Returns its ARN."""
        answer = self.client("stepfunctions").start_execution(
            stateMachineArn=self.machine(pipeline), input=text, **options
        )
        return answer["executionArn"]

    def wait(self, execution: str, seconds: float = 120) -> dict[str, Any]:
        """The ended execution: DescribeExecution's answer, its output parsed."""
        client = self.client("stepfunctions")
        deadline = time.monotonic() + seconds
        while (ended := client.describe_execution(executionArn=execution))["status"] == "RUNNING":
            assert time.monotonic() < deadline, f"{execution} still runs after {seconds} s"
            time.sleep(0.3)
        return {**ended, "output": json.loads(ended["output"]) if ended.get("output") else None}

    def run(self, pipeline: str, text: str = "{}") -> dict[str, Any]:
        return self.wait(self.start(pipeline, text))

    def keys(self, prefix: str) -> set[str]:
        """Keys in the output bucket below `prefix`, without it."""
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.output_bucket, Prefix=prefix)
        return {entry["Key"].removeprefix(prefix) for page in pages for entry in page.get("Contents", [])}

    def read(self, key: str) -> bytes:
        return self.client("s3").get_object(Bucket=self.output_bucket, Key=key)["Body"].read()

    def jobs(self, containing: str) -> list[dict[str, Any]]:
        return self.client("sagemaker").list_processing_jobs(NameContains=containing, MaxResults=100)[
            "ProcessingJobSummaries"
        ]


@contextmanager
def deployed_with(
    definitions: str, new_folder: Callable[[str], Path], write_more: Callable[[Deployed], None], **names: str
) -> Iterator[Deployed]:
    """A cloud of its own with those pipelines; to its folder of definitions `write_more` adds what they need.

    `names` stand in the definitions, in braces.
    """
    folder = new_folder("cloud")
    cloud = local_cloud.up(folder=folder, port=free_port(), wait_scale=0.05, tied_to=os.getpid())
    try:
        with pointed_at(cloud):
            stage = Deployed(cloud, new_folder("pipelines"))
            for path in SCRIPTS.glob("*.py"):
                shutil.copy(path, stage.definitions)
            names |= {"input_bucket": stage.input_bucket, "output_bucket": stage.output_bucket}
            for text in f"{DEFINITIONS}---{definitions}".format(**names).strip().split("\n---\n"):
                name = text.strip().splitlines()[0].removeprefix("name: ")
                (stage.definitions / f"{name}.yaml").write_text(text)
            write_more(stage)
            log = folder / "cdk.log"
            bootstrap(cloud, log=log)
            deploy(cloud, context={"stage": STAGE, "pipelines": str(stage.definitions)}, log=log)
            put_objects(stage.input_bucket)
        yield stage
    finally:
        local_cloud.down(folder)


@contextmanager
def pointed_at(cloud: local_cloud.Cloud) -> Iterator[None]:
    """boto3, the AWS CLI and our command line find the cloud as a user's do: by the environment."""
    with pytest.MonkeyPatch.context() as shell:
        for name, value in cloud.environment().items():
            shell.setenv(name, value)
        # One that another room's test had made would not know of this cloud.
        shell.setattr(boto3, "DEFAULT_SESSION", None)
        yield


def put_objects(bucket: str) -> None:
    s3 = boto3.client("s3")
    for key, text in {**OBJECTS, **LISTED, "e2e-scenes/private.txt": "not yours"}.items():
        s3.put_object(Bucket=bucket, Key=key, Body=text.encode())
    manifest = [{"prefix": f"s3://{bucket}/e2e-listed/"}, *(key.removeprefix("e2e-listed/") for key in LISTED)]
    s3.put_object(Bucket=bucket, Key="e2e-listed/manifest.json", Body=json.dumps(manifest).encode())


def geocadence(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Our command line, at the stage under test."""
    command = [sys.executable, "-m", "geocadence", *arguments, "--stage", STAGE]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=240, check=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
