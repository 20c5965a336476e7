"""Processing jobs as the report tells of them, and what to do about failures."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from geocadence.close.jobs import advice, batch_of, failure_by_batch, failure_sentence, job_advice, read_jobs
from geocadence.layout import job_name_prefix, run_id_of

ARN = "arn:aws:states:us-west-2:123456789012:execution:geocadence-dev-ndvi:x"
PREFIX = job_name_prefix("ndvi", ARN)
CREATED = datetime(2026, 11, 22, 6, 1, tzinfo=UTC)


@pytest.fixture
def sagemaker() -> Any:
    return boto3.client("sagemaker", region_name="us-west-2", aws_access_key_id="x", aws_secret_access_key="x")


def test_names_are_those_that_the_state_machine_computes() -> None:
    # sha256 of the state machine's name and of the ARN by coreutils: printf %s "$ARN" | sha256sum
    assert PREFIX == "ndvi-7b6f11-0aade92c4d93-"
    assert run_id_of(ARN, datetime(2026, 11, 22, 20, 13, 0, 999999, tzinfo=UTC)) == "20261122T201300Z-0aade92c"


def test_names_tell_apart_the_stages_of_a_pipeline() -> None:
    dev, prod = (job_name_prefix("ndvi", ARN.replace("-dev-", f"-{stage}-")) for stage in ("dev", "prod"))

    assert dev[: len("ndvi-7b6f11-")] != prod[: len("ndvi-7b6f11-")]


def test_jobs_of_the_run_are_described(sagemaker: Any) -> None:
    name = f"{PREFIX}3-1-0"
    arn = f"arn:aws:sagemaker:us-west-2:123456789012:processing-job/{name}"
    with Stubber(sagemaker) as stub:
        summary = {
            "ProcessingJobName": name,
            "ProcessingJobArn": arn,
            "CreationTime": CREATED,
            "ProcessingJobStatus": "Failed",
        }
        stub.add_response("list_processing_jobs", {"ProcessingJobSummaries": [summary]}, {"NameContains": PREFIX})
        stub.add_response(
            "describe_processing_job",
            {
                "ProcessingJobName": name,
                "ProcessingJobArn": arn,
                "ProcessingJobStatus": "Failed",
                "FailureReason": "AlgorithmError: exit code: 1",
                "ExitMessage": "no band red",
                "CreationTime": CREATED,
                "ProcessingStartTime": CREATED.replace(minute=3),
                "ProcessingEndTime": CREATED.replace(minute=5),
                "AppSpecification": {"ImageUri": "image"},
                "StoppingCondition": {"MaxRuntimeInSeconds": 14400},
                "ProcessingResources": {
                    "ClusterConfig": {"InstanceCount": 2, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 50}
                },
            },
            {"ProcessingJobName": name},
        )

        (job,) = read_jobs(sagemaker, name_prefix=PREFIX)

    assert job == {
        "name": name,
        "batch": 3,
        "status": "Failed",
        "failure_reason": "AlgorithmError: exit code: 1",
        "exit_message": "no band red",
        "created": "2026-11-22T06:01:00Z",
        "started": "2026-11-22T06:03:00Z",
        "ended": "2026-11-22T06:05:00Z",
        "seconds": 120.0,
        "instance_type": "ml.m5.xlarge",
        "instance_count": 2,
        "max_runtime": 14400,
    }
    assert failure_by_batch([job]) == {3: "the job failed: AlgorithmError: exit code: 1 – no band red"}


def test_a_run_closes_where_sagemaker_wont_say(sagemaker: Any) -> None:
    with Stubber(sagemaker) as stub:
        stub.add_client_error("list_processing_jobs", "AccessDeniedException")

        assert read_jobs(sagemaker, name_prefix=PREFIX) == []


def test_a_batch_whose_retry_went_well_has_not_failed() -> None:
    job = {"batch": 0, "failure_reason": "CapacityError", "exit_message": ""}

    assert failure_by_batch([job | {"status": "Failed"}, job | {"status": "Completed"}]) == {}


@pytest.mark.parametrize(
    ("name", "batch"), [(f"{PREFIX}12-0-1", 12), ("ndvi-2026-7b6f11-0aade92c4d93-0-0-0", 0), ("other", None)]
)
def test_the_batch_is_in_the_jobs_name(name: str, batch: int | None) -> None:
    assert batch_of(name) == batch


@pytest.mark.parametrize(
    ("failure", "what_to_do"),
    [
        ("CapacityError: Unable to provision requested ML compute capacity", "later"),
        ("ThrottlingException: Rate exceeded", "limits.concurrent_jobs"),
        ("AlgorithmError: exit code: 137", "larger instance type"),
        ("AlgorithmError: exit code: 139", 'SIGSEGV): with environment: {PYTHONFAULTHANDLER: "1"}'),
        ("AlgorithmError: exit code: 2", "logs"),
        ("The job exceeded MaxRuntimeInSeconds", "processing.max_runtime"),
        ("AccessDenied: not authorized to perform: s3:GetObject", "access.read"),
        ("CannotPullContainerError", "processing.image"),
    ],
)
def test_known_failures_come_with_what_to_do(failure: str, what_to_do: str) -> None:
    assert what_to_do in (advice(failure, run="r1") or "")


@pytest.mark.parametrize(
    ("seconds", "why", "what_to_do"),
    [(14400.5, "its run time of 14400 s was up", "max_runtime"), (300.0, "by a person", "start a run again")],
)
def test_a_stopped_job_tells_who_stopped_it_and_what_to_do(seconds: float, why: str, what_to_do: str) -> None:
    job = {"status": "Stopped", "failure_reason": "", "exit_message": "", "seconds": seconds, "max_runtime": 14400}

    assert why in failure_sentence(job)
    assert what_to_do in (job_advice(job, run="r1", region=None) or "")


def test_advice_names_the_run_whose_logs_are_to_be_read() -> None:
    job = {"status": "Failed", "failure_reason": "AlgorithmError: exit code: 3", "exit_message": ""}

    assert "(.venv/bin/geocadence logs r1 --local)" in (job_advice(job, run="r1 --local", region=None) or "")


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        ("", ["OSError: [Errno 28] No space left on device: '/opt/ml/processing/output_data/ndvi.tif'", "bye"]),
        ("", ["rasterio._err.CPLE_FileIOError: write error: No space left on device"]),
        ("The output can't be written: [Errno 28] No space left on device", []),
    ],
)
def test_a_full_disk_is_told_with_the_key_that_makes_it_larger(message: str, lines: list[str]) -> None:
    job = {"status": "Failed", "failure_reason": "AlgorithmError: exit code: 1", "exit_message": message}

    assert "processing.volume_size_gb" in (job_advice(job, run="r1", region=None, last_lines={"algo-1": lines}) or "")


FRAMES = ["Traceback (most recent call last):", '  File "/tmp/job-1/script/main.py", line 3, in <module>', "    ndvi()"]
NO_MODULE = "ModuleNotFoundError: No module named 'exactextract'"


@pytest.mark.parametrize(
    ("lines", "what_to_do"),
    [
        ([*FRAMES, NO_MODULE], "no module exactextract: name its package"),
        # of a deep one, whose beginning is further up
        ([*FRAMES[1:], NO_MODULE, '{"event": "ended"}'], "no module exactextract: name its package"),
        (["/usr/bin/python3: No module named pip", *FRAMES, "CalledProcessError: …"], "no pip: name what the script"),
    ],
)
def test_a_module_that_is_not_there_is_told_with_the_key_that_brings_it(lines: list[str], what_to_do: str) -> None:
    job = {"status": "Failed", "failure_reason": "AlgorithmError: exit code: 1", "exit_message": ""}
    told = job_advice(job, run="r1", region=None, last_lines={"algo-1": ["working"], "algo-2": lines}) or ""

    assert what_to_do in told
    assert "processing.requirements" in told


def test_a_module_that_the_script_went_on_without_is_not_what_it_ended_by() -> None:
    job = {"status": "Failed", "failure_reason": "AlgorithmError: exit code: 1", "exit_message": ""}
    lines = [*FRAMES, NO_MODULE, "without it, then", *FRAMES, "KeyError: 'red'"]

    assert "logs say where" in (job_advice(job, run="r1", region=None, last_lines={"algo-1": lines}) or "")


@pytest.mark.parametrize(
    "end",
    [
        "rasterio.errors.RasterioIOError: Access Denied",
        "rasterio.errors.RasterioIOError: HTTP response code: 403",
        "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the GetObject operation: User: "
        "arn:aws:sts::1:assumed-role/x/SageMaker is not authorized to perform: s3:GetObject on resource",
        "botocore.exceptions.ClientError: An error occurred (403) when calling the HeadObject operation: Forbidden",
    ],
)
def test_a_script_that_was_denied_what_it_reads_is_told_the_keys_that_open_it(end: str) -> None:
    job = {"status": "Failed", "failure_reason": "AlgorithmError: exit code: 1", "exit_message": ""}
    told = job_advice(job, run="r1", region=None, last_lines={"algo-1": [*FRAMES, end]}) or ""
    for key in ("access.read", "processing.outputs", "AWS_REQUEST_PAYER: requester"):
        assert key in told

    # One scene that it was denied and went on without is not what it ended by.
    lines = [*FRAMES, end, "without it, then", *FRAMES, "ValueError: shapes (403,512) (403,511) do not match"]
    assert "logs say where" in (job_advice(job, run="r1", region=None, last_lines={"algo-1": lines}) or "")


@pytest.mark.parametrize("by", ["script", "SageMaker"])
def test_of_objects_whose_key_may_not_be_used_the_key_is_told(by: str) -> None:
    """access.read, where such a bucket stands already, opens no key."""
    end = (
        "An error occurred (AccessDenied) when calling the GetObject operation: User: arn:aws:sts::1:assumed-role/x/y "
        "is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:us-west-2:1:key/2"
    )
    reason = "AlgorithmError: exit code: 1" if by == "script" else f"ClientError: Data download failed: {end}"
    job = {"status": "Failed", "failure_reason": reason, "exit_message": ""}
    lines = [*FRAMES, f"botocore.exceptions.ClientError: {end}"] if by == "script" else []
    told = job_advice(job, run="r1", region=None, last_lines={"algo-1": lines}) or ""
    assert "the key's own policy" in told
    assert "access.read" not in told


@pytest.mark.parametrize(("code", "what_to_do"), [("137", "larger instance type"), ("139", "SIGSEGV")])
@pytest.mark.parametrize(
    "line",
    [NO_MODULE, "MemoryError", "OSError: [Errno 28] No space left on device", "/bin/python: No module named pip"],
)
def test_what_a_signal_ended_is_told_by_the_signal_whatever_the_log_said_before(
    code: str, what_to_do: str, line: str
) -> None:
    job = {"status": "Failed", "failure_reason": f"AlgorithmError: exit code: {code}", "exit_message": "AccessDenied"}

    assert what_to_do in (job_advice(job, run="r1", region=None, last_lines={"algo-1": [*FRAMES, line]}) or "")


def test_unknown_failures_come_without_made_up_advice() -> None:
    assert advice("something else", run="r1") is None
