"""A job's log: as `submit` follows it, each line once however many there are between two looks; and its last lines."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from geocadence.job_log import JobLog
from geocadence.job_phase import LOG_GROUP, last_lines
from tests.geocadence.conftest import REGION


@pytest.fixture
def job() -> str:
    """A name of its own for each test: the log group stays where another test had made it before."""
    return f"ndvi-7b6f11-{uuid.uuid4().hex[:12]}-0-0-0"


@pytest.fixture
def logs(aws_endpoint: str, job: str) -> Any:
    credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("logs", endpoint_url=aws_endpoint, region_name=REGION, **credentials)
    assert list(JobLog(client, job).new_lines()) == [], "no log yet"
    is_there = client.describe_log_groups(logGroupNamePrefix=LOG_GROUP)["logGroups"]
    if not is_there:
        client.create_log_group(logGroupName=LOG_GROUP)
    yield client
    if not is_there:
        client.delete_log_group(logGroupName=LOG_GROUP)


def write(logs: Any, job: str, host: str, lines: list[str]) -> None:
    stream = f"{job}/{host}-1795696129963"
    if not logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=stream)["logStreams"]:
        logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream)
    now = int(datetime.now(UTC).timestamp() * 1000)
    for start in range(0, len(lines), 5000):
        events = [{"timestamp": now, "message": line} for line in lines[start : start + 5000]]
        logs.put_log_events(logGroupName=LOG_GROUP, logStreamName=stream, logEvents=events)


def test_more_lines_than_one_answer_holds_are_all_told_once(logs: Any, job: str) -> None:
    log = JobLog(logs, job)
    first = [f"line {n}" for n in range(12_000)]
    write(logs, job, "algo-1", first)
    assert list(log.new_lines()) == [("algo-1", line) for line in first]
    assert list(log.new_lines()) == []
    write(logs, job, "algo-1", ["line 12000"])
    write(logs, job, "algo-2", ["of the second host"])
    assert list(log.new_lines()) == [("algo-1", "line 12000"), ("algo-2", "of the second host")]


def test_of_each_hosts_log_the_last_lines_are_told(logs: Any, job: str) -> None:
    write(logs, job, "algo-1", [f"line {n}" for n in range(40)])
    write(logs, job, "algo-2", ["one", "two"])
    assert last_lines(logs, job, count=3) == {"algo-1": ["line 37", "line 38", "line 39"], "algo-2": ["one", "two"]}
