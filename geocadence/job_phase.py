"""What a processing job is at, and what its hosts wrote last.

DescribeProcessingJob alone does not tell: a job is `InProgress` from its creation to its end. It has a start time once
its instances are there; a host has a log once its container runs, which is after image and input were fetched; and the
launcher's last line is `ended`.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from geocadence.waiting import WAITING_FOR_CAPACITY

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
# A library may write a line or two of farewell behind the launcher's last one.
_LAST = 5


def streams_of(logs: Any, job: str) -> list[tuple[str, str]]:
    """The hosts of a job (`algo-1`) that have a log, each with its stream."""
    pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{job}/")
    streams = sorted(found["logStreamName"] for page in pages for found in page["logStreams"])
    return [("-".join(stream.partition("/")[2].split("-")[:2]), stream) for stream in streams]


def last_lines(logs: Any, job: str, *, count: int = _LAST) -> dict[str, list[str]] | None:
    """By host (`algo-1`) the last lines of its log; a host without a log is left out. None where logs can't be read."""
    try:
        lines = {}
        for host, stream in streams_of(logs, job):
            answer = logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream, limit=count, startFromHead=False)
            lines[host] = [event["message"].rstrip("\n") for event in answer["events"]][-count:]
    except ClientError as error:
        # Until the account's first job writes something there is no log group.
        return {} if error.response["Error"]["Code"] == "ResourceNotFoundException" else None
    except BotoCoreError:
        return None
    return lines


def phase(job: dict[str, Any], lines: dict[str, list[str]] | None) -> str:
    """What a job (as `close.jobs.describe` tells it) is at, in a word or two; `lines` are those of `last_lines`."""
    if job["status"] != "InProgress":
        return job["status"].lower()
    if not job["started"]:
        return WAITING_FOR_CAPACITY
    if lines is None:
        return "started (its logs can't be read)"
    if len(lines) < (job["instance_count"] or 1):
        return "downloading"
    return "uploading" if all(any(map(has_ended, found)) for found in lines.values()) else "running"


def has_ended(line: str) -> bool:
    """Whether this is the launcher's last line."""
    try:
        said = json.loads(line)
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("event") == "ended"
