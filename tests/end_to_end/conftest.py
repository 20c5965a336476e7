"""One local cloud with the examples and more pipelines deployed to it by the real CDK CLI, shared by all tests."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

import local_cloud
from sample.deploy import bootstrap, deploy
from sample.imagery import put_sample
from sample.scenes import make_sample
from sample.stac_api import serve
from tests.end_to_end.examples import put_data, put_examples
from tests.end_to_end.matrix import write_matrix

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).parent / "scripts"
STAGE = "local"

AREA = json.loads((ROOT / "pipelines/areas/alentejo.geojson").read_text())
OBJECTS = {f"e2e-objects/maps/{number}.txt": f"map {number}" for number in range(5)}
LATE = "e2e-months/late/red.tif"
LATE_NIR = "e2e-files/late/nir.tif"
LISTED = {f"e2e-listed/pool/{number}.txt": f"sheet {number}" for number in range(6)}

DEFINITIONS = """
name: e2e-scenes
schedule: {{cron: "0 6 1 1 ? 2199", timezone: Europe/Lisbon}}
source:
  stac: {{api: "{api}", collection: sentinel-2-c1-l2a, area: area.geojson, lookback: P520W}}
processing:
  script: spectral_index
  arguments: {{indices: [NDVI]}}
  instance_type: ml.m5.xlarge
  instance_count: 2
limits: {{scenes_per_job: 4}}
---
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
---
name: e2e-flawed
source: {{items: {{href: flawed.json}}}}
processing: {{script: spectral_index, arguments: {{indices: [NDVI]}}, instance_count: 2}}
access: {{read: ["s3://{input_bucket}/e2e-scenes/imagery/"]}}
---
name: e2e-months
source: {{items: {{href: months.json}}}}
processing: {{script: spectral_index, arguments: {{indices: [NDVI]}}, instance_count: 1, hourly_rate: 0.9}}
access: {{read: ["s3://{input_bucket}/e2e-scenes/imagery/"]}}
limits: {{concurrent_runs: 3}}
---
name: e2e-guide
schedule: {{cron: "0 6 ? * MON *"}}
source:
  stac: {{api: "{api}", collection: sentinel-2-c1-l2a, area: area.geojson, lookback: P520W}}
processing: {{script: ndvi.py, scene_format: search-result, instance_count: 2}}
access: {{read: ["s3://{input_bucket}/e2e-scenes/imagery/"]}}
---
name: e2e-files
source: {{items: {{href: late.json}}}}
processing: {{script: patient.py, products: files, instance_count: 1}}
access: {{read: ["s3://{input_bucket}/e2e-scenes/imagery/", "s3://{input_bucket}/e2e-files/late/"]}}
---
name: e2e-hopeless
source: {{prefix: {{uri: "s3://{input_bucket}/e2e-objects/maps/"}}}}
processing:
  script: hopeless.py
  inputs: {{soil: {{uri: "s3://{input_bucket}/e2e-scenes/private.txt"}}}}
---
name: e2e-closed
source: {{manifest: {{uri: "s3://{input_bucket}/e2e-closed/manifest.json"}}}}
processing: {{script: inventory.py}}
---
name: e2e-choosy
source: {{prefix: {{uri: "s3://{input_bucket}/e2e-objects/maps/"}}}}
processing: {{script: listing.py, instance_preferences: [ml.r5.large, ml.r5.xlarge], instance_count: 2}}
---
name: e2e-killed
source: {{prefix: {{uri: "s3://{input_bucket}/e2e-objects/maps/"}}}}
processing: {{script: dying.py, arguments: {{by: kill}}, instance_count: 2}}
---
name: e2e-no-memory
source: {{prefix: {{uri: "s3://{input_bucket}/e2e-objects/maps/"}}}}
processing: {{script: dying.py, arguments: {{by: memory}}}}
---
name: e2e-at-once
source: {{prefix: {{uri: "s3://{input_bucket}/e2e-objects/maps/"}}}}
processing: {{script: waits_for_word.py, upload: Continuous, environment: {{INPUT_BUCKET: "{input_bucket}"}}}}
---
name: e2e-at-the-end
source: {{prefix: {{uri: "s3://{input_bucket}/e2e-objects/maps/"}}}}
processing: {{script: waits_for_word.py, upload: EndOfJob, environment: {{INPUT_BUCKET: "{input_bucket}"}}}}
---
name: e2e-endless
source: {{prefix: {{uri: "s3://{input_bucket}/e2e-objects/maps/"}}}}
processing: {{script: endless.py}}
---
name: e2e-brief
source: {{prefix: {{uri: "s3://{input_bucket}/e2e-objects/maps/"}}}}
processing: {{script: endless.py, max_runtime: PT5S}}
"""


@dataclass(frozen=True)
class Deployed:
    """The stage under test, as a user with the account's credentials sees it."""

    cloud: local_cloud.Cloud
    items: list[dict[str, Any]]
    definitions: Path

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
        answer = boto3.client("stepfunctions").start_execution(
            stateMachineArn=self.machine(pipeline), input=text, **options
        )
        return answer["executionArn"]

    def wait(self, execution: str, seconds: float = 120) -> dict[str, Any]:
        """The ended execution: DescribeExecution's answer, its output parsed."""
        client = boto3.client("stepfunctions")
        deadline = time.monotonic() + seconds
        while (ended := client.describe_execution(executionArn=execution))["status"] == "RUNNING":
            assert time.monotonic() < deadline, f"{execution} still runs after {seconds} s"
            time.sleep(0.3)
        return {**ended, "output": json.loads(ended["output"]) if ended.get("output") else None}

    def run(self, pipeline: str, text: str = "{}") -> dict[str, Any]:
        return self.wait(self.start(pipeline, text))

    def keys(self, prefix: str) -> set[str]:
        """Keys in the output bucket below `prefix`, without it."""
        pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.output_bucket, Prefix=prefix)
        return {entry["Key"].removeprefix(prefix) for page in pages for entry in page.get("Contents", [])}

    def read(self, key: str) -> bytes:
        return boto3.client("s3").get_object(Bucket=self.output_bucket, Key=key)["Body"].read()

    def jobs(self, containing: str) -> list[dict[str, Any]]:
        return boto3.client("sagemaker").list_processing_jobs(NameContains=containing, MaxResults=100)[
            "ProcessingJobSummaries"
        ]


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The pipelines, the sample's imagery and a STAC API that serves it."""
    folder = tmp_path_factory.mktemp("cloud")
    cloud = local_cloud.up(folder=folder, port=free_port(), wait_scale=0.05, tied_to=os.getpid())
    stage = Deployed(cloud, [], folder)
    port = free_port()
    try:
        with pointed_at(cloud):
            # Their scenes name the imagery, whose place is known before it is there.
            imagery = tmp_path_factory.mktemp("imagery")
            lists = {
                "flawed.json": flawed_scenes(stage, imagery),
                "months.json": scenes_of_months(stage, imagery),
                "late.json": scenes_with_a_late_one(stage, imagery),
            }
            pipelines = write_definitions(stage, tmp_path_factory.mktemp("pipelines"), port=port, lists=lists)
            log = folder / "cdk.log"
            bootstrap(cloud, log=log)
            deploy(cloud, context={"stage": STAGE, "pipelines": str(pipelines)}, log=log)
            items = put_sample(bucket=stage.input_bucket, pipeline="e2e-scenes")
            put_objects(stage.input_bucket)
            put_data()
        with serve(items, folder=folder / "stac", port=port):
            yield Deployed(cloud, items, pipelines)
    finally:
        local_cloud.down(folder)


@pytest.fixture(scope="module", autouse=True)
def _environment(deployed: Deployed) -> Iterator[None]:
    """boto3, the AWS CLI and our command line find the cloud as a user's do: by the environment."""
    with pointed_at(deployed.cloud):
        yield


@contextmanager
def pointed_at(cloud: local_cloud.Cloud) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as shell:
        for name, value in cloud.environment().items():
            shell.setenv(name, value)
        # One that another room's test had made would not know of this cloud.
        shell.setattr(boto3, "DEFAULT_SESSION", None)
        yield


def write_definitions(stage: Deployed, folder: Path, *, port: int, lists: dict[str, Any]) -> Path:
    """All definitions with their scripts and files; the folder that holds them."""
    put_examples(folder)
    for path in SCRIPTS.glob("*.py"):
        shutil.copy(path, folder)
    (folder / "area.geojson").write_text(json.dumps(AREA))
    for name, scenes in lists.items():
        (folder / name).write_text(json.dumps(scenes))
    names = {"input_bucket": stage.input_bucket, "output_bucket": stage.output_bucket}
    for text in DEFINITIONS.format(api=f"http://127.0.0.1:{port}", **names).strip().split("\n---\n"):
        name = text.strip().splitlines()[0].removeprefix("name: ")
        (folder / f"{name}.yaml").write_text(text)
    write_matrix(folder, input_bucket=stage.input_bucket)
    return folder


def flawed_scenes(stage: Deployed, folder: Path) -> dict[str, Any]:
    """Three scenes: a good one, one whose red band is missing, one without a near-infrared band."""
    items = make_sample(folder, href_prefix=f"s3://{stage.input_bucket}/e2e-scenes/imagery/")[1:4]
    items[1]["assets"]["red"]["href"] += ".gone"
    del items[2]["assets"]["nir"]
    return {"type": "FeatureCollection", "features": items}


def scenes_of_months(stage: Deployed, folder: Path) -> dict[str, Any]:
    """Scenes of February to August 2026: April's lacks its red band, July's is of the month's first instant.

    May's has no data.
    """
    items = make_sample(folder, href_prefix=f"s3://{stage.input_bucket}/e2e-scenes/imagery/")[1:]
    (april,) = (item for item in items if "-04-" in item["properties"]["datetime"])
    april["assets"]["red"]["href"] = f"s3://{stage.input_bucket}/{LATE}"
    (june,) = (item for item in items if "-06-" in item["properties"]["datetime"])
    june["properties"]["datetime"] = "2026-07-01T00:00:00Z"
    may = deepcopy(april) | {"id": april["id"].replace("202604", "202605")}
    may["properties"] |= {"datetime": "2026-05-26T11:21:09Z", "s2:nodata_pixel_percentage": 100}
    items.append(may)
    return {"type": "FeatureCollection", "features": items}


def scenes_with_a_late_one(stage: Deployed, folder: Path) -> dict[str, Any]:
    """Three scenes, the near infrared of the second of which is not there yet."""
    items = make_sample(folder, href_prefix=f"s3://{stage.input_bucket}/e2e-scenes/imagery/")[1:4]
    items[1]["assets"]["nir"]["href"] = f"s3://{stage.input_bucket}/{LATE_NIR}"
    return {"type": "FeatureCollection", "features": items}


def put_objects(bucket: str) -> None:
    s3 = boto3.client("s3")
    for key, text in {**OBJECTS, **LISTED, "e2e-scenes/private.txt": "not yours"}.items():
        s3.put_object(Bucket=bucket, Key=key, Body=text.encode())
    manifest = [{"prefix": f"s3://{bucket}/e2e-listed/"}, *(key.removeprefix("e2e-listed/") for key in LISTED)]
    s3.put_object(Bucket=bucket, Key="e2e-listed/manifest.json", Body=json.dumps(manifest).encode())
    closed = [{"prefix": f"s3://{bucket}/e2e-scenes/"}, "private.txt"]
    s3.put_object(Bucket=bucket, Key="e2e-closed/manifest.json", Body=json.dumps(closed).encode())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
