"""How far a run is, looked at again and again: by what its batches left and what those at work have written.

A plan of 100,000 scenes has tens of MB, and its products hundreds of thousands of keys. So of the plan only its head
is read; a batch that has its result is counted by that, once; and products are looked for where a batch is at work.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from geocadence.bucket import PARALLEL
from geocadence.close.batch import read_produced
from geocadence.close.jobs import list_jobs, read_jobs
from geocadence.instants import parse_instant
from geocadence.layout import RunLayout, job_name_prefix, month_folder, product_item
from geocadence.plan.slices import read_slice
from geocadence.source_kinds import has_scenes
from geocadence.target import Target
from geocadence.waiting import WAITING_FOR_CAPACITY, Pause, pauses

RUNNING = ("RUNNING", "PENDING_REDRIVE")


@dataclass(frozen=True)
class RunHandle:
    """A run that was started."""

    pipeline: str
    run_id: str
    execution_arn: str
    started_at: datetime


@dataclass(frozen=True)
class Progress:
    """How far a run is. `planned` is None until there is a plan, `produced` where products can't be told."""

    # Of the execution: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED; NOT_STARTED where there is none, nor a job.
    status: str
    planned: int | None = None
    produced: int | None = None
    failed: int = 0
    jobs: list[dict[str, Any]] = field(default_factory=list)
    batches: int = 0
    pauses: list[Pause] = field(default_factory=list)

    @property
    def phase(self) -> str:
        """What the run is at, in a word or two."""
        states = {job["status"] for job in self.jobs}
        if self.status not in RUNNING:
            return self.status.lower().replace("_", " ")
        if self.planned is None:
            return "planning"
        if not self.jobs:
            return "starting jobs" if self.planned else "closing"
        if "InProgress" not in states and self.pauses:
            return next((pause for pause in self.pauses if pause.is_for_capacity), self.pauses[0]).phase
        if "InProgress" not in states:
            has_more = len({job["batch"] for job in self.jobs}) < self.batches
            return "starting jobs" if has_more else "closing"
        return "processing" if any(job["started"] for job in self.jobs) else WAITING_FOR_CAPACITY


@dataclass
class _AtWork:
    """A batch that has no result yet: the keys of the Items that its job is to write, by month, but for those found."""

    since: datetime
    waiting: dict[str, set[str]]
    produced: int = 0


class RunWatch:
    """Looks at a run again and again; what can't change any more is looked at once."""

    def __init__(self, target: Target, run: RunHandle) -> None:
        self._target, self._run = target, run
        self._layout = RunLayout(run.pipeline, run.run_id)
        self._closed: dict[int, int] = {}  # batch → produced
        self._at_work: dict[int, _AtWork] = {}

    def look(self) -> tuple[Progress, dict[str, Any]]:
        """How far it is, and DescribeExecution's answer; {} where no execution stands behind it, as with `submit`."""
        target, run = self._target, self._run
        try:
            answer = target.client("stepfunctions").describe_execution(executionArn=run.execution_arn)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
                raise
            answer = {}
        plan = target.inputs.read_head(self._layout.plan)
        if plan is None:
            return Progress(answer.get("status") or _status_by([])), answer
        # Without an execution its jobs alone say what a run is at: who may not read them is told so, not "not started".
        read = read_jobs if answer else list_jobs
        jobs = read(target.client("sagemaker"), name_prefix=job_name_prefix(run.pipeline, run.execution_arn))
        status = answer.get("status") or _status_by(jobs)
        if not plan["batches"]:
            return Progress(status, 0, 0), answer
        is_of_scenes = has_scenes(plan["source"])
        record = target.outputs.read_head(self._layout.run_json) if status not in RUNNING else None
        if record is not None:
            produced = record["produced"] if is_of_scenes else None
            return Progress(status, plan["planned"], produced, record["failed"], jobs, plan["batches"]), answer
        failed = sum(1 for _ in target.outputs.listing(self._layout.failures))
        produced = self._produced({job["batch"] for job in jobs} - {None}) if is_of_scenes else None
        waits = pauses(jobs, now=datetime.now(UTC)) if answer.get("status") in RUNNING else []
        return Progress(status, plan["planned"], produced, failed, jobs, plan["batches"], waits), answer

    def _produced(self, started: set[int]) -> int | None:
        """How many scenes of the batches have an Item that was written since the plan; None where slices expired."""
        inputs = self._target.inputs
        results = {self._layout.batch_of_result(found.key) for found in inputs.listing(self._layout.results)}
        ended = [batch for batch in results if batch is not None and batch not in self._closed]
        with ThreadPoolExecutor(PARALLEL) as pool:
            read = pool.map(lambda batch: read_produced(inputs, self._layout, batch), ended)
            self._closed.update(zip(ended, read, strict=True))
        at_work = started - self._closed.keys()
        try:
            self._at_work = {batch: self._at_work.get(batch) or self._begun(batch) for batch in at_work}
        except FileNotFoundError:
            return None
        self._find()
        return sum(self._closed.values()) + sum(batch.produced for batch in self._at_work.values())

    def _begun(self, batch: int) -> _AtWork:
        planned = read_slice(self._target.inputs, self._layout, batch)
        waiting: dict[str, set[str]] = defaultdict(set)
        for decision in planned.decisions():
            instant = parse_instant(decision["datetime"])
            key = product_item(self._layout.pipeline, decision["id"], instant)
            waiting[month_folder(self._layout.pipeline, instant)].add(key)
        return _AtWork(planned.planned_at, dict(waiting))

    def _find(self) -> None:
        """Take note of what the batches at work have written."""
        for month in {month for batch in self._at_work.values() for month, keys in batch.waiting.items() if keys}:
            batches = [batch for batch in self._at_work.values() if batch.waiting.get(month)]
            for found in self._target.outputs.listing(month):
                for batch in batches:
                    if found.key in batch.waiting[month] and found.modified >= batch.since:
                        batch.waiting[month].discard(found.key)
                        batch.produced += 1


def _status_by(jobs: list[dict[str, Any]]) -> str:
    """An execution's status by the last of the jobs alone."""
    ended = {"Completed": "SUCCEEDED", "Failed": "FAILED", "Stopped": "ABORTED"}
    return ended.get(jobs[-1]["status"], "RUNNING") if jobs else "NOT_STARTED"
