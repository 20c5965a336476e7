"""CloseRun: the Lambda handler that puts the batches' results together and writes catalogue and report.

Needs: the definition (GetObject); `<pipeline>/runs/` of the input bucket (ListBucket, GetObject; PutObject for the
claims); `<pipeline>/` of the output bucket (ListBucket, GetObject; PutObject for the catalogue and `runs/`);
sagemaker:ListProcessingJobs and sagemaker:DescribeProcessingJob.
"""

from __future__ import annotations

import logging
from typing import Any

from geocadence.bucket import Bucket
from geocadence.close.closing import Ending, close_run
from geocadence.close.jobs import read_jobs
from geocadence.layout import job_name_prefix
from run_functions.environment import Settings, client, log_as_json, now, read_definition

log = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    settings = Settings.read()
    definition = read_definition(settings.definition)
    log_as_json(run_id=event["run_id"], pipeline=definition["name"], stage=settings.stage)
    s3 = client("s3")
    name_prefix = job_name_prefix(definition["name"], event["execution_arn"])
    result = close_run(
        Ending(
            run_id=event["run_id"],
            execution_arn=event["execution_arn"],
            plan=event["plan"],
            jobs=event.get("jobs") or 0,
            jobs_failed=event.get("jobs_failed") or 0,
            failure=event.get("failure") or "",
        ),
        definition=definition,
        stage=settings.stage,
        region=settings.region,
        inputs=Bucket(s3, settings.input_bucket),
        outputs=Bucket(s3, settings.output_bucket),
        read_jobs=lambda: read_jobs(client("sagemaker"), name_prefix=name_prefix),
        clock=now,
    )
    log.info("the run is closed", extra=result)
    return result
