"""One step of a run, in a process of its own as a function has: `python -m benchmarks.scale.step NAME SETTINGS FILE`.

The code is the functions' own; what is handed in are addresses and a definition. SETTINGS is JSON: `s3` (endpoint),
`inputs`, `outputs`, `run`, `source` (of a definition), `limit` (scenes a run), `input` (of the execution), and where it
matters `batch` or `jobs`. FILE gets the step's result.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.config import Config

from benchmarks.scale import PIPELINE
from geocadence.bucket import PARALLEL, Bucket
from geocadence.close.batch import reconcile_batch, write_result
from geocadence.close.closing import Ending, close_run
from geocadence.layout import RunLayout
from geocadence.plan.batch_objects import write_batch
from geocadence.plan.planning import Run, plan_run
from geocadence.plan.sources import sources_in_s3
from geocadence.sessions import new_session

EXECUTION = f"arn:aws:states:us-west-2:123456789012:execution:geocadence-dev-{PIPELINE}:"
SCENES_PER_JOB = 500


def definition(settings: dict[str, Any]) -> dict[str, Any]:
    """As `Definition.resolved()` gives it, over `source`."""
    nothing = {"stac": None, "items": None, "prefix": None, "manifest": None}
    return {
        "name": PIPELINE,
        "description": "NDVI of a continent",
        "source": nothing | settings["source"],
        "processing": {
            "script": "spectral_index",
            "arguments": {"indices": ["NDVI"]},
            "image": "sagemaker-geospatial",
            "instance_type": "ml.m5.4xlarge",
            "instance_preferences": None,
            "instance_count": 4,
            "distribution": "ShardedByS3Key",
            "most_instances": 100,
        },
        "limits": {
            "max_scenes_per_run": settings["limit"],
            "scenes_per_job": SCENES_PER_JOB,
            "concurrent_jobs": 40,
            "max_cost_usd": None,
        },
    }


def run_step(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    s3 = new_session().client(
        "s3",
        endpoint_url=settings["s3"],
        region_name="us-west-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106
        config=Config(max_pool_connections=PARALLEL, retries={"mode": "adaptive", "max_attempts": 8}),
    )
    inputs, outputs = Bucket(s3, settings["inputs"]), Bucket(s3, settings["outputs"])
    layout = RunLayout(PIPELINE, settings["run"])
    if name == "plan":
        return plan_run(
            Run(layout.run_id, EXECUTION + layout.run_id, datetime.now(UTC), settings["input"]),
            definition=definition(settings),
            inputs=inputs,
            outputs=outputs,
            sources=sources_in_s3(s3, region="us-west-2", is_at_work=lambda arn: False),
            quota_refusal=lambda wanted: None,
            clock=lambda: datetime.now(UTC),
        )
    if name == "write":
        write_batch(inputs, layout, settings["batch"])
        return {}
    if name == "reconcile":
        result = reconcile_batch(inputs, outputs, layout, settings["batch"], region="us-west-2")
        write_result(inputs, layout, settings["batch"], result)
        return {}
    ending = Ending(layout.run_id, EXECUTION + layout.run_id, inputs.uri(layout.plan), settings["jobs"], 0, "")
    return close_run(
        ending,
        definition=definition(settings),
        stage="dev",
        region="us-west-2",
        inputs=inputs,
        outputs=outputs,
        read_jobs=lambda: [_job(batch) for batch in range(settings["jobs"])],
        clock=lambda: datetime.now(UTC),
    )


def _job(batch: int) -> dict[str, Any]:
    return {
        "name": f"{PIPELINE}-012345-0123456789ab-{batch}-0-0",
        "batch": batch,
        "status": "Completed",
        "failure_reason": "",
        "exit_message": "",
        "created": "2027-01-01T06:01:00Z",
        "started": "2027-01-01T06:05:00Z",
        "ended": "2027-01-01T06:25:00Z",
        "seconds": 1200.0,
        "instance_type": "ml.m5.4xlarge",
        "instance_count": 4,
    }


if __name__ == "__main__":
    Path(sys.argv[3]).write_text(json.dumps(run_step(sys.argv[1], json.loads(sys.argv[2]))))
