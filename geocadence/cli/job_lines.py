"""Processing jobs on the screen: what each is at, for how long, and of those that failed why and what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from geocadence.cli.screen import Screen
from geocadence.close.jobs import advice
from geocadence.instants import parse_instant
from geocadence.job_phase import last_lines, phase
from geocadence.report.page import duration
from geocadence.target import Target


def with_phases(target: Target, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The jobs with `phase` and `elapsed` (seconds since creation); failed ones with `last_lines` and `advice`, too."""
    return [_with_phase(target, job, datetime.now(UTC)) for job in jobs]


def tell_jobs(target: Target, jobs: list[dict[str, Any]], screen: Screen) -> None:
    if not jobs:
        return
    told = with_phases(target, jobs)
    rows = [
        (
            job["name"],
            job["phase"],
            f"{job['instance_count'] or '?'} × {job['instance_type'] or '?'}",
            duration(job["elapsed"]),
            job["failure_reason"] or job["exit_message"],
        )
        for job in told
    ]
    screen.table(("job", "phase", "instances", "elapsed", "said"), rows, numbers=("elapsed",))
    for job in told:
        if job["status"] == "Failed":
            _tell_failure(job, screen)


def _tell_failure(job: dict[str, Any], screen: Screen) -> None:
    screen.say()
    screen.say(f"{job['name']}: {job['failure_reason'] or 'SageMaker gives no reason'}")
    if job["exit_message"]:
        screen.say(f"  it said: {job['exit_message']}")
    for host, lines in job["last_lines"].items():
        for line in lines:
            screen.say(f"  {host}  {line}")
    if job["advice"]:
        screen.say(f"  {job['advice']}")


def _with_phase(target: Target, job: dict[str, Any], now: datetime) -> dict[str, Any]:
    is_over = job["status"] in ("Completed", "Stopped")
    lines = {} if is_over else last_lines(target.client("logs"), job["name"])
    created = parse_instant(job["created"]) if job["created"] else now
    ended = parse_instant(job["ended"]) if job["ended"] else now
    more = {"phase": phase(job, lines), "elapsed": round((ended - created).total_seconds(), 1)}
    if job["status"] == "Failed":
        text = f"{job['failure_reason']} {job['exit_message']}"
        more |= {"last_lines": lines, "advice": advice(text, region=target.region)}
    return job | more
