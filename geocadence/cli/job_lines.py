"""Processing jobs on the screen: what each is at, for how long, and where one came to no good why and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from geocadence.cli.screen import Screen
from geocadence.close.jobs import failure_sentence, job_advice
from geocadence.instants import format_instant, parse_instant
from geocadence.job_phase import LOG_GROUP, has_ended, last_lines, phase
from geocadence.report.page import duration
from geocadence.target import Target
from geocadence.waiting import Pause

_NO_GOOD = ("Failed", "Stopped")
# So many of each host's last lines are shown; a traceback is among them.
_LAST = 12


def with_phases(
    target: Target, jobs: list[dict[str, Any]], *, run_id: str, pauses: Iterable[Pause] = ()
) -> list[dict[str, Any]]:
    """The jobs with `phase` and `elapsed` (seconds since creation), and where they came to no good `why`, `last_lines`,
    `has_logs` (whether these could be read), `advice`, and `next_try_by` if their run tries again, as `pauses` tell.
    """
    told = [_with_phase(target, job, f"{run_id}{target.flags}", datetime.now(UTC)) for job in jobs]
    again = {pause.job: {"advice": pause.told, "next_try_by": format_instant(pause.until)} for pause in pauses}
    return [job | again.get(job["name"], {}) for job in told]


def tell_jobs(
    target: Target, jobs: list[dict[str, Any]], screen: Screen, *, run_id: str, pauses: Iterable[Pause] = ()
) -> None:
    """A table of the jobs; below, the story of each batch that its last job did not bring to a good end."""
    if not jobs:
        return
    told = with_phases(target, jobs, run_id=run_id, pauses=pauses)
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
    for job in {job["batch"]: job for job in told}.values():
        if job["status"] in _NO_GOOD:
            _tell_failure(job, screen)


def _tell_failure(job: dict[str, Any], screen: Screen) -> None:
    screen.say()
    screen.say(f"{job['name']}: {job['why']}")
    for host, lines in job["last_lines"].items():
        for line in lines:
            screen.say(f"  {host}  {line}")
    if not job["has_logs"]:
        screen.say(f"  its logs can't be read (allow logs:DescribeLogStreams and logs:GetLogEvents on {LOG_GROUP})")
    if job["advice"]:
        screen.say(f"  {job['advice']}")


def _with_phase(target: Target, job: dict[str, Any], run: str, now: datetime) -> dict[str, Any]:
    is_no_good = job["status"] in _NO_GOOD
    count = {"count": _LAST} if is_no_good else {}
    lines = {} if job["status"] == "Completed" else last_lines(target.client("logs"), job["name"], **count)
    created = parse_instant(job["created"]) if job["created"] else now
    ended = parse_instant(job["ended"]) if job["ended"] else now
    more = {"phase": phase(job, lines), "elapsed": round((ended - created).total_seconds(), 1)}
    if is_no_good:
        told = {host: [line for line in found if not has_ended(line)] for host, found in (lines or {}).items()}
        advice = job_advice(job, run=run, region=target.region, last_lines=told)
        more |= {"why": failure_sentence(job), "last_lines": told, "has_logs": lines is not None, "advice": advice}
    return job | more
