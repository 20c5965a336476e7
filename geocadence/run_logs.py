"""What a run's processing jobs wrote, from CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from geocadence.follow import RunHandle
from geocadence.instants import format_instant
from geocadence.layout import job_name_prefix
from geocadence.target import Target

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"


def read_logs(target: Target, run: RunHandle) -> Iterator[dict[str, Any]]:
    """Lines in the order of their time: `{stream: <job>/<host>, time, message}`."""
    pages = (
        target.client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=LOG_GROUP,
            logStreamNamePrefix=job_name_prefix(run.pipeline, run.execution_arn),
            startTime=int(run.started_at.timestamp()) * 1000,
        )
    )
    try:
        events = [event for page in pages for event in page["events"]]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return
        raise
    for event in sorted(events, key=lambda event: event["timestamp"]):
        yield {
            "stream": event["logStreamName"],
            "time": format_instant(datetime.fromtimestamp(event["timestamp"] / 1000, UTC)),
            "message": event["message"].rstrip("\n"),
        }
