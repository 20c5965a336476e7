"""A backfill from outside: start it, look how far its windows are, add up what it would take."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from geocadence.backfill import read_backfill
from geocadence.execution_input import InvalidInput
from geocadence.follow import output_of
from geocadence.layout import RunLayout, backfill_run_name, is_run_id, run_id_of
from geocadence.plan.decision import TAKEN
from geocadence.progress import RUNNING, RunHandle, RunWatch
from geocadence.target import Target, TargetError
from geocadence.undeployed import not_deployed

_MISSING = ("StateMachineDoesNotExist", "ExecutionDoesNotExist", "InvalidArn")
DONE = ("complete", "partial", "empty", "failed")  # what a window can end as
# Of a run that ended without saying why.
_WHY = {"ABORTED": "its run was aborted", "TIMED_OUT": "its run took too long"}


@dataclass(frozen=True)
class BackfillHandle:
    """A backfill that was started. `name` is its execution's; `asked` its input."""

    pipeline: str
    name: str
    execution_arn: str
    started_at: datetime
    asked: Any


@dataclass(frozen=True)
class WindowState:
    """How far a window is: `waiting` (at the end `not started`), `running`, or the outcome of its run."""

    start: str
    end: str
    state: str = "waiting"
    run: RunHandle | None = None
    planned: int = 0
    produced: int = 0
    failed: int = 0
    reason: str = ""


@dataclass(frozen=True)
class BackfillProgress:
    """How far a backfill is, window by window; `cause` is the sentence that it failed with."""

    status: str  # of the execution: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED
    windows: list[WindowState]
    cause: str = ""

    def count(self, *states: str) -> int:
        return sum(1 for window in self.windows if window.state in states)

    @property
    def is_running(self) -> bool:
        return self.status in RUNNING

    @property
    def is_good(self) -> bool:
        return self.status == "SUCCEEDED" and not self.count("partial", "failed", "not started")


@dataclass(frozen=True)
class Totals:
    """What the windows of a dry run would take together. `cost_usd` is None where a price is not known."""

    scenes: int
    counts: dict[str, int]
    bytes: int | None
    instance_hours: float
    cost_usd: float | None
    refused: tuple[str, ...] = ()  # why windows' runs would be refused, for limits that they are above


def start_backfill(target: Target, pipeline: str, asked: dict[str, Any]) -> tuple[BackfillHandle, bool]:
    """The backfill that does what is asked, and whether it was running already; TargetError where there can't be one.

    A second one of the same windows would do no harm, but nobody who asks again wants one.
    """
    states, machine = target.client("stepfunctions"), target.backfill_machine_arn(pipeline)
    name = f"backfill-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    try:
        for execution in states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]:
            found = backfill_handle(target, execution["executionArn"])
            if found.asked == asked:
                return found, True
        answer = states.start_execution(stateMachineArn=machine, name=name, input=json.dumps(asked))
    except ClientError as error:
        if error.response["Error"]["Code"] not in _MISSING:
            raise TargetError(f"the backfill could not be started: {error}") from error
        if pipeline not in target.state_machines():
            raise not_deployed(target, pipeline) from error
        raise TargetError(
            f"the pipeline {pipeline} has no backfills: its source has no scenes, which have a time "
            "(if its definition says stac or items, deploy it again)"
        ) from error
    return backfill_handle(target, answer["executionArn"]), False


def backfill_handle(target: Target, execution_arn: str) -> BackfillHandle:
    """The backfill of an execution; botocore's ClientError where there is none."""
    answer = target.client("stepfunctions").describe_execution(executionArn=execution_arn)
    return BackfillHandle(
        target.pipeline_of(execution_arn),
        answer["name"],
        execution_arn,
        answer["startDate"].astimezone(UTC),
        json.loads(answer.get("input") or "{}"),
    )


def find_backfill(target: Target, name: str) -> BackfillHandle | None:
    """The backfill with an execution's name (or ARN), whatever its pipeline."""
    is_arn = name.startswith("arn:")
    if is_run_id(name) or (is_arn and not target.is_backfill(name)):
        return None
    machines = target.backfill_machines().values() if not is_arn else ()
    for arn in [name] if is_arn else [f"{each.replace(':stateMachine:', ':execution:')}:{name}" for each in machines]:
        try:
            return backfill_handle(target, arn)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
    return None


class BackfillWatch:
    """Looks at a backfill again and again; windows that have ended are looked at once."""

    def __init__(self, target: Target, backfill: BackfillHandle) -> None:
        self._target = target
        self._backfill = backfill
        try:
            self._windows = read_backfill(backfill.asked, started_at=backfill.started_at).windows
        except InvalidInput:  # typed into the console; the execution says what is wrong
            self._windows = []
        self._ended: dict[str, WindowState] = {}
        self._runs_at_work: dict[str, RunWatch] = {}

    def look(self) -> BackfillProgress:
        answer = self._target.client("stepfunctions").describe_execution(executionArn=self._backfill.execution_arn)
        runs = self._runs()
        windows = [self._window(each, runs) for each in self._windows]
        if answer["status"] not in RUNNING:
            windows = [replace(each, state="not started") if each.state == "waiting" else each for each in windows]
        return BackfillProgress(answer["status"], windows, answer.get("cause", ""))

    def follow(
        self,
        *,
        on_progress: Callable[[BackfillProgress], None] = lambda progress: None,
        poll_seconds: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> BackfillProgress:
        """Look until it has ended."""
        pause = poll_seconds if poll_seconds is not None else (0.5 if self._target.is_local else 10.0)
        while True:
            progress = self.look()
            on_progress(progress)
            if not progress.is_running:
                return progress
            sleep(pause)

    def _window(self, window: dict[str, str], runs: dict[str, dict[str, Any]]) -> WindowState:
        name = backfill_run_name(self._backfill.execution_arn, window["start"])
        if (execution := runs.get(name)) is None:
            return WindowState(**window)
        arn = execution["executionArn"]
        if arn not in self._ended:
            started = execution["startDate"].astimezone(UTC)
            run = RunHandle(self._backfill.pipeline, run_id_of(arn, started), arn, started)
            if execution["status"] in RUNNING:
                numbers = _numbers(self._runs_at_work.setdefault(arn, RunWatch(self._target, run)))
                return WindowState(**window, state="running", run=run, **numbers)
            self._ended[arn] = self._end(window, run, execution["status"])
        return self._ended[arn]

    def _end(self, window: dict[str, str], run: RunHandle, status: str) -> WindowState:
        answer = self._target.client("stepfunctions").describe_execution(executionArn=run.execution_arn)
        output = output_of(self._target, run, answer)
        numbers = {key: output.get(key, 0) for key in ("planned", "produced", "failed")}
        if "outcome" not in output:  # it came to no close, and what it made is there all the same
            numbers = _numbers(RunWatch(self._target, run))
        state = output.get("outcome", "failed") if status == "SUCCEEDED" else "failed"
        reason = answer.get("cause") or _WHY.get(status, "")
        return WindowState(**window, state=state, run=run, reason=reason, **numbers)

    def _runs(self) -> dict[str, dict[str, Any]]:
        """The executions of the backfill's runs, by their names without the count of redrives: the latest counts."""
        machine = self._target.state_machine_arn(self._backfill.pipeline)
        pages = self._target.client("stepfunctions").get_paginator("list_executions").paginate(stateMachineArn=machine)
        found: dict[str, dict[str, Any]] = {}
        prefix = backfill_run_name(self._backfill.execution_arn, "")
        for page in pages:
            recent = [e for e in page["executions"] if e["startDate"].astimezone(UTC) >= self._backfill.started_at]
            for execution in recent:
                if execution["name"].startswith(prefix):
                    name = execution["name"].rpartition("-")[0]
                    if name not in found or found[name]["startDate"] < execution["startDate"]:
                        found[name] = execution
            # They come newest first: nothing of this backfill is behind a page without any that is younger than it.
            if not recent:
                break
        return found


def _numbers(watch: RunWatch) -> dict[str, int]:
    """Of a run without an output: what is there by now."""
    at, _ = watch.look()
    return {"planned": at.planned or 0, "produced": at.produced or 0, "failed": at.failed}


def totals(target: Target, progress: BackfillProgress) -> Totals:
    """The plans of a dry run's windows, added up.

    What an earlier window would have taken counts there only: a composite is in each window that it lasts into.
    """
    scenes, hours, cost, size = 0, 0.0, 0.0, 0.0
    is_price_known = is_size_known = True
    counts: Counter[str] = Counter()
    refused = []
    known: set[tuple[str, str]] = set()
    for plan in _plans(target, progress):
        refused += [plan["refusal"]] if plan.get("refusal") else []
        decided = [(decision["id"], decision["decision"]) for decision in plan["decisions"]]
        repeated = Counter(verdict for scene, verdict in decided if (scene, verdict) in known)
        known.update(decided)
        taken = plan["planned"] - sum(repeated[verdict] for verdict in TAKEN)
        scenes += taken
        counts.update({verdict: number - repeated[verdict] for verdict, number in plan["counts"].items()})
        if (expected := plan.get("estimate")) and taken:
            share = taken / plan["planned"]
            hours += expected["instance_hours"] * share
            cost += (expected["cost_usd"] or 0) * share
            size += (expected["bytes"] or 0) * share
            is_price_known &= expected["cost_usd"] is not None
            is_size_known &= expected["bytes"] is not None
    return Totals(
        scenes,
        dict(counts),
        round(size) if is_size_known else None,
        round(hours, 3),
        round(cost, 2) if is_price_known else None,
        tuple(refused),
    )


def _plans(target: Target, progress: BackfillProgress) -> Iterator[dict[str, Any]]:
    for window in progress.windows:
        if window.run is not None:
            plan = target.inputs.read_json(RunLayout(window.run.pipeline, window.run.run_id).plan)
            if plan is not None:
                yield plan
