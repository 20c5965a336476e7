"""The latest runs and backfills of a stage, whatever their pipeline."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from geocadence.instants import format_instant
from geocadence.layout import run_id_of
from geocadence.target import Target

EACH = 5


def recent_runs(target: Target) -> list[dict[str, Any]]:
    """The newest runs and backfills of each of the stage's pipelines, the newest first.

    A backfill's `run_id` is its execution's name.
    """
    runs = [_run(target, each) for arn in target.state_machines().values() for each in _executions(target, arn)]
    backfills = [
        _run(target, each) | {"kind": "backfill", "run_id": each["name"]}
        for arn in target.backfill_machines().values()
        for each in _executions(target, arn)
    ]
    return sorted(runs + backfills, key=lambda run: run["started_at"], reverse=True)


def _executions(target: Target, machine: str) -> list[dict[str, Any]]:
    return target.client("stepfunctions").list_executions(stateMachineArn=machine, maxResults=EACH)["executions"]


def _run(target: Target, execution: dict[str, Any]) -> dict[str, Any]:
    started, stopped = execution["startDate"].astimezone(UTC), execution.get("stopDate")
    return {
        "kind": "run",
        "pipeline": target.pipeline_of(execution["executionArn"]),
        "run_id": run_id_of(execution["executionArn"], started),
        "status": execution["status"].lower().replace("_", " "),
        "started_at": format_instant(started),
        "seconds": round((stopped - started).total_seconds(), 1) if stopped else None,
        "execution_arn": execution["executionArn"],
    }
