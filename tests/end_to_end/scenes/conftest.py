"""Pipelines of scenes, deployed once, with the sample's imagery and a STAC API that serves it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import boto3
import pytest

from sample.imagery import put_sample
from sample.scenes import make_sample
from sample.stac_api import serve
from tests.end_to_end.conftest import ROOT, Deployed, deployed_with, free_port, pointed_at

GUIDE = ROOT / "examples/ndvi/ndvi.py"
LATE = "e2e-months/late/red.tif"
LATE_NIR = "e2e-files/late/nir.tif"

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
name: e2e-flawed
schedule: {{cron: "0 6 1 1 ? 2199"}}
source: {{items: {{href: flawed.json}}}}
processing: {{script: spectral_index, arguments: {{indices: [NDVI]}}, instance_type: ml.m5.large, instance_count: 2}}
notify: {{email: [anna@example.org]}}
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
name: e2e-closed
source: {{manifest: {{uri: "s3://{input_bucket}/e2e-closed/manifest.json"}}}}
processing: {{script: inventory.py}}
"""


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    port, scratch = free_port(), tmp_path_factory.mktemp("scenes")

    def write_more(stage: Deployed) -> None:
        area = (ROOT / "pipelines/areas/alentejo.geojson").read_text()
        (stage.definitions / "area.geojson").write_text(area)
        shutil.copy(GUIDE, stage.definitions)
        # They name the imagery, whose place is known before it is there.
        items = make_sample(scratch / "imagery", href_prefix=f"s3://{stage.input_bucket}/e2e-scenes/imagery/")
        lists = {"flawed": flawed_scenes, "months": scenes_of_months, "late": scenes_with_a_late_one}
        for name, make in lists.items():
            listed = {"type": "FeatureCollection", "features": make(deepcopy(items), stage.input_bucket)}
            (stage.definitions / f"{name}.json").write_text(json.dumps(listed))

    names = {"api": f"http://127.0.0.1:{port}"}
    with deployed_with(DEFINITIONS, tmp_path_factory.mktemp, write_more, **names) as stage:
        with pointed_at(stage.cloud):
            items = put_sample(bucket=stage.input_bucket, pipeline="e2e-scenes")
            put_closed_manifest(stage.input_bucket)
        with serve(items, folder=scratch / "stac", port=port):
            yield replace(stage, items=items)


@pytest.fixture(scope="module", autouse=True)
def _environment(deployed: Deployed) -> Iterator[None]:
    with pointed_at(deployed.cloud):
        yield


def flawed_scenes(items: list[dict[str, Any]], bucket: str) -> list[dict[str, Any]]:
    """Three scenes: a good one, one whose red band is missing, one without a near-infrared band."""
    good, redless, nirless = items[1:4]
    redless["assets"]["red"]["href"] += ".gone"
    del nirless["assets"]["nir"]
    return [good, redless, nirless]


def scenes_of_months(items: list[dict[str, Any]], bucket: str) -> list[dict[str, Any]]:
    """Scenes of February to August 2026: April's lacks its red band, July's is of the month's first instant.

    May's has no data.
    """
    items = items[1:]
    (april,) = (item for item in items if "-04-" in item["properties"]["datetime"])
    april["assets"]["red"]["href"] = f"s3://{bucket}/{LATE}"
    (june,) = (item for item in items if "-06-" in item["properties"]["datetime"])
    june["properties"]["datetime"] = "2026-07-01T00:00:00Z"
    may = deepcopy(april) | {"id": april["id"].replace("202604", "202605")}
    may["properties"] |= {"datetime": "2026-05-26T11:21:09Z", "s2:nodata_pixel_percentage": 100}
    return [*items, may]


def scenes_with_a_late_one(items: list[dict[str, Any]], bucket: str) -> list[dict[str, Any]]:
    """Three scenes, the near infrared of the second of which is not there yet."""
    items[2]["assets"]["nir"]["href"] = f"s3://{bucket}/{LATE_NIR}"
    return items[1:4]


def put_closed_manifest(bucket: str) -> None:
    """One that names what its pipeline may not read."""
    listed = [{"prefix": f"s3://{bucket}/e2e-scenes/"}, "private.txt"]
    boto3.client("s3").put_object(Bucket=bucket, Key="e2e-closed/manifest.json", Body=json.dumps(listed).encode())
