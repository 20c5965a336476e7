"""What a job is at, told from DescribeProcessingJob and its hosts' logs."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from geocadence.job_phase import last_lines, phase

RUNS, ENDED = '{"event": "job"}', '{"event": "ended"}'


def job(**changes: Any) -> dict[str, Any]:
    return {"status": "InProgress", "started": "2026-11-22T06:03:00Z", "instance_count": 2, **changes}


@pytest.mark.parametrize(
    ("changes", "lines", "what"),
    [
        ({"started": None}, {}, "waiting for capacity"),
        ({}, {}, "downloading"),
        ({}, None, "started (its logs can't be read)"),
        ({"started": None}, None, "waiting for capacity"),
        ({"status": "Failed"}, None, "failed"),
        ({}, {"algo-1": [RUNS]}, "downloading"),
        ({}, {"algo-1": [RUNS], "algo-2": [RUNS, "[1, 2]", "scene 3"]}, "running"),
        ({}, {"algo-1": [RUNS, ENDED], "algo-2": [RUNS]}, "running"),
        ({}, {"algo-1": [ENDED], "algo-2": [RUNS, ENDED, "bye"]}, "uploading"),
        ({"status": "Stopping"}, {"algo-1": [RUNS]}, "stopping"),
        ({"status": "Failed"}, {}, "failed"),
        ({"status": "Completed"}, {}, "completed"),
    ],
)
def test_the_phase_is_what_the_job_is_at(
    changes: dict[str, Any], lines: dict[str, list[str]] | None, what: str
) -> None:
    assert phase(job(**changes), lines) == what


class Logs:
    """CloudWatch Logs that refuses."""

    def __init__(self, code: str) -> None:
        self._code = code

    def get_paginator(self, name: str) -> Any:
        raise ClientError({"Error": {"Code": self._code, "Message": "no"}}, name)


@pytest.mark.parametrize(("code", "lines"), [("AccessDeniedException", None), ("ResourceNotFoundException", {})])
def test_logs_that_may_not_be_read_are_told_from_logs_that_are_not_there_yet(code: str, lines: dict | None) -> None:
    assert last_lines(Logs(code), "job") == lines
