"""What `status`, `run` and `submit` say of processing jobs: phase, time, and of failures why and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from geocadence.cli import main
from geocadence.cli import runs as run_verbs
from geocadence.cli import submit as submit_verb
from geocadence.cli.job_lines import tell_jobs, with_phases
from geocadence.cli.screen import Screen
from geocadence.instants import format_instant, parse_instant
from geocadence.progress import Progress, RunHandle
from geocadence.submission import Submission

NAME = "ndvi-7b6f11-0aade92c4d93-0-0-0"
RUN = RunHandle("ndvi", "20261122T060000Z-0a1b2c3d", "arn:x", parse_instant("2026-11-22T06:00:00Z"))
WAY_BACK = "How far it is: .venv/bin/geocadence status r1; what it wrote: .venv/bin/geocadence logs r1"
STARTED, ENDED = '{"event": "job"}', '{"event": "ended"}'


def ago(seconds: int) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


def job(**changes: Any) -> dict[str, Any]:
    """A job of two instances that was made ten minutes ago, as `close.jobs.describe` tells it."""
    return {
        "name": NAME,
        "batch": 0,
        "status": "InProgress",
        "failure_reason": "",
        "exit_message": "",
        "created": format_instant(ago(600)),
        "started": format_instant(ago(420)),
        "ended": None,
        "seconds": None,
        "instance_type": "ml.m5.4xlarge",
        "instance_count": 2,
        "max_runtime": 14400,
    } | changes


class Logs:
    """CloudWatch Logs with a stream a host, or none that may be read."""

    def __init__(self, lines: dict[str, list[str]] | None) -> None:
        self._lines = lines

    def get_paginator(self, name: str) -> Any:
        if self._lines is None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, name)
        streams = [{"logStreamName": f"{NAME}/{host}-1795696129963"} for host in self._lines]
        return SimpleNamespace(paginate=lambda **_: [{"logStreams": streams}])

    def get_log_events(self, *, logStreamName: str, **asked: Any) -> dict[str, Any]:
        host = logStreamName.partition("/")[2].rpartition("-")[0]
        found = [{"message": line} for line in self._lines[host]]
        return {"events": [] if asked.get("nextToken") else found, "nextForwardToken": "end"}


def target(lines: dict[str, list[str]] | None, *described: dict[str, Any]) -> Any:
    """Whose SageMaker describes a job in one way after the other."""
    answers: Iterator[dict[str, Any]] = iter(described)
    clients = {
        "logs": Logs(lines),
        "sagemaker": SimpleNamespace(describe_processing_job=lambda ProcessingJobName: next(answers)),
    }
    return SimpleNamespace(client=clients.__getitem__, region="us-west-2", flags="", is_local=True)


def told(capsys: Any, lines: dict[str, list[str]] | None, *jobs: dict[str, Any]) -> list[str]:
    tell_jobs(target(lines), list(jobs), Screen(), run_id="r1")
    return capsys.readouterr().out.splitlines()


def test_a_job_at_work_is_told_with_its_phase_instances_and_time(capsys: Any) -> None:
    _, row = told(capsys, {"algo-1": [STARTED], "algo-2": [STARTED, ENDED]}, job())

    assert row.split("  ")[0] == NAME
    assert " running " in row
    assert "2 × ml.m5.4xlarge" in row
    assert "10 min" in row


def test_time_is_counted_from_the_jobs_making_until_now_or_its_end() -> None:
    done = job(status="Completed", ended=format_instant(ago(360)))
    found = with_phases(target({}), [job(), job(started=None), done], run_id="r1")

    assert [each["phase"] for each in found] == ["downloading", "waiting for capacity", "completed"]
    assert [each["elapsed"] for each in found] == pytest.approx([600, 600, 240], abs=30)


def test_a_failure_is_told_with_both_reasons_each_hosts_last_lines_and_what_to_do(capsys: Any) -> None:
    failed = job(
        status="Failed",
        failure_reason="AlgorithmError: exit code: 1",
        exit_message="no CRS",
        ended=format_instant(ago(0)),
    )
    lines = {"algo-1": ["soil.tif", ENDED], "algo-2": ['  File "main.py", line 1', "MemoryError", ENDED]}

    assert told(capsys, lines, failed)[3:] == [
        f"{NAME}: the job failed: AlgorithmError: exit code: 1 – no CRS",
        "  algo-1  soil.tif",
        '  algo-2    File "main.py", line 1',
        "  algo-2  MemoryError",
        "  The script asked for more memory than the instance has: take a larger instance type, or read less at "
        "a time.",
    ]


def test_where_logs_may_not_be_read_it_is_said_what_has_to_be_allowed(capsys: Any) -> None:
    failed = job(status="Failed", failure_reason="AlgorithmError: exit code: 137", ended=format_instant(ago(0)))

    lines = told(capsys, None, failed)

    assert "allow logs:DescribeLogStreams and logs:GetLogEvents on /aws/sagemaker/ProcessingJobs" in lines[-2]
    assert "take a larger instance type" in lines[-1]


def test_of_a_batch_that_went_well_at_last_no_failure_is_told(capsys: Any) -> None:
    first = job(status="Failed", failure_reason="CapacityError", ended=format_instant(ago(0)))

    lines = told(capsys, {}, first, job(name=NAME.replace("-0-0-0", "-0-10-0")))

    assert len(lines) == 3, "a table of two"


def test_the_status_of_a_run_at_work_says_how_many_of_its_scenes_are_done(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    at_work = target({})
    at_work.outputs = SimpleNamespace(read_json=lambda key: None)
    progress = Progress("RUNNING", planned=5, produced=3, failed=1, jobs=[job()], batches=1)
    monkeypatch.setattr(run_verbs, "target_of", lambda options: at_work)
    monkeypatch.setattr(run_verbs, "find_backfill", lambda target, run: None)
    monkeypatch.setattr(run_verbs, "find_run", lambda target, run: RUN)
    monkeypatch.setattr(run_verbs, "RunWatch", lambda target, run: SimpleNamespace(look=lambda: (progress, {})))

    assert main(["status", RUN.run_id]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert main(["status", "--json", RUN.run_id]) == 0
    (shown,) = json.loads(capsys.readouterr().out)["jobs"]

    assert lines[:2] == [f"ndvi  {RUN.run_id}  processing", "3 of 5 done, 1 failed"]
    assert "downloading" in lines[3]
    assert (shown["phase"], shown["elapsed"]) == ("downloading", pytest.approx(600, abs=30))


def start_job(*_: object, started: Callable[[str], None]) -> str:
    started(NAME)
    return NAME


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A job that is submitted where `target` is; `request` None where there is nothing to do."""
    given: dict[str, Any] = {"request": {"ProcessingJobName": NAME}}
    monkeypatch.setattr(submit_verb, "target_of", lambda options: given["target"])
    monkeypatch.setattr(submit_verb, "note_differences", lambda *_: None)
    monkeypatch.setattr(submit_verb, "prepare", lambda *_: Submission("r1", 3, given["request"]))
    monkeypatch.setattr(submit_verb, "start_job", start_job)
    monkeypatch.setattr(submit_verb.time, "sleep", lambda seconds: None)
    return given


def described(status: str, **more: Any) -> dict[str, Any]:
    """DescribeProcessingJob's answer."""
    times = {"CreationTime": ago(9), "ProcessingStartTime": ago(5)}
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.4xlarge"}
    return {
        "ProcessingJobName": NAME,
        "ProcessingJobStatus": status,
        "ProcessingResources": {"ClusterConfig": cluster},
        **times,
        **more,
    }


def test_a_submitted_job_is_left_to_itself_where_nobody_waits(submitted: dict[str, Any], capsys: Any) -> None:
    submitted["target"] = target({})  # which describes no job

    assert main(["submit", "ndvi", "--no-wait"]) == 0
    told = capsys.readouterr()
    assert told.out == "r1\n"
    assert told.err.splitlines() == [f"run r1 of ndvi: job {NAME}, 3 planned", WAY_BACK]
    assert main(["submit", "ndvi", "--no-wait", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"run_id": "r1", "planned": 3, "job": NAME}


@pytest.mark.parametrize(("status", "code"), [("Completed", 0), ("Failed", 1), ("Stopped", 1)])
def test_a_submitted_job_is_followed_through_its_phases_and_lines(
    submitted: dict[str, Any], capsys: Any, status: str, code: int
) -> None:
    at_work, ended = described("InProgress"), described(status, ProcessingEndTime=ago(0))
    submitted["target"] = target({"algo-1": [STARTED, "scene 1"]}, at_work, at_work, ended)

    assert main(["submit", "ndvi", "--wait"]) == code

    said = capsys.readouterr()
    lines = [line.partition(" (")[0] for line in said.err.splitlines()]
    assert lines == [
        f"run r1 of ndvi: job {NAME}, 3 planned",
        WAY_BACK,
        "running",
        f"algo-1  {STARTED}",
        "algo-1  scene 1",
        status.lower(),
    ]
    assert status.lower() in said.out


def test_who_stops_following_a_submitted_job_is_told_the_way_back(
    submitted: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def ctrl_c(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(submit_verb.time, "sleep", ctrl_c)
    submitted["target"] = target({}, described("InProgress"))

    assert main(["submit", "ndvi"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == f"detached; the job goes on. {WAY_BACK}"


HELD = {"id": "S2B_1", "decision": "skip", "reason": "run r0 is working on it", "held_by": "r0"}
DONE = {"id": "S2B_2", "decision": "skip", "reason": "its product is in place"}


@pytest.mark.parametrize(
    ("plan", "named", "why"),
    [
        ({"planned": 0, "note": ""}, [], []),
        (
            {"planned": 0, "note": "run r0 is working on the same objects"},
            [],
            ["run r0 is working on the same objects"],
        ),
        (
            {"planned": 0, "decisions": [HELD, DONE]},
            ["--scene=S2B_1", "--scene=S2B_2"],
            ["S2B_1: run r0 is working on it"],
        ),
        (None, [], []),
    ],
)
def test_where_there_is_nothing_to_do_nothing_is_submitted_and_it_is_told_why(
    submitted: dict[str, Any], capsys: Any, plan: dict[str, Any] | None, named: list[str], why: list[str]
) -> None:
    def read(key: str) -> dict[str, Any]:
        assert key == "ndvi/runs/r1/plan.json"
        if plan is None:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")
        return plan

    submitted |= {"request": None, "target": target({})}
    submitted["target"].inputs = SimpleNamespace(**{"read_json" if named else "read_head": read})

    assert main(["submit", "ndvi", *named]) == 0
    told = capsys.readouterr()
    assert told.out == "nothing to do\n"
    assert told.err.splitlines() == why
