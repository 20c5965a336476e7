"""Runs from outside: started, followed and fetched on an emulated Step Functions and S3."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pystac
import pytest
from botocore.exceptions import ClientError

from geocadence import progress as progress_module
from geocadence.backfill_progress import find_backfill, start_backfill
from geocadence.close.closing import Ending, close_run
from geocadence.follow import fetch_run, find_run, follow, start
from geocadence.layout import job_name_prefix, run_id_of
from geocadence.plan.planning import Run, plan_run
from geocadence.progress import Progress, RunHandle, RunWatch
from geocadence.recent import recent_runs
from geocadence.run_logs import LOG_GROUP, read_logs
from geocadence.target import Target, TargetError
from tests.geocadence.conftest import REGION
from tests.geocadence.scenes import commit_product, definition, item, items_source, scene_id, sources_in

ACCOUNT = "000000000000"
OUTPUT = {
    "run_id": "r",
    "outcome": "complete",
    "planned": 2,
    "produced": 2,
    "skipped": 0,
    "failed": 0,
    "report": "s3://r",
}


@pytest.fixture
def target(aws_endpoint: str, s3: Any) -> Iterator[Target]:
    """A stage of its own with its buckets, on the emulator."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    stage = f"t{uuid.uuid4().hex[:8]}"
    target = Target(stage, REGION, ACCOUNT, is_local=False, session=session, settings={"endpoint_url": aws_endpoint})
    for bucket in (target.inputs, target.outputs):
        s3.create_bucket(Bucket=bucket.name, CreateBucketConfiguration={"LocationConstraint": REGION})
    yield target


def deploy(target: Target, *, last: dict[str, Any]) -> None:
    """A state machine in the pipeline's place that ends as `last` says."""
    target.client("stepfunctions").create_state_machine(
        name=f"{target.prefix}ndvi",
        definition=json.dumps({"StartAt": "End", "States": {"End": last}}),
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/any",
    )


def closed_run(target: Target, *, scenes: int = 2) -> RunHandle:
    """A run that was planned, produced and closed."""
    deploy(target, last={"Type": "Pass", "Result": OUTPUT, "End": True})
    run = start(target, "ndvi")
    resolved = definition(items=items_source([item(n) for n in range(scenes)]))
    plan_run(
        Run(run.run_id, run.execution_arn, run.started_at, {}),
        definition=resolved,
        inputs=target.inputs,
        outputs=target.outputs,
        sources=sources_in(target.inputs),
        quota_refusal=lambda wanted: None,
        clock=lambda: datetime.now(UTC),
    )
    for n in range(scenes):
        commit_product(target.outputs, n)
    close_run(
        Ending(run.run_id, run.execution_arn, "", jobs=1, jobs_failed=0, failure=""),
        definition=resolved,
        stage=target.stage,
        region=REGION,
        inputs=target.inputs,
        outputs=target.outputs,
        read_jobs=list,
        clock=lambda: datetime.now(UTC),
    )
    return run


def test_a_run_is_followed_to_its_output(target: Target) -> None:
    deploy(target, last={"Type": "Pass", "Result": OUTPUT, "End": True})
    seen: list[Progress] = []

    finished = follow(target, start(target, "ndvi"), on_progress=seen.append, poll_seconds=0.05)

    assert finished.is_good
    assert finished.output == OUTPUT
    assert seen[-1].phase == "succeeded"


def test_a_refused_run_ends_with_its_sentence(target: Target) -> None:
    deploy(target, last={"Type": "Fail", "Error": "InvalidInput", "Cause": "`scenes` is empty."})

    finished = follow(target, start(target, "ndvi", {"scenes": []}), poll_seconds=0.05)

    assert not finished.is_good
    assert (finished.status, finished.error, finished.cause) == ("FAILED", "InvalidInput", "`scenes` is empty.")


def test_a_pipeline_that_is_not_there_is_named_with_those_that_are(target: Target) -> None:
    for pipeline, there in (("ndvi", "none"), ("nvdi", "ndvi")):
        told = f"the pipeline {pipeline} is not deployed to stage {target.stage} in {REGION} of account {ACCOUNT} "
        with pytest.raises(TargetError, match=re.escape(f"{told}(there: {there}); ")):
            start(target, pipeline)
        deploy(target, last={"Type": "Succeed"})


def test_progress_counts_products_of_this_run(target: Target) -> None:
    run = closed_run(target, scenes=3)
    seen: list[Progress] = []

    follow(target, run, on_progress=seen.append, poll_seconds=0.05)

    assert (seen[-1].planned, seen[-1].produced, seen[-1].failed) == (3, 3, 0)


def test_a_run_is_found_by_its_id_and_by_its_executions_arn(target: Target) -> None:
    run = closed_run(target)

    assert find_run(target, run.run_id).execution_arn == run.execution_arn
    assert find_run(target, run.execution_arn).run_id == run.run_id
    with pytest.raises(TargetError, match="knows no run 20000101T000000Z-00000000"):
        find_run(target, "20000101T000000Z-00000000")


def test_a_run_that_was_refused_is_found_by_its_id(target: Target) -> None:
    deploy(target, last={"Type": "Fail", "Error": "InvalidInput", "Cause": "`scenes` is empty."})
    refused, other = start(target, "ndvi"), start(target, "ndvi")

    assert find_run(target, refused.run_id) == refused
    assert find_run(target, other.run_id) == other
    with pytest.raises(TargetError, match="knows no run"):
        find_run(target, refused.run_id[:-8] + "00000000")


def test_the_latest_runs_of_the_stage_are_listed(target: Target) -> None:
    run = closed_run(target)

    (found,) = recent_runs(target)

    assert (found["pipeline"], found["run_id"]) == ("ndvi", run.run_id)


def test_a_fetched_run_holds_together_on_disk(target: Target, tmp_path: Path) -> None:
    run = closed_run(target)
    commit_product(target.outputs, 9)  # another run's: linked by the bucket's collection only

    folder = fetch_run(target, run, out=tmp_path)

    assert folder == tmp_path / run.run_id
    collection = pystac.Collection.from_file(str(folder / "collection.json"))
    items = list(collection.get_items())
    assert sorted(each.id for each in items) == [scene_id(0), scene_id(1)]
    assert all(
        Path(asset.get_absolute_href() or "").is_file()
        for each in [collection, *items]
        for asset in each.assets.values()
    )
    page = (folder / "report.html").read_text()
    assert f'src="2026/11/{scene_id(0)}/{scene_id(0)}_preview.png"' in page
    assert json.loads((folder / "run.json").read_text())["outcome"] == "complete"


@pytest.mark.parametrize(
    ("status", "phase"), [("InProgress", "waiting for capacity"), ("Completed", "succeeded"), ("Failed", "failed")]
)
def test_a_submitted_job_behind_which_no_execution_stands_is_told_by_its_own_status(
    target: Target, monkeypatch: pytest.MonkeyPatch, status: str, phase: str
) -> None:
    deploy(target, last={"Type": "Pass", "Result": OUTPUT, "End": True})
    arn = target.state_machine_arn("ndvi").replace(":stateMachine:", ":execution:") + ":submit-20261126T120000Z-0a1b2c"
    started = datetime.now(UTC).replace(microsecond=0)
    plan_run(
        Run(run_id_of(arn, started), arn, started, {}),
        definition=definition(items=items_source([item(0)])),
        inputs=target.inputs,
        outputs=target.outputs,
        sources=sources_in(target.inputs),
        quota_refusal=lambda wanted: None,
        clock=lambda: datetime.now(UTC),
    )
    found = find_run(target, run_id_of(arn, started))
    # The emulator has no SageMaker.
    monkeypatch.setattr(progress_module, "list_jobs", lambda client, name_prefix: [])
    assert RunWatch(target, found).look()[0].phase == "not started"
    job = {"status": status, "started": None, "batch": 0}
    monkeypatch.setattr(progress_module, "list_jobs", lambda client, name_prefix: [job])

    progress, answer = RunWatch(target, found).look()

    assert (progress.phase, progress.planned, answer) == (phase, 1, {})


def test_a_run_is_found_by_the_name_of_one_of_its_jobs(target: Target) -> None:
    run = closed_run(target)
    name = job_name_prefix("ndvi", run.execution_arn) + "1-10-0"

    class SageMaker:
        def describe_processing_job(self, *, ProcessingJobName: str) -> dict[str, Any]:
            if ProcessingJobName != name:
                error = {"Code": "ValidationException", "Message": "Could not find requested job"}
                raise ClientError({"Error": error}, "DescribeProcessingJob")
            return described

    described = {"Environment": {"GEOCADENCE_RUN_ID": run.run_id}}
    target._clients["sagemaker"] = SageMaker()
    assert find_run(target, name) == run
    described = {}
    with pytest.raises(TargetError, match=r"the job .*-1-10-0 is of no run: Geocadence did not start it"):
        find_run(target, name)
    with pytest.raises(TargetError, match=r"the job .*-2-0-0 can't be looked up: .* Could not find requested job"):
        find_run(target, name.replace("-1-10-0", "-2-0-0"))


def test_the_logs_of_a_run_are_those_of_its_jobs_alone(target: Target) -> None:
    deploy(target, last={"Type": "Pass", "Result": OUTPUT, "End": True})
    run = start(target, "ndvi")
    logs = target.client("logs")
    assert list(read_logs(target, run)) == []
    now = int(datetime.now(UTC).timestamp() * 1000)
    logs.create_log_group(logGroupName=LOG_GROUP)
    job = job_name_prefix("ndvi", run.execution_arn) + "0-0-0"
    for n, stream in enumerate((f"{job}/algo-2-1", f"{job}/algo-1-1", "another-job/algo-1-1")):
        logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream)
        events = [{"timestamp": now + 10 * n, "message": f"line {n}"}]
        logs.put_log_events(logGroupName=LOG_GROUP, logStreamName=stream, logEvents=events)

    lines = [(line["stream"], line["message"]) for line in read_logs(target, run)]

    assert lines == [(f"{job}/algo-2-1", "line 0"), (f"{job}/algo-1-1", "line 1")]


DONE = {"status": "Completed", "started": "t", "batch": 0}


@pytest.mark.parametrize(
    ("progress", "phase"),
    [
        (Progress("RUNNING"), "planning"),
        (Progress("RUNNING", 3, 0), "starting jobs"),
        (Progress("RUNNING", 0, 0), "closing"),
        (Progress("RUNNING", 3, 0, jobs=[{"status": "InProgress", "started": None}]), "waiting for capacity"),
        (Progress("RUNNING", 3, 1, jobs=[{"status": "InProgress", "started": "t"}]), "processing"),
        (Progress("RUNNING", 3, 3, jobs=[{"status": "Completed", "started": "t", "batch": 0}]), "closing"),
        (Progress("RUNNING", 9, 3, jobs=[DONE, DONE | {"batch": 1}], batches=3), "starting jobs"),
        (Progress("RUNNING", 9, 3, jobs=[DONE, DONE | {"status": "Failed"}], batches=2), "starting jobs"),
        (Progress("RUNNING", 9, 3, jobs=[DONE, DONE | {"batch": 1}], batches=2), "closing"),
        (Progress("TIMED_OUT", 3, 3), "timed out"),
    ],
)
def test_the_phase_is_told_in_words(progress: Progress, phase: str) -> None:
    assert progress.phase == phase


def test_the_machine_of_backfills_is_the_pipelines_and_no_pipeline_of_its_own(target: Target) -> None:
    states = target.client("stepfunctions")
    deploy(target, last={"Type": "Succeed"})
    role = f"arn:aws:iam::{ACCOUNT}:role/any"
    ending = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    machine = states.create_state_machine(name=f"{target.prefix}ndvi_backfill", definition=ending, roleArn=role)

    assert list(target.state_machines()) == ["ndvi"]
    assert target.backfill_machines() == {"ndvi": machine["stateMachineArn"]}
    assert target.backfill_machine_arn("ndvi") == machine["stateMachineArn"]

    run = start(target, "ndvi")
    asked = {"start": "2026-01-01", "end": "2026-02-01"}
    found, _ = start_backfill(target, "ndvi", asked)
    assert (found.pipeline, found.asked) == ("ndvi", asked)
    assert [target.is_backfill(each.execution_arn) for each in (found, run)] == [True, False]
    assert find_backfill(target, found.name) == find_backfill(target, found.execution_arn) == found
    assert find_backfill(target, run.run_id) is find_backfill(target, run.execution_arn) is None
    kinds = {each["run_id"]: each["kind"] for each in recent_runs(target)}
    assert kinds == {run.run_id: "run", found.name: "backfill"}


def test_a_pipeline_without_backfills_is_told_from_one_that_is_not_there(target: Target) -> None:
    deploy(target, last={"Type": "Succeed"})
    with pytest.raises(TargetError, match="the pipeline ndvi has no backfills: its source has no scenes"):
        start_backfill(target, "ndvi", {"start": "2026-01-01"})
    with pytest.raises(TargetError, match="the pipeline evi is not deployed"):
        start_backfill(target, "evi", {"start": "2026-01-01"})


def test_asked_again_while_it_runs_the_same_backfill_is_found(target: Target) -> None:
    definition = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}
    target.client("stepfunctions").create_state_machine(
        name=f"{target.prefix}ndvi_backfill",
        definition=json.dumps(definition),
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/any",
    )
    first, was_running = start_backfill(target, "ndvi", {"start": "2026-01-01"})
    again, is_running = start_backfill(target, "ndvi", {"start": "2026-01-01"})
    other, _ = start_backfill(target, "ndvi", {"start": "2026-01-02"})
    assert (was_running, is_running, again) == (False, True, first)
    assert other.name != first.name
