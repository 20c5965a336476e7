"""A backfill looked at from outside: what its windows have come to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from geocadence.backfill_progress import BackfillHandle, BackfillWatch
from geocadence.layout import backfill_run_name
from tests.geocadence.pipeline import Pipeline, in_memory
from tests.geocadence.scenes import item, scene_id

STARTED = datetime(2026, 11, 22, 6, tzinfo=UTC)
MACHINE = "arn:aws:states:us-west-2:123456789012:stateMachine:geocadence-dev-ndvi"
BACKFILL = BackfillHandle(
    "ndvi",
    "backfill-x",
    f"{MACHINE}_backfill".replace("stateMachine", "execution") + ":backfill-x",
    STARTED,
    {"start": "2026-11-01", "end": "2026-11-06", "step": "P3D"},
)


class Target:
    """One window's run has ended as `status` says; the other one was never started."""

    is_local = True

    def __init__(self, pipeline: Pipeline, status: str) -> None:
        self.inputs, self.outputs = pipeline.inputs, pipeline.outputs
        name = backfill_run_name(BACKFILL.execution_arn, "2026-11-01T00:00:00Z") + "-0"
        self.execution = {
            "name": name,
            "executionArn": f"{MACHINE.replace('stateMachine', 'execution')}:{name}",
            "status": status,
            "startDate": STARTED,
        }

    def state_machine_arn(self, pipeline: str) -> str:
        return MACHINE

    def client(self, service: str) -> Any:
        return self

    def get_paginator(self, operation: str) -> Any:
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        return [{"executions": [self.execution], "ProcessingJobSummaries": []}]

    def describe_execution(self, executionArn: str) -> dict[str, Any]:
        return {"status": "ABORTED"} if executionArn == BACKFILL.execution_arn else self.execution


@pytest.mark.parametrize(
    ("status", "why"), [("ABORTED", "its run was aborted"), ("TIMED_OUT", "its run took too long")]
)
def test_what_a_window_made_whose_run_never_closed_counts(status: str, why: str) -> None:
    pipeline = in_memory([item(n) for n in range(3)])
    target = Target(pipeline, status)
    pipeline.work(pipeline.plan(target.execution["name"]), but=(scene_id(1),))

    ended, waiting = BackfillWatch(target, BACKFILL).look().windows  # type: ignore[arg-type]

    assert (ended.state, ended.planned, ended.produced, ended.reason) == ("failed", 3, 2, why)
    assert waiting.state == "not started"
