"""Objects instead of scenes, what the job's role may not do, and runs in which something goes wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest

from geocadence.job_phase import last_lines
from tests.end_to_end.conftest import LISTED, OBJECTS, Deployed, geocadence


def test_a_prefix_fully_replicated_reaches_every_instance_whole(deployed: Deployed):
    ended = deployed.run("e2e-objects")
    assert ended["output"]["outcome"] == "complete", ended
    names = {key.rpartition("/")[2] for key in OBJECTS}
    for host in ("algo-1", "algo-2"):
        assert deployed.keys(f"e2e-objects/by-host/{host}/") == names | {"permissions.json"}


def test_a_manifest_sharded_by_key_is_dealt_out_without_gap_or_double(deployed: Deployed):
    ended = deployed.run("e2e-listed")
    assert ended["output"]["outcome"] == "complete", ended
    shards = [deployed.keys(f"e2e-listed/by-host/algo-{number}/") - {"permissions.json"} for number in (1, 2, 3)]
    assert [len(shard) for shard in shards] == [2, 2, 2]
    assert set.union(*shards) == {key.removeprefix("e2e-listed/") for key in LISTED}


def test_a_job_may_do_nothing_beyond_its_own_pipeline(deployed: Deployed):
    deployed.run("e2e-objects")
    answers = json.loads(deployed.read("e2e-objects/by-host/algo-1/permissions.json"))
    assert len(answers) == 5
    assert set(answers.values()) == {"AccessDenied"}, answers


def test_a_failing_script_ends_the_run_with_the_words_it_left(deployed: Deployed):
    ended = deployed.run("e2e-hopeless")
    assert (ended["status"], ended["error"]) == ("FAILED", "RunFailed")
    assert "The soil map has no CRS." in ended["cause"]
    assert "exit code: 3" in ended["cause"]
    (run,) = [key for key in deployed.keys("e2e-hopeless/runs/") if key.endswith("run.json")]
    told = json.loads(deployed.read(f"e2e-hopeless/runs/{run}"))
    assert told["outcome"] == "failed"
    assert [job["status"] for job in told["jobs"]] == ["Failed"]


def test_run_and_status_tell_why_a_job_failed_with_its_last_lines_and_what_to_do(deployed: Deployed):
    run = geocadence("run", "e2e-hopeless")
    assert run.returncode == 1, run.stderr
    run_id = re.search(r"^Run (\S+):", run.stdout, re.MULTILINE)[1]
    status = geocadence("status", run_id)
    assert status.returncode == 0, status.stderr
    for told in (run.stdout, status.stdout):
        assert "exit code: 3 – The soil map has no CRS." in told
        assert "algo-1  Traceback" not in told
        assert "algo-1  looking for soil" in told
        assert f"geocadence logs {run_id}" in told
        assert '"event": "ended"' not in told
    (job,) = json.loads(geocadence("status", run_id, "--json").stdout)["jobs"]
    assert (job["phase"], job["last_lines"]["algo-1"][-1]) == ("failed", "looking for soil")


def test_a_job_that_is_stopped_is_told_to_be_with_what_to_do(deployed: Deployed):
    execution = deployed.start("e2e-endless")
    sagemaker = boto3.client("sagemaker")
    until = time.monotonic() + 60
    while not (running := [j for j in deployed.jobs("e2e-endless") if j["ProcessingJobStatus"] == "InProgress"]):
        assert time.monotonic() < until
        time.sleep(0.2)
    sagemaker.stop_processing_job(ProcessingJobName=running[0]["ProcessingJobName"])
    ended = deployed.wait(execution)
    assert "It was stopped, by a person or after its run time of 14400 s" in ended["cause"]
    told = geocadence("status", execution).stdout
    assert "the job was stopped: by a person, or with its execution" in told
    assert "start a run again" in told


def test_a_job_past_its_run_time_is_told_to_be_with_what_to_do(deployed: Deployed):
    execution = deployed.start("e2e-brief")
    ended = deployed.wait(execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "RunFailed")
    told = geocadence("status", execution).stdout
    assert "the job was stopped: its run time of 5 s was up" in told
    assert "algo-1  it goes on" in told
    assert "Raise processing.max_runtime" in told


@pytest.mark.parametrize(
    ("pipeline", "code", "advice", "hosts"),
    [
        (
            "e2e-killed",
            137,
            "The script was killed (exit code 137), most often since the instance's memory was full",
            2,
        ),
        ("e2e-no-memory", 1, "The script asked for more memory than the instance has", 1),
    ],
)
def test_a_script_that_is_killed_or_out_of_memory_is_told_to_be_with_what_to_do(
    deployed: Deployed, pipeline: str, code: int, advice: str, hosts: int
):
    with ThreadPoolExecutor(1) as background:
        running = background.submit(geocadence, "run", pipeline)
        if pipeline == "e2e-killed":
            kill_scripts(deployed, pipeline, hosts=hosts)
        run = running.result()
    assert run.returncode == 1, run.stderr
    run_id = re.search(r"^Run (\S+):", run.stdout, re.MULTILINE)[1]
    status = geocadence("status", run_id)
    for told in (run.stdout, status.stdout):
        assert f"the job failed: AlgorithmError: , exit code: {code}" in told
        assert f"{advice}: take a larger instance type, or read less at a time." in " ".join(told.split())
        for n in range(hosts):
            assert f"algo-{n + 1}  reading the mosaic" in told
    logs = geocadence("logs", run_id).stdout
    assert logs.count("reading the mosaic") == hosts
    assert ("MemoryError" in logs) == (pipeline == "e2e-no-memory")
    record = json.loads(deployed.read(f"{pipeline}/runs/{run_id}/run.json"))
    assert (record["outcome"], [job["status"] for job in record["jobs"]]) == ("failed", ["Failed"])
    assert f"exit code: {code}" in deployed.read(f"{pipeline}/runs/{run_id}/report.html").decode()


@pytest.mark.parametrize(("pipeline", "is_early"), [("e2e-at-once", True), ("e2e-at-the-end", False)])
def test_what_a_script_writes_is_in_s3_while_it_runs_or_at_its_end_only(
    deployed: Deployed, pipeline: str, is_early: bool
):
    execution = deployed.start(pipeline)
    until = time.monotonic() + 90
    while "written" not in (job := running_job(deployed, pipeline))[1]:
        assert time.monotonic() < until
        time.sleep(0.2)
    looks = 0
    # Twice as long as a continuous upload takes here.
    while not (is_there := "early.txt" in deployed.keys(f"{pipeline}/")) and looks < 20:
        looks += 1
        time.sleep(0.2)
    described = boto3.client("sagemaker").describe_processing_job(ProcessingJobName=job[0])
    assert (is_there, described["ProcessingJobStatus"]) == (is_early, "InProgress")
    boto3.client("s3").put_object(Bucket=deployed.input_bucket, Key=f"{pipeline}/go.txt", Body=b"go")
    ended = deployed.wait(execution)
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert deployed.read(f"{pipeline}/early.txt") == b"made at the beginning"


def kill_scripts(deployed: Deployed, pipeline: str, *, hosts: int) -> None:
    """End a job's scripts as the kernel does where memory is full."""
    until = time.monotonic() + 90
    while running_job(deployed, pipeline)[1].count("reading the mosaic") < hosts:
        assert time.monotonic() < until
        time.sleep(0.2)
    killed = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = ((process / name).read_bytes().split(b"\0") for name in ("cmdline", "environ"))
        except OSError:  # it has ended, or is another user's
            continue
        is_ours = f"GEOCADENCE_PIPELINE={pipeline}".encode() in environment and b"--by" in command
        if is_ours and command[0].endswith(b"python3"):
            os.kill(int(process.name), signal.SIGKILL)
            killed += 1
    assert killed == hosts


def running_job(deployed: Deployed, pipeline: str) -> tuple[str, str]:
    """The name of a pipeline's one job, and what it wrote so far."""
    for job in deployed.jobs(pipeline):
        name = job["ProcessingJobName"]
        return name, "\n".join(line for lines in last_lines(boto3.client("logs"), name).values() for line in lines)
    return "", ""


def test_a_failed_run_can_be_started_anew_under_the_same_job_names_never_twice(deployed: Deployed):
    before = {job["ProcessingJobName"] for job in deployed.jobs("e2e-hopeless")}
    deployed.run("e2e-hopeless")
    after = {job["ProcessingJobName"] for job in deployed.jobs("e2e-hopeless")}
    assert len(after - before) == 1


@pytest.mark.parametrize("name", ["ü" * 80, "a" * 36 + "_" + "b" * 36, "Weekly.Run-1"])
def test_whatever_an_execution_is_called_its_jobs_have_valid_names(deployed: Deployed, name: str):
    ended = deployed.wait(deployed.start("e2e-objects", name=name))
    assert ended["status"] == "SUCCEEDED", ended.get("cause")


def test_a_quota_that_is_too_low_ends_the_run_before_a_job(deployed: Deployed):
    jobs = deployed.jobs("e2e-objects")
    (deployed.cloud.folder / "quotas.json").write_text('{"ml.m5.4xlarge": 1}')
    try:
        ended = deployed.run("e2e-objects")
    finally:
        (deployed.cloud.folder / "quotas.json").unlink()
    assert (ended["status"], ended["error"]) == ("FAILED", "InvalidInput")
    assert "needs 2 instances at a time" in ended["cause"]
    assert "“ml.m5.4xlarge for processing job usage” is 1 " in ended["cause"]
    assert "aws service-quotas request-service-quota-increase --service-code sagemaker" in ended["cause"]
    assert deployed.jobs("e2e-objects") == jobs


def test_a_type_without_capacity_is_tried_again(deployed: Deployed):
    capacity = deployed.cloud.folder / "capacity.json"
    capacity.write_text('{"ml.m5.4xlarge": 1}')
    execution = deployed.start("e2e-objects")
    before = {job["ProcessingJobName"] for job in deployed.jobs("e2e-objects")}
    try:
        until = time.monotonic() + 60
        while not (new := {job["ProcessingJobName"] for job in deployed.jobs("e2e-objects")} - before):
            assert time.monotonic() < until
            time.sleep(0.2)
        # Whether the job is about to fail, or the next one is due.
        shown = json.loads(geocadence("status", execution, "--json").stdout)
        assert shown["phase"] == "waiting for capacity"
    finally:
        capacity.unlink()
    ended = deployed.wait(execution)
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    first = boto3.client("sagemaker").describe_processing_job(ProcessingJobName=new.pop())
    assert first["FailureReason"].startswith("CapacityError")


def test_a_type_without_capacity_gives_way_to_the_next_preference(deployed: Deployed):
    capacity = deployed.cloud.folder / "capacity.json"
    capacity.write_text('{"ml.r5.large": 1}')
    try:
        ended = deployed.run("e2e-choosy")
        submitted = geocadence("submit", "e2e-choosy", "--json")
    finally:
        capacity.unlink()
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert submitted.returncode == 0, submitted.stderr
    # One of the run, which had no need to be tried again, and the submitted one.
    jobs = deployed.jobs("e2e-choosy")
    assert [job["ProcessingJobStatus"] for job in jobs] == ["Completed"] * 2
    for run_id in (ended["output"]["run_id"], json.loads(submitted.stdout)["run_id"]):
        (job,) = json.loads(geocadence("status", run_id, "--json").stdout)["jobs"]
        assert (job["instance_type"], job["instance_count"]) == ("ml.r5.xlarge", 2)
