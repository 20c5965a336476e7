"""What a run's processing jobs wrote, from CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from geocadence.instants import format_instant
from geocadence.layout import job_name_prefix
from geocadence.progress import RunHandle
from geocadence.target import Target

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
_STREAMS = 100  # FilterLogEvents takes no more at once


def read_logs(target: Target, run: RunHandle) -> Iterator[dict[str, Any]]:
    """Lines in the order of their time: `{stream: <job>/<host>, time, message}`."""
    prefix = job_name_prefix(run.pipeline, run.execution_arn)
    client = target.client("logs")
    try:
        pages = client.get_paginator("describe_log_streams").paginate(
            logGroupName=LOG_GROUP, logStreamNamePrefix=prefix
        )
        streams = [found["logStreamName"] for page in pages for found in page["logStreams"]]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return
        raise
    events = []
    for start in range(0, len(streams), _STREAMS):
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=LOG_GROUP,
            logStreamNames=streams[start : start + _STREAMS],
            startTime=int(run.started_at.timestamp()) * 1000,
        )
        events += [event for page in pages for event in page["events"]]
    for event in sorted(events, key=lambda event: event["timestamp"]):
        yield {
            "stream": event["logStreamName"],
            "time": format_instant(datetime.fromtimestamp(event["timestamp"] / 1000, UTC)),
            "message": event["message"].rstrip("\n"),
        }
