"""The latest runs of a stage, whatever their pipeline."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from geocadence.instants import format_instant
from geocadence.layout import run_id_of
from geocadence.target import Target

EACH = 5


def recent_runs(target: Target) -> list[dict[str, Any]]:
    """The newest runs of each of the stage's pipelines, the newest first."""
    states = target.client("stepfunctions")
    runs = []
    for machine in target.state_machines().values():
        found = states.list_executions(stateMachineArn=machine, maxResults=EACH)
        runs += [_run(target, execution) for execution in found["executions"]]
    return sorted(runs, key=lambda run: run["started_at"], reverse=True)


def _run(target: Target, execution: dict[str, Any]) -> dict[str, Any]:
    started, stopped = execution["startDate"].astimezone(UTC), execution.get("stopDate")
    return {
        "pipeline": target.pipeline_of(execution["executionArn"]),
        "run_id": run_id_of(execution["executionArn"], started),
        "status": execution["status"].lower().replace("_", " "),
        "started_at": format_instant(started),
        "seconds": round((stopped - started).total_seconds(), 1) if stopped else None,
        "execution_arn": execution["executionArn"],
    }
