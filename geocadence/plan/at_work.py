"""Whether a run is still at work, by the word of those who run it."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from geocadence.close.jobs import has_open_jobs
from geocadence.layout import job_name_prefix


def is_at_work(execution_arn: str, *, states: Any, sagemaker: Any, pipeline: str) -> bool:
    """Whether an execution goes on, or, where it was stopped or there never was one, a job of its name does."""
    try:
        if states.describe_execution(executionArn=execution_arn)["status"] in ("RUNNING", "PENDING_REDRIVE"):
            return True
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
            raise
    return has_open_jobs(sagemaker, name_prefix=job_name_prefix(pipeline, execution_arn))
