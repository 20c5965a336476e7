"""Between a job that came to nothing and the next, a run says that it waits, since when, and until when at most."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from geocadence.cli import main
from geocadence.cli import runs as run_verbs
from geocadence.instants import parse_instant
from geocadence.progress import Progress, RunHandle
from geocadence.waiting import longest_pause, pauses

RUN = RunHandle("ndvi", "20261122T060000Z-0a1b2c3d", "arn:x", parse_instant("2026-11-22T06:00:00Z"))
NO_INSTANCES = "CapacityError: Unable to provision requested ML compute capacity. Please retry."
NOW = parse_instant("2026-11-22T06:10:00Z")


def job(attempt: int = 0, *, batch: int = 0, ended: str | None = "06:09:00", **changes: Any) -> dict[str, Any]:
    """A job of the run that found no instances, as `close.jobs.describe` tells it."""
    return {
        "name": f"ndvi-7b6f11-0aade92c4d93-{batch}-{attempt}-0",
        "batch": batch,
        "status": "Failed",
        "failure_reason": NO_INSTANCES,
        "exit_message": "",
        "created": "2026-11-22T06:03:00Z",
        "started": None,
        "ended": ended and f"2026-11-22T{ended}Z",
        "seconds": None,
        "instance_type": "ml.m5.4xlarge",
        "instance_count": 4,
        "max_runtime": 14400,
    } | changes


@pytest.mark.parametrize(
    ("attempts", "until"),
    [((0,), "06:10:00"), ((0, 10), "06:11:00"), ((0, 10, 20), "06:13:00"), ((20, 30), "06:17:00")],
)
def test_the_next_try_is_due_by_when_the_state_machine_waits_no_longer(attempts: tuple[int, ...], until: str) -> None:
    (pause,) = pauses([job(attempt) for attempt in attempts], now=NOW)
    assert pause.until == parse_instant(f"2026-11-22T{until}Z")
    assert pause.since == parse_instant("2026-11-22T06:03:00Z"), "when the batch's first job was made"
    assert pause.job == job(attempts[-1])["name"]
    assert f"by {until} UTC at the latest (try {attempts[-1] // 10 + 2} of 5)" in pause.told


def test_a_pause_is_never_longer_than_the_longest() -> None:
    assert [longest_pause(tried) for tried in (1, 4, 5, 9)] == [timedelta(minutes=n) for n in (1, 8, 15, 15)]


@pytest.mark.parametrize(
    "jobs",
    [
        pytest.param([job(40)], id="its last try"),
        pytest.param([job(failure_reason="AlgorithmError: exit code: 1")], id="a script's failure"),
        pytest.param([job(status="Stopped")], id="stopped"),
        pytest.param([job(status="InProgress", failure_reason="", ended=None)], id="at work"),
        pytest.param([job(), job(10, status="InProgress", failure_reason="", ended=None)], id="tried again"),
        pytest.param([job(), job(10, status="Completed", failure_reason="")], id="done"),
        pytest.param([job(ended="06:07:59")], id="the next job should be there, and is not"),
        pytest.param([], id="no job"),
    ],
)
def test_what_is_not_tried_again_is_no_pause(jobs: list[dict[str, Any]]) -> None:
    assert pauses(jobs, now=NOW) == []


def test_each_batch_has_its_own_pause() -> None:
    found = pauses([job(), job(batch=1), job(10, batch=1), job(batch=2, status="Completed")], now=NOW)
    assert [(pause.job[-5:], pause.tried) for pause in found] == [("0-0-0", 1), ("-10-0", 2)]


def test_sagemakers_own_failure_is_no_want_of_capacity() -> None:
    (pause,) = pauses([job(failure_reason="InternalServerError: We encountered an internal error.")], now=NOW)
    assert pause.phase == "waiting to try again"
    assert pause.since == parse_instant("2026-11-22T06:09:00Z"), "the job itself may have run for hours"
    assert pause.told.startswith("SageMaker itself failed. The run tries again by itself, by 06:10:00 UTC")


def running(jobs: list[dict[str, Any]], **changes: Any) -> Progress:
    return Progress(**{"status": "RUNNING", "planned": 7, "produced": 0, "jobs": jobs, "batches": 3} | changes)


def test_a_run_whose_batches_wait_is_not_closing_nor_starting_jobs() -> None:
    waits = [job(), job(batch=1)]
    assert running(waits, pauses=pauses(waits, now=NOW)).phase == "waiting for capacity"
    error = [job(failure_reason="InternalServerError: x"), job(batch=1)]
    assert running(error, pauses=pauses(error, now=NOW)).phase == "waiting for capacity", "which a person can mend"
    assert running(error[:1], pauses=pauses(error[:1], now=NOW)).phase == "waiting to try again"
    at_work = [*waits, job(batch=2, status="InProgress", started="2026-11-22T06:05:00Z", failure_reason="")]
    assert running(at_work, pauses=pauses(at_work, now=NOW)).phase == "processing"
    assert running(waits, pauses=[], batches=2).phase == "closing"


def test_status_says_since_when_until_when_and_that_nobody_has_to_do_anything(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    jobs = [job()]
    progress = running(jobs, pauses=pauses(jobs, now=NOW))
    logs = SimpleNamespace(get_paginator=lambda name: SimpleNamespace(paginate=lambda **_: []))
    target = SimpleNamespace(
        client=lambda service: logs, region="us-west-2", flags="", outputs=SimpleNamespace(read_json=lambda key: None)
    )
    monkeypatch.setattr(run_verbs, "target_of", lambda options: target)
    monkeypatch.setattr(run_verbs, "find_backfill", lambda target, run: None)
    monkeypatch.setattr(run_verbs, "find_run", lambda target, run: RUN)
    monkeypatch.setattr(run_verbs, "RunWatch", lambda target, run: SimpleNamespace(look=lambda: (progress, {})))

    assert main(["status", RUN.run_id]) == 0
    told = capsys.readouterr().out
    assert main(["status", RUN.run_id, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)

    assert told.splitlines()[0] == f"ndvi  {RUN.run_id}  waiting for capacity since 2026-11-22 06:03 UTC"
    assert "The run tries again by itself, by 06:10:00 UTC at the latest (try 2 of 5)" in told
    assert "start the run again" not in told
    assert facts["phase"] == "waiting for capacity"
    assert facts["jobs"][0]["next_try_by"] == "2026-11-22T06:10:00Z"
    assert facts["jobs"][0]["advice"] in told
