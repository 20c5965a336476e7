"""CloseRun: put the batches' results together, commit the catalogue, write record and report.

Also reached after jobs failed, timed out or were stopped: what was finished counts. Closing a run
again gives the same answer, also while another close of it is at work: a claim is taken back when everything is
written, so where it is gone and there is a record, that is the answer. A run whose claim went to another while it was
stopped commits nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from geocadence.bucket import Bucket
from geocadence.close.jobs import failure_by_batch
from geocadence.close.reconcile import Outcome, as_failure, outcome_of_objects, outcome_of_scenes
from geocadence.close.record import failure_entry, run_record
from geocadence.close.scenes import Made, close_scenes
from geocadence.garbage import rarely_collected
from geocadence.layout import RunLayout
from geocadence.long_json import read_entries, read_head, write_long
from geocadence.plan.claims import ClaimGone, is_entered, leave
from geocadence.plan.estimate import OBJECT, SCENE, Took, remember
from geocadence.report.page import render_report
from geocadence.source_kinds import has_scenes


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
    """The output of the execution, and why a job failed; everything it stands on is written by then."""
    layout = RunLayout(definition["name"], ending.run_id)
    with tempfile.TemporaryDirectory() as scratch, rarely_collected():
        folder = Path(scratch)
        path = folder / "plan.json"
        if inputs.fetch(layout.plan, path) is None:
            raise FileNotFoundError(f"{inputs.uri(layout.plan)} is not there: PlanRun writes it before any job starts")
        plan = read_head(path)
        superseded = ""
        if plan.get("claims") and not is_entered(inputs, layout.pipeline, ending.run_id):
            if (closed := outputs.read_head(layout.run_json)) is not None:
                return _answer(closed, outputs, layout)
            superseded = str(ClaimGone(ending.run_id))
        jobs = list(read_jobs()) if ending.jobs else []
        if has_scenes(plan["source"]):
            close = partial(
                close_scenes,
                layout,
                plan,
                partial(read_entries, path),
                folder,
                inputs=inputs,
                outputs=outputs,
                description=definition["description"],
                region=region,
                run_failure=ending.failure,
                job_failures=failure_by_batch(jobs),
            )
            try:
                made, entries = close(superseded=superseded)
            except ClaimGone as gone:
                # Another close of this run was faster (a call whose answer got lost is made again), or the execution
                # was stopped, which stops no function.
                if (closed := outputs.read_head(layout.run_json)) is not None:
                    return _answer(closed, outputs, layout)
                made, entries = close(superseded=str(gone))
            outcome, numbers = outcome_of_scenes(produced=made.produced, lost=made.lost), _scene_numbers(plan, made)
            others = _failures(outputs, layout, region=region, but=made.known)
        else:
            made, entries = Made(ending.failure), folder / "none"
            entries.touch()
            others = _failures(outputs, layout, region=region)
            outcome, numbers = _close_objects(ending, plan, inputs, outputs, layout, failures=len(others))
        record = run_record(
            plan=plan,
            definition=definition,
            stage=stage,
            region=region,
            outcome=outcome,
            numbers=numbers,
            jobs=jobs,
            failure=made.failure,
            other_failures=others,
            closed_at=clock(),
        )
        _write_record(record, entries, folder / "run.json", layout, outputs)
    if took := _took(plan, made, jobs, outcome):
        remember(outputs, layout.pipeline, took)
    leave(inputs, layout.pipeline, ending.run_id)
    return _answer(record, outputs, layout)


def _answer(record: dict[str, Any], outputs: Bucket, layout: RunLayout) -> dict[str, Any]:
    told = ("run_id", "outcome", "planned", "produced", "skipped", "failed", "failure")
    return {**{key: record[key] for key in told}, "report": outputs.uri(layout.report)}


def _write_record(record: dict[str, Any], entries: Path, path: Path, layout: RunLayout, outputs: Bucket) -> None:
    with entries.open(encoding="utf-8") as lines:
        write_long(path, record, "scenes", (line.rstrip("\n") for line in lines))
    page = render_report(record, read_entries(path))
    outputs.write(layout.report, page.encode(), content_type="text/html; charset=utf-8")
    outputs.write_file(layout.run_json, path, content_type="application/json")


def _failures(
    outputs: Bucket, layout: RunLayout, *, region: str | None, but: Collection[str] = ()
) -> list[dict[str, Any]]:
    """The failure files of a run that are not named after one of its scenes."""
    names = {
        found.key: found.key.removeprefix(layout.failures).removesuffix(".json")
        for found in outputs.listing(layout.failures)
    }
    files = outputs.read_many(key for key, name in names.items() if name not in but)
    told = (as_failure(body or b"", names[key]) for key, body in files.items())
    entry = partial(failure_entry, run=layout.run_id, region=region, of_scene=False)
    return [{"scene": scene, **entry(failure)} for scene, failure in told]


def _took(plan: dict[str, Any], made: Made, jobs: Sequence[dict[str, Any]], outcome: Outcome) -> Took | None:
    """What the run's jobs took for what they produced; None where that says nothing of the next run."""
    timed = [job for job in jobs if job["seconds"] and job["instance_count"]]
    if has_scenes(plan["source"]):
        of, done = SCENE, len(made.sizes)
        size = sum(size or 0 for size in made.sizes) if all(made.sizes) else None
    else:
        # Nobody knows which product is of which object: all of them count, or none.
        of, done = OBJECT, plan["planned"] if outcome is Outcome.COMPLETE else 0
        size = plan["estimate"]["bytes"]
    if not done or not timed or any(job["status"] != "Completed" for job in jobs):
        return None
    return Took(
        run_id=plan["run_id"],
        instance_type=timed[0]["instance_type"],
        scenes=done,
        bytes=size,
        instance_seconds=round(sum(job["seconds"] * job["instance_count"] for job in timed), 1),
        of=of,
        starts=sum(job["instance_count"] for job in timed),
    )


def _scene_numbers(plan: dict[str, Any], made: Made) -> dict[str, int]:
    return {
        "planned": plan["planned"],
        "produced": made.produced,
        "skipped": made.counts["skipped"],
        "rejected": made.counts["rejected"],
        "failed": made.lost,
    }


def _close_objects(
    ending: Ending, plan: dict[str, Any], inputs: Bucket, outputs: Bucket, layout: RunLayout, *, failures: int
) -> tuple[Outcome, dict[str, int]]:
    pipeline, planned_at = layout.pipeline, inputs.modified(layout.plan)
    # The script names its products as it likes; whatever is new outside runs/ is one.
    produced = sum(
        1
        for found in outputs.listing(f"{pipeline}/")
        if not found.key.startswith(f"{pipeline}/runs/") and planned_at is not None and found.modified >= planned_at
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
