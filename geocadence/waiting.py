"""Batches of a running run between a job that came to nothing and the next: the state machine tries again by itself.

What it does about a failed job is `ProcessingJobRun`'s (stacks/components/processing_job/run.py) to say; here it is
told from outside, by the jobs' names, which count attempts, and by FailureReason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from geocadence.instants import parse_instant

WAITING_FOR_CAPACITY = "waiting for capacity"
# As in the state machine, held to it by tests/stacks/test_agreements.py.
ATTEMPTS = 5
HEALS = re.compile("CapacityError|InternalServerError")
_PAUSE, _LONGEST = timedelta(minutes=1), timedelta(minutes=15)
# Of `<batch>-<attempt>-<redrive count>`, where `<attempt>` goes up by ten.
_ATTEMPT = re.compile(r"-(\d+)-\d+$")
# Until SageMaker lists the next job.
_SHOWS_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True)
class Pause:
    """Of one batch. `job` is its last one's name, `tried` how many there were; the next one begins by `until`."""

    job: str
    is_for_capacity: bool
    tried: int
    since: datetime
    until: datetime

    @property
    def phase(self) -> str:
        return WAITING_FOR_CAPACITY if self.is_for_capacity else "waiting to try again"

    @property
    def told(self) -> str:
        """What goes on, and what would help."""
        why = "AWS had no such instances at that moment" if self.is_for_capacity else "SageMaker itself failed"
        help_ = "; other types beside it make that rarer (processing.instance_preferences)" * self.is_for_capacity
        return (
            f"{why}. The run tries again by itself, by {self.until:%H:%M:%S} UTC at the latest "
            f"(try {self.tried + 1} of {ATTEMPTS}){help_}."
        )


def longest_pause(tried: int) -> timedelta:
    """How long the state machine waits at most after so many tries."""
    return min(_LONGEST, _PAUSE * 2 ** (tried - 1))


def pauses(jobs: Iterable[dict[str, Any]], *, now: datetime) -> list[Pause]:
    """The pauses that batches of a run are in, `jobs` being its jobs (`close.jobs.describe`), oldest first."""
    first, last = {}, {}
    for job in jobs:
        first.setdefault(job["batch"], job)
        last[job["batch"]] = job
    found = (_pause(job, first[batch]) for batch, job in last.items() if batch is not None)
    return [pause for pause in found if pause is not None and now <= pause.until + _SHOWS_WITHIN]


def _pause(job: dict[str, Any], first: dict[str, Any]) -> Pause | None:
    ended = job["ended"] or job["created"]
    if job["status"] != "Failed" or not HEALS.match(job["failure_reason"]) or not ended:
        return None
    match = _ATTEMPT.search(job["name"])
    tried = int(match[1]) // 10 + 1 if match else ATTEMPTS
    if tried >= ATTEMPTS:
        return None
    is_for_capacity = job["failure_reason"].startswith("CapacityError")
    since = (first["created"] or ended) if is_for_capacity else ended
    until = parse_instant(ended) + longest_pause(tried)
    return Pause(job["name"], is_for_capacity, tried, parse_instant(since), until)
