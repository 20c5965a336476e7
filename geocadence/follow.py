"""A run from outside: start it, follow it to its end, fetch what it made."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from geocadence.bucket import PARALLEL, Bucket
from geocadence.close.jobs import batch_of
from geocadence.instants import parse_instant
from geocadence.layout import RunLayout, collection_key, run_id_of
from geocadence.progress import RUNNING, Progress, RunHandle, RunWatch
from geocadence.report.page import render_report
from geocadence.target import Target, TargetError
from geocadence.undeployed import not_deployed

GOOD_OUTCOMES = ("complete", "empty")
# A run's id begins with the time of its start: 20261122T060000Z.
_TIME = 16
_MISSING = ("StateMachineDoesNotExist", "ExecutionDoesNotExist", "InvalidArn")


@dataclass(frozen=True)
class Finished:
    """The end of a run. `output` is the execution's output, or what the record tells where it failed."""

    run: RunHandle
    status: str
    output: dict[str, Any]
    error: str = ""
    cause: str = ""
    jobs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return self.status == "SUCCEEDED" and self.output.get("outcome") in GOOD_OUTCOMES


def start(target: Target, pipeline: str, execution_input: dict[str, Any] | None = None) -> RunHandle:
    """Start an execution; TargetError where the pipeline is not deployed."""
    name = f"cli-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    try:
        answer = target.client("stepfunctions").start_execution(
            stateMachineArn=target.state_machine_arn(pipeline), name=name, input=json.dumps(execution_input or {})
        )
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            raise not_deployed(target, pipeline) from error
        raise TargetError(f"the execution could not be started: {error}") from error
    return handle(target, answer["executionArn"])


def handle(target: Target, execution_arn: str) -> RunHandle:
    """The run of an execution."""
    try:
        answer = target.client("stepfunctions").describe_execution(executionArn=execution_arn)
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            raise TargetError(f"there is no execution {execution_arn}") from error
        raise TargetError(f"the execution can't be read: {error}") from error
    started_at = answer["startDate"].astimezone(UTC)
    run_id = run_id_of(execution_arn, started_at)
    return RunHandle(target.pipeline_of(execution_arn), run_id, execution_arn, started_at)


def find_run(target: Target, run: str) -> RunHandle:
    """The run with an id (or an execution's ARN, or the name of one of its jobs), whatever its pipeline."""
    if run.startswith("arn:"):
        return handle(target, run)
    if batch_of(run) is not None:
        return find_run(target, _run_of_job(target, run))
    try:
        pages = target.client("s3").get_paginator("list_objects_v2").paginate(Bucket=target.inputs.name, Delimiter="/")
        for page in pages:
            for prefix in page.get("CommonPrefixes", []):
                plan = target.inputs.read_head(RunLayout(prefix["Prefix"].rstrip("/"), run).plan)
                if plan is not None:
                    return RunHandle(plan["pipeline"], run, plan["execution_arn"], parse_instant(plan["started_at"]))
    except ClientError as error:
        raise TargetError(f"the stage {target.stage} can't be read: {error}") from error
    found = _without_plan(target, run)
    if found is None:
        raise TargetError(
            f"stage {target.stage} knows no run {run} (`.venv/bin/geocadence status{target.flags}` lists the latest)"
        )
    return found


def _run_of_job(target: Target, name: str) -> str:
    try:
        job = target.client("sagemaker").describe_processing_job(ProcessingJobName=name)
    except ClientError as error:
        raise TargetError(f"the job {name} can't be looked up: {error}") from error
    run = job.get("Environment", {}).get("GEOCADENCE_RUN_ID")
    if run is None:
        raise TargetError(f"the job {name} is of no run: Geocadence did not start it")
    return run


def _without_plan(target: Target, run: str) -> RunHandle | None:
    """A run that is still planning, or was refused: known by its execution alone."""
    listing = target.client("stepfunctions").get_paginator("list_executions")
    for pipeline, machine in target.state_machines().items():
        pages = listing.paginate(stateMachineArn=machine)
        for execution in (each for page in pages for each in page["executions"]):  # the newest first
            started_at = execution["startDate"].astimezone(UTC)
            run_id = run_id_of(execution["executionArn"], started_at)
            if run_id == run:
                return RunHandle(pipeline, run, execution["executionArn"], started_at)
            if run_id[:_TIME] < run[:_TIME]:
                break
    return None


def follow(
    target: Target,
    run: RunHandle,
    *,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    poll_seconds: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Finished:
    """Look at the run until it has ended."""
    poll_seconds = poll_seconds if poll_seconds is not None else (0.5 if target.is_local else 5.0)
    watch = RunWatch(target, run)
    while True:
        progress, answer = watch.look()
        on_progress(progress)
        if progress.status not in RUNNING:
            output = output_of(target, run, answer)
            return Finished(
                run, progress.status, output, answer.get("error", ""), answer.get("cause", ""), progress.jobs
            )
        sleep(poll_seconds)


def fetch_run(target: Target, run: RunHandle, *, out: Path) -> Path:
    """The run under `out/<run-id>/`: run.json, report.html, and its scenes' products with their collection.

    The layout is the pipeline's, so that links between Items and collection hold; the local
    collection links only to the Items that are there. Returns the folder.
    """
    layout = RunLayout(run.pipeline, run.run_id)
    record = target.outputs.read_json(layout.run_json)
    if record is None:
        raise TargetError(f"the run {run.run_id} left no run.json: it ended before its report was written")
    folder = out / run.run_id
    folder.mkdir(parents=True, exist_ok=True)
    items = [scene["product"]["item"] for scene in record["scenes"] if "product" in scene]
    if items:
        prefixes = [f"{run.pipeline}/{item.rpartition('/')[0]}/" for item in items]
        _download(target.outputs, prefixes, run.pipeline, folder)
    elif record["source"]["kind"] in ("prefix", "manifest") and record["batches"]:
        since = parse_instant(record["planned_at"]).replace(microsecond=0)
        runs = f"{run.pipeline}/runs/"
        new = [f.key for f in target.outputs.listing(f"{run.pipeline}/") if f.modified >= since]
        _download_keys(target.outputs, [key for key in new if not key.startswith(runs)], run.pipeline, folder)
    collection = target.outputs.read_json(collection_key(run.pipeline))
    if collection is not None:
        here = {f"./{item}" for item in items}
        collection["links"] = [k for k in collection["links"] if k["rel"] != "item" or k["href"] in here]
        # The table is of all runs, and not here.
        collection.pop("assets", None)
        _write(folder / "collection.json", json.dumps(collection, indent=2))
    _write(folder / "run.json", json.dumps(record, indent=2))
    _write(folder / "report.html", render_report(record, record["scenes"], pipeline_folder=""))
    return folder


def output_of(target: Target, run: RunHandle, answer: dict[str, Any]) -> dict[str, Any]:
    """The output of an ended execution by DescribeExecution's answer, or what the record tells where it failed."""
    if answer.get("output"):
        output = json.loads(answer["output"])
        if isinstance(output, dict) and "outcome" in output:
            return output
    layout = RunLayout(run.pipeline, run.run_id)
    record = target.outputs.read_head(layout.run_json)
    if record is None:
        return {"run_id": run.run_id}
    keys = ("run_id", "outcome", "planned", "produced", "skipped", "failed")
    return {key: record[key] for key in keys} | {"report": target.outputs.uri(layout.report)}


def _download(bucket: Bucket, prefixes: list[str], pipeline: str, folder: Path) -> None:
    with ThreadPoolExecutor(PARALLEL) as pool:
        keys = pool.map(lambda prefix: [found.key for found in bucket.listing(prefix)], prefixes)
        _download_keys(bucket, [key for found in keys for key in found], pipeline, folder)


def _download_keys(bucket: Bucket, keys: Iterable[str], pipeline: str, folder: Path) -> None:
    def one(key: str) -> None:
        path = folder / key.removeprefix(f"{pipeline}/")
        # S3 keys may hold "..", which a folder must not follow.
        if path.resolve().is_relative_to(folder.resolve()) and not key.endswith("/"):
            bucket.download(key, path)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, keys))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
