"""CloseRun: reconcile the plan with the products, commit the catalogue, write record and report.

Also reached after jobs failed, timed out or were stopped: what was finished counts. Closing a run
again gives the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from geocadence.bucket import Bucket, as_json
from geocadence.close.collection import commit
from geocadence.close.items_table import commit_items, entries_of
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
from geocadence.committed import Committed, read_committed
from geocadence.instants import parse_instant
from geocadence.layout import RunLayout
from geocadence.plan.claims import leave
from geocadence.plan.estimate import Took, remember
from geocadence.products import Product, find_products
from geocadence.report.page import render_report

# The report shows so many products of earlier runs; each costs a request.
SHOWN_IN_PLACE = 500


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
        committed = _committed(plan, outputs)
        results = reconcile(
            plan,
            products=_products(plan, outputs, committed),
            failures=failures,
            planned_at=planned_at,
            job_failures=failure_by_batch(jobs),
            run_failure=ending.failure,
        )
        outcome, numbers = outcome_of_scenes(results), _scene_numbers(plan, results)
        _commit(plan, results, committed, outputs, description=definition["description"])
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
    if took := _took(plan, results, jobs):
        remember(outputs, layout.pipeline, took)
    leave(inputs, layout.pipeline, ending.run_id)
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


def _committed(plan: dict[str, Any], outputs: Bucket) -> dict[str, Committed]:
    """What the catalogue knows of the scenes that the run left as they are."""
    skipped = {decision["id"] for decision in plan["decisions"] if decision["decision"] == "skip"}
    rows = read_committed(outputs, plan["pipeline"], scenes=skipped, acquisitions=()) if skipped else []
    return {row.scene: row for row in rows}


def _products(plan: dict[str, Any], outputs: Bucket, committed: dict[str, Committed]) -> dict[str, Product]:
    decisions = [d for d in plan["decisions"] if d["decision"] != "rejected"]
    shown = {d["id"] for d in islice((d for d in decisions if d["decision"] == "skip"), SHOWN_IN_PLACE)}
    return find_products(
        outputs,
        pipeline=plan["pipeline"],
        scenes=[(d["id"], parse_instant(d["datetime"])) for d in decisions],
        known={scene: row for scene, row in committed.items() if scene not in shown},
    )


def _commit(
    plan: dict[str, Any],
    results: Sequence[SceneResult],
    committed: dict[str, Committed],
    outputs: Bucket,
    *,
    description: str,
) -> None:
    """First the table, which says what is done; then the collection, whose links lead to what is in place anyway."""
    produced = [r.product for r in results if r.status is Status.PRODUCED and r.product]
    in_place = [r.product for r in results if r.status is Status.SKIPPED and r.product and r.product.is_complete]
    # Made by a run that never came to its end, or before there was a table.
    adopted = [product for product in in_place if product.scene not in committed and product.item]
    if entries := entries_of(plan, [*produced, *adopted]):
        commit_items(outputs, plan["pipeline"], entries)
    commit(
        outputs,
        pipeline=plan["pipeline"],
        description=description,
        produced=produced,
        in_place=[product for product in in_place if product.item],
        replaced={name for entry in entries for name in entry.replaces},
    )


def _took(plan: dict[str, Any], results: Sequence[SceneResult], jobs: Sequence[dict[str, Any]]) -> Took | None:
    """What the run's jobs took for what they produced; None where that says nothing of the next run."""
    sizes = [r.decision.get("bytes") for r in results if r.status is Status.PRODUCED]
    timed = [job for job in jobs if job["seconds"] and job["instance_count"]]
    if not sizes or not timed or any(job["status"] != "Completed" for job in jobs):
        return None
    return Took(
        run_id=plan["run_id"],
        instance_type=timed[0]["instance_type"],
        scenes=len(sizes),
        bytes=sum(size or 0 for size in sizes) if all(sizes) else None,
        instance_seconds=round(sum(job["seconds"] * job["instance_count"] for job in timed), 1),
    )


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
