"""The three ways in: the schedule, the console's Start execution, the command lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.end_to_end.conftest import ROOT, STAGE, Deployed, geocadence

BIN = ROOT / ".venv" / "bin"


def test_start_execution_with_an_empty_input_processes_every_scene_once(deployed: Deployed):
    first = deployed.run("e2e-scenes")
    assert first["status"] == "SUCCEEDED", first.get("cause")
    output = first["output"]
    assert set(output) == {"run_id", "outcome", "planned", "produced", "skipped", "failed", "report"}
    assert output["produced"] + output["skipped"] == len(deployed.items)

    again = deployed.run("e2e-scenes")["output"]
    assert again["outcome"] == "empty"
    assert (again["planned"], again["produced"], again["skipped"]) == (0, 0, len(deployed.items))
    assert not deployed.jobs(job_mark(again["run_id"])), "nothing to do, and yet a job was started"


def test_overrides_narrow_the_run_and_recompute_on_request(deployed: Deployed):
    scene = deployed.items[2]["id"]
    text = json.dumps({"scenes": [scene], "recompute": True, "instance_count": 1})
    output = deployed.run("e2e-scenes", text)["output"]
    assert (output["outcome"], output["planned"], output["produced"]) == ("complete", 1, 1)
    (job,) = deployed.jobs(job_mark(output["run_id"]))
    described = boto3.client("sagemaker").describe_processing_job(ProcessingJobName=job["ProcessingJobName"])
    assert described["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 1


def test_a_dry_run_plans_and_starts_no_job(deployed: Deployed):
    output = deployed.run("e2e-scenes", '{"dry_run": true, "recompute": true}')["output"]
    assert output["outcome"] == "empty"
    assert output["planned"] == len(deployed.items)
    assert not deployed.jobs(job_mark(output["run_id"]))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"instance_count": 0}', "instance_count"),
        ('{"instance_count": "4"}', "instance_count"),
        ('{"window": {"start": "2026-06-02", "end": "2026-06-01"}}', "window"),
        ('{"scenes": []}', "scenes"),
        ('{"windw": {}}', "windw"),
        ('["2026-06-01"]', "object"),
        ('"{}"', "object"),
        ("null", "object"),
        # Step Functions takes 256 KiB of input, and of a function's arguments, which hold more than it.
        ('{"scenes": ["' + "x" * 262_000 + '"]}', "too long"),
    ],
)
def test_wrong_input_ends_in_invalid_input_before_any_job_exists(deployed: Deployed, text: str, told: str):
    before = len(deployed.jobs("e2e-scenes"))
    ended = deployed.run("e2e-scenes", text)
    assert (ended["status"], ended["error"]) == ("FAILED", "InvalidInput")
    assert told in ended["cause"], ended["cause"]
    assert len(deployed.jobs("e2e-scenes")) == before


def test_the_schedule_starts_a_run_whose_window_ends_at_the_scheduled_time(deployed: Deployed):
    schedule = boto3.client("scheduler").get_schedule(Name=f"geocadence-{STAGE}-e2e-scenes")
    assert schedule["ScheduleExpressionTimezone"] == "Europe/Lisbon"
    due, ended = run_of_the_schedule(deployed, "e2e-scenes")
    assert json.loads(ended["input"]) == {"window": {"end": f"{due:%Y-%m-%dT%H:%M:%SZ}"}}
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert "<aws.scheduler" not in ended["name"]


def test_a_run_of_the_schedule_that_is_refused_is_told_and_one_by_hand_is_not(deployed: Deployed):
    mail = mailbox("e2e-flawed")
    quotas = deployed.cloud.folder / "quotas.json"
    quotas.write_text('{"ml.m5.large": 1}')
    try:
        by_hand = deployed.run("e2e-flawed")
        _, scheduled = run_of_the_schedule(deployed, "e2e-flawed")
    finally:
        quotas.unlink()
    assert by_hand["error"] == scheduled["error"] == "InvalidInput"
    assert "ml.m5.large for processing job usage” is 1" in scheduled["cause"]
    (told,) = boto3.client("sqs").receive_message(QueueUrl=mail, WaitTimeSeconds=10)["Messages"]
    told = json.loads(told["Body"])
    assert told["Subject"] == f"geocadence-{STAGE}-e2e-flawed: refused"
    assert f"was refused, and nothing was started. {scheduled['cause']}" in told["Message"]
    assert scheduled["executionArn"] in told["Message"]


def test_the_command_line_runs_a_pipeline_and_follows_it(deployed: Deployed):
    command = [sys.executable, "-m", "geocadence", "run", "e2e-scenes", "--stage", STAGE, "--recompute", "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=180, check=False)
    assert ended.returncode == 0, ended.stderr
    output = json.loads(ended.stdout)
    assert (output["outcome"], output["produced"]) == ("complete", len(deployed.items))

    command = [sys.executable, "-m", "geocadence", "logs", output["run_id"], "--stage", STAGE]
    logs = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert logs.returncode == 0, logs.stderr
    for item in deployed.items:
        assert item["id"] in logs.stdout


def test_one_job_is_submitted_by_the_sdk_and_followed(deployed: Deployed):
    before = {job["ProcessingJobName"] for job in deployed.jobs("e2e-listed")}
    told = geocadence("submit", "--definition", str(deployed.definitions / "e2e-listed.yaml"), "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    facts = json.loads(told.stdout)
    (job,) = {job["ProcessingJobName"] for job in deployed.jobs("e2e-listed")} - before
    assert (facts["job"], facts["planned"], facts["status"]) == (job, 6, "Completed")
    described = boto3.client("sagemaker").describe_processing_job(ProcessingJobName=job)
    assert described["RoleArn"].rpartition("/")[2].startswith(f"geocadence-{STAGE}-e2e-listed-ExecutionRole")
    assert described["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 3
    for host in ("algo-1", "algo-2", "algo-3"):
        assert f"{host}: 2 files" in told.stderr, "its log was not followed"
    assert "completed (" in told.stderr


def test_a_submitted_job_is_planned_by_what_is_deployed_whatever_the_file_here_says(deployed: Deployed, tmp_path: Path):
    by_run = deployed.run("e2e-scenes", '{"dry_run": true}')["output"]["run_id"]
    text = (deployed.definitions / "e2e-scenes.yaml").read_text()
    (tmp_path / "area.geojson").write_text((deployed.definitions / "area.geojson").read_text())
    (tmp_path / "e2e-scenes.yaml").write_text(text.replace("[NDVI]", "[EVI]").replace("ml.m5.xlarge", "ml.c5.xlarge"))
    told = geocadence("submit", "--definition", str(tmp_path / "e2e-scenes.yaml"), "--recompute", "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "is not what is deployed (processing.arguments, processing.instance_type)" in told.stderr
    facts = json.loads(told.stdout)
    # One job over everything, though the definition makes two of it.
    assert facts["planned"] == len(deployed.items) > 4
    job = boto3.client("sagemaker").describe_processing_job(ProcessingJobName=facts["job"])
    assert job["AppSpecification"]["ContainerArguments"] == ["--indices", "NDVI"]
    recipes = [
        json.loads(
            boto3.client("s3")
            .get_object(Bucket=deployed.input_bucket, Key=f"e2e-scenes/runs/{run}/plan.json")["Body"]
            .read()
        )["recipe"]
        for run in (by_run, facts["run_id"])
    ]
    assert recipes[0] == recipes[1]


def test_what_the_pipeline_may_not_read_is_told_before_a_submitted_job_though_its_caller_may(deployed: Deployed):
    boto3.client("s3").head_object(Bucket=deployed.input_bucket, Key="e2e-scenes/private.txt")
    told = geocadence("submit", "--definition", str(deployed.definitions / "e2e-closed.yaml"))
    assert told.returncode == 1
    assert "e2e-scenes/private.txt (access denied)" in told.stderr + told.stdout
    assert deployed.jobs("e2e-closed") == []


def test_the_doctor_finds_a_stage_well_and_a_quota_too_low(deployed: Deployed):
    definition = ("--definition", str(deployed.definitions / "e2e-scenes.yaml"))
    well = geocadence("doctor", *definition)
    assert well.returncode == 0, well.stdout + well.stderr
    assert "WRONG" not in well.stdout
    assert "departs from the file" not in well.stdout
    for what in ("target", "bootstrap", "image", "quota", "deployment", "schedule"):
        assert f"{what}: " in well.stdout
    quotas = deployed.cloud.folder / "quotas.json"
    quotas.write_text('{"ml.m5.xlarge": 1}')
    try:
        ill = geocadence("doctor", *definition)
    finally:
        quotas.unlink()
    assert ill.returncode == 1
    assert "WRONG e2e-scenes: quota: “ml.m5.xlarge for processing job usage” is 1, a job needs 2" in ill.stdout
    assert "aws service-quotas request-service-quota-increase" in ill.stdout


def test_the_aws_cli_starts_an_execution_and_describes_its_job(deployed: Deployed):
    started = aws("stepfunctions", "start-execution", "--state-machine-arn", deployed.machine("e2e-objects"))
    output = deployed.wait(started["executionArn"])["output"]
    (summary,) = deployed.jobs(job_mark(output["run_id"]))
    job = aws("sagemaker", "describe-processing-job", "--processing-job-name", summary["ProcessingJobName"])
    assert job["ProcessingJobStatus"] == "Completed"
    assert job["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 2
    listed = aws("sagemaker", "list-processing-jobs", "--name-contains", job_mark(output["run_id"]))
    assert [each["ProcessingJobName"] for each in listed["ProcessingJobSummaries"]] == [summary["ProcessingJobName"]]


def job_mark(run_id: str) -> str:
    """What names of a run's jobs share with its id: the beginning of the execution's hash."""
    return run_id.rpartition("-")[2]


def run_of_the_schedule(deployed: Deployed, pipeline: str) -> tuple[datetime, dict[str, Any]]:
    """When the deployed schedule itself was due, only sooner than in 2199, and the execution that it started, ended."""
    scheduler, name = boto3.client("scheduler"), f"geocadence-{STAGE}-{pipeline}"
    schedule = scheduler.get_schedule(Name=name)
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    known = {each["executionArn"] for each in executions(deployed, pipeline)}
    kept = {key: schedule[key] for key in ("FlexibleTimeWindow", "Target", "State")}
    scheduler.update_schedule(
        Name=name, ScheduleExpression=f"at({due:%Y-%m-%dT%H:%M:%S})", ScheduleExpressionTimezone="UTC", **kept
    )
    deadline = time.monotonic() + 30
    while not (new := [each for each in executions(deployed, pipeline) if each["executionArn"] not in known]):
        assert time.monotonic() < deadline, "the schedule did not fire"
        time.sleep(0.3)
    (execution,) = new
    return due, deployed.wait(execution["executionArn"])


def executions(deployed: Deployed, pipeline: str) -> list[dict]:
    return boto3.client("stepfunctions").list_executions(stateMachineArn=deployed.machine(pipeline))["executions"]


def mailbox(pipeline: str) -> str:
    """The URL of a queue that gets what a pipeline tells by mail."""
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    (topic,) = (t["TopicArn"] for t in sns.list_topics()["Topics"] if f"-{pipeline}-Notices" in t["TopicArn"])
    url = sqs.create_queue(QueueName=f"{pipeline}-mail")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topics_may_send = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = {"Version": "2012-10-17", "Statement": [topics_may_send]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url


def aws(*arguments: str) -> dict:
    """The real AWS CLI, pointed at the local cloud by nothing but its environment."""
    command = [BIN / "aws", *arguments, "--output", "json"]
    ended = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)
