"""Objects instead of scenes, what the job's role may not do, and runs in which something goes wrong."""

from __future__ import annotations

import json

import boto3
import pytest

from tests.end_to_end.conftest import LISTED, OBJECTS, Deployed


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


def test_one_bad_scene_does_not_stop_the_others(deployed: Deployed):
    deployed.run("e2e-scenes", '{"dry_run": true}')
    ended = deployed.run("e2e-flawed")
    output = ended["output"]
    assert (output["outcome"], output["planned"], output["produced"], output["failed"]) == ("partial", 3, 1, 2)
    failures = deployed.keys(f"e2e-flawed/runs/{output['run_id']}/failures/")
    assert len(failures) == 2
    for key in failures:
        told = json.loads(deployed.read(f"e2e-flawed/runs/{output['run_id']}/failures/{key}"))
        assert told["class"] == "input", told


def test_a_failing_script_ends_the_run_with_the_words_it_left(deployed: Deployed):
    ended = deployed.run("e2e-hopeless")
    assert (ended["status"], ended["error"]) == ("FAILED", "RunFailed")
    assert "The soil map has no CRS." in ended["cause"]
    assert "exit code: 3" in ended["cause"]
    (run,) = [key for key in deployed.keys("e2e-hopeless/runs/") if key.endswith("run.json")]
    told = json.loads(deployed.read(f"e2e-hopeless/runs/{run}"))
    assert told["outcome"] == "failed"
    assert [job["status"] for job in told["jobs"]] == ["Failed"]


def test_a_failed_run_can_be_started_anew_under_the_same_job_names_never_twice(deployed: Deployed):
    before = {job["ProcessingJobName"] for job in deployed.jobs("e2e-hopeless")}
    deployed.run("e2e-hopeless")
    after = {job["ProcessingJobName"] for job in deployed.jobs("e2e-hopeless")}
    assert len(after - before) == 1


@pytest.mark.parametrize("name", ["ü" * 80, "a" * 36 + "_" + "b" * 36, "Weekly.Run-1"])
def test_whatever_an_execution_is_called_its_jobs_have_valid_names(deployed: Deployed, name: str):
    ended = deployed.wait(deployed.start("e2e-objects", name=name))
    assert ended["status"] == "SUCCEEDED", ended.get("cause")


def test_a_quota_that_is_too_low_is_told_with_its_name_and_is_not_retried(deployed: Deployed):
    (deployed.cloud.folder / "quotas.json").write_text('{"ml.m5.4xlarge": 1}')
    try:
        ended = deployed.run("e2e-objects")
    finally:
        (deployed.cloud.folder / "quotas.json").unlink()
    assert ended["status"] == "FAILED"
    assert "ml.m5.4xlarge for processing job usage" in ended["cause"]
    assert "Service Quotas" in ended["cause"]
    history = boto3.client("stepfunctions").get_execution_history(executionArn=ended["executionArn"], maxResults=200)
    tried = [
        event
        for event in history["events"]
        if event["type"] == "TaskScheduled" and "sagemaker" in json.dumps(event, default=str)
    ]
    assert len(tried) == 1
