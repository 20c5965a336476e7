"""CloseRun: reconcile the plan with the products, commit the catalogue, write record and report.

Also reached after jobs failed, timed out or were stopped: what was finished counts. Closing a run
again gives the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from geocadence.bucket import Bucket, as_json
from geocadence.close.collection import commit
from geocadence.close.jobs import failure_by_batch
from geocadence.close.reconcile import (
    Outcome,
    SceneResult,
    Status,
    outcome_of_objects,
    outcome_of_scenes,
    read_failures,
    reconcile,
)
from geocadence.close.record import run_record
from geocadence.instants import parse_instant
from geocadence.layout import RunLayout
from geocadence.products import find_products
from geocadence.report.page import render_report


@dataclass(frozen=True)
class Ending:
    """What CloseRun is told of the run."""

    run_id: str
    execution_arn: str
    plan: str  # S3 URI
    jobs: int
    jobs_failed: int
    failure: str


def close_run(
    ending: Ending,
    *,
    definition: dict[str, Any],
    stage: str,
    region: str | None,
    inputs: Bucket,
    outputs: Bucket,
    read_jobs: Callable[[], Sequence[dict[str, Any]]],
    clock: Callable[[], datetime],
) -> dict[str, Any]:
    """The output of the execution; everything it stands on is written by then."""
    layout = RunLayout(definition["name"], ending.run_id)
    plan = _read_plan(inputs, layout)
    planned_at = _modified(inputs, layout.plan)
    jobs = list(read_jobs()) if ending.jobs else []
    failures = read_failures(outputs.read_json_many(f.key for f in outputs.listing(layout.failures)))
    results: list[SceneResult] = []
    if plan["source"] in ("stac", "items"):
        wanted = [(d["id"], parse_instant(d["datetime"])) for d in plan["decisions"] if d["decision"] != "rejected"]
        results = reconcile(
            plan,
            products=find_products(outputs, pipeline=layout.pipeline, scenes=wanted),
            failures=failures,
            planned_at=planned_at,
            job_failures=failure_by_batch(jobs),
            run_failure=ending.failure,
        )
        outcome, numbers = outcome_of_scenes(results), _scene_numbers(plan, results)
        commit(
            outputs,
            pipeline=layout.pipeline,
            description=definition["description"],
            produced=[r.product for r in results if r.status is Status.PRODUCED and r.product],
            in_place=[r.product for r in results if r.status is Status.SKIPPED and r.product and r.product.is_complete],
        )
    else:
        outcome, numbers = _close_objects(ending, plan, outputs, planned_at, failures=len(failures))
    known = {result.scene for result in results}
    record = run_record(
        plan=plan,
        definition=definition,
        stage=stage,
        region=region,
        outcome=outcome,
        numbers=numbers,
        results=results,
        jobs=jobs,
        failure=ending.failure,
        other_failures=[
            {"scene": scene, "class": failure.failure_class, "reason": failure.reason}
            for scene, failure in failures.items()
            if scene not in known
        ],
        closed_at=clock(),
    )
    page = render_report(record)
    outputs.write(layout.report, page.encode(), content_type="text/html; charset=utf-8")
    outputs.write(layout.run_json, as_json(record), content_type="application/json")
    return {
        "run_id": ending.run_id,
        "outcome": outcome.value,
        **{key: numbers[key] for key in ("planned", "produced", "skipped", "failed")},
        "report": outputs.uri(layout.report),
    }


def _read_plan(inputs: Bucket, layout: RunLayout) -> dict[str, Any]:
    plan = inputs.read_json(layout.plan)
    if plan is None:
        raise FileNotFoundError(f"{inputs.uri(layout.plan)} is not there: PlanRun writes it before any job starts")
    return plan


def _modified(bucket: Bucket, key: str) -> datetime:
    return next(found.modified for found in bucket.listing(key) if found.key == key)


def _scene_numbers(plan: dict[str, Any], results: Sequence[SceneResult]) -> dict[str, int]:
    statuses = [result.status for result in results]
    return {
        "planned": plan["planned"],
        "produced": statuses.count(Status.PRODUCED),
        "skipped": statuses.count(Status.SKIPPED),
        "rejected": statuses.count(Status.REJECTED),
        "failed": statuses.count(Status.FAILED) + statuses.count(Status.MISSING),
    }


def _close_objects(
    ending: Ending, plan: dict[str, Any], outputs: Bucket, planned_at: datetime, *, failures: int
) -> tuple[Outcome, dict[str, int]]:
    pipeline = plan["pipeline"]
    # The script names its products as it likes; whatever is new outside runs/ is one.
    produced = sum(
        1
        for found in outputs.listing(f"{pipeline}/")
        if not found.key.startswith(f"{pipeline}/runs/") and found.modified >= planned_at
    )
    all_failed = bool(ending.jobs) and ending.jobs_failed >= ending.jobs
    numbers = {
        "planned": plan["planned"],
        "produced": produced if plan["batches"] else 0,
        "skipped": 0,
        "rejected": 0,
        "failed": max(failures, plan["planned"] if all_failed else 0),
    }
    outcome = outcome_of_objects(
        planned=plan["planned"],
        produced=numbers["produced"],
        jobs=plan["batches"],
        jobs_failed=ending.jobs_failed,
        failures=failures,
    )
    return outcome, numbers
