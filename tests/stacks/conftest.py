"""One synthesis for the whole session: it takes seconds, and every test reads the same templates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.stacks.templates import Synthesis

ROOT = Path(__file__).resolve().parent.parent.parent

DEFINITIONS = {
    "ndvi-weekly": {
        "description": "Weekly NDVI over the Alentejo",
        "schedule": {"cron": "0 6 ? * MON *", "timezone": "Europe/Lisbon", "flexible_window": "PT15M"},
        "source": {
            "stac": {
                "api": "https://earth-search.aws.element84.com/v1",
                "collection": "sentinel-2-c1-l2a",
                "area": "area.geojson",
            }
        },
        "processing": {
            "script": "spectral_index",
            "arguments": {"indices": ["NDVI", "EVI"], "mask": "default"},
            "instance_count": 4,
            "max_runtime": "PT4H",
            "environment": {"GDAL_CACHEMAX": "512"},
        },
        "access": {"read": ["s3://sentinel-cogs/sentinel-s2-c1-l2a/"]},
        "limits": {"concurrent_jobs": 3},
        "notify": {"email": ["ops@example.com", "gis@example.com"]},
    },
    "tiles": {
        "schedule": {"rate": "P7D", "enabled": False},
        "source": {"prefix": {"uri": "s3://survey-images/2026/"}},
        "processing": {
            "script": "folder",
            "image": "123456789012.dkr.ecr.us-west-2.amazonaws.com/maps/tiles@sha256:" + "a" * 64,
            "distribution": "FullyReplicated",
            "instance_count": 2,
            "upload": "EndOfJob",
        },
    },
    "zonal": {
        "stages": ["dev"],
        "source": {"prefix": {"uri": "s3://survey-images/2026/"}},
        "processing": {
            "script": "folder",
            "instance_preferences": ["ml.m5.2xlarge", "ml.m6i.2xlarge"],
            "instance_count": 3,
            "inputs": {
                "area": {"file": "area.geojson"},
                "calibration": {"uri": "s3://survey-lists/tables/dark.csv", "path": "/opt/ml/processing/tables"},
                "masks": {
                    "uri": "s3://survey-lists/masks/manifest.json",
                    "data_type": "ManifestFile",
                    "distribution": "ShardedByS3Key",
                },
            },
            "outputs": {
                "statistics": {},
                "quicklooks": {
                    "uri": "s3://survey-web/looks/",
                    "path": "/opt/ml/processing/png",
                    "upload": "Continuous",
                },
            },
        },
    },
    "built": {
        "stages": ["dev"],
        "source": {"prefix": {"uri": "s3://survey-images/2026/"}},
        "processing": {"script": "single.py", "image": "build"},
    },
    "roots": {
        "stages": ["dev"],
        "source": {"manifest": {"uri": "s3://survey-lists/all.json"}},
        "processing": {"script": "single.py"},
    },
    "guide": {
        "stages": ["dev"],
        "source": {"items": {"href": "https://catalogue.example/scenes.json"}},
        "processing": {"script": "single.py", "scene_format": "search-result"},
    },
    "cubes": {
        "stages": ["dev"],
        "source": {"items": {"href": "https://catalogue.example/scenes.json"}},
        "processing": {
            "script": "single.py",
            "arguments": ["area.geojson", "2026-01-01", -7, "-v"],
            "products": "files",
            "input_path": "/opt/ml/processing/input/scenes",
            "output_path": "/opt/ml/processing/output/",
            "inputs": {"objects": {"file": "area.geojson", "path": "/opt/ml/processing/input/code"}},
        },
    },
    "orthos": {
        "stages": ["dev"],
        "source": {"manifest": {"uri": "s3://survey-images/lists/orthos.json"}},
        "processing": {"script": "single.py", "arguments": {"fast": True, "slow": False}},
    },
}


@pytest.fixture(scope="session")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of definitions: STAC with schedule and mail; a prefix with a script folder; a manifest with one file."""
    folder = tmp_path_factory.mktemp("pipelines")
    for name, definition in DEFINITIONS.items():
        # JSON is YAML.
        (folder / f"{name}.yaml").write_text(json.dumps({"name": name, **definition}, indent=1))
    ring = [[-8, 38], [-7, 38], [-7, 39], [-8, 39], [-8, 38]]
    (folder / "area.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    (folder / "single.py").write_text("print('one file')\n")
    (folder / "folder").mkdir()
    (folder / "folder" / "__main__.py").write_text("import helper\n")
    (folder / "folder" / "helper.py").write_text("print('a folder')\n")
    (folder / "folder" / "tests").mkdir()
    (folder / "folder" / "tests" / "test_pattern.md").write_text("read by the script")
    (folder / "folder" / ".env").write_text("PASSWORD=secret")
    tool = folder / "folder" / "tool.sh"
    tool.write_text("#!/bin/sh\necho a tool\n")
    tool.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def synthesis(pipelines: Path, tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """Stages dev and prod of those definitions, as `cdk synth` would make them."""
    import aws_cdk as cdk

    from stacks.settings import Settings
    from stacks.stage import add_stage, hold_to_aws_solutions

    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = cdk.App(outdir=str(tmp_path_factory.mktemp("cdk.out")), context=context, analytics_reporting=False)
    for stage in ("dev", "prod"):
        add_stage(app, Settings(stage=stage, pipelines=pipelines))
    hold_to_aws_solutions(app)
    return Synthesis(Path(app.synth().directory))
