"""Whether a run is still at work: what Step Functions and SageMaker say, and what is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from geocadence.layout import job_name_prefix
from geocadence.plan.at_work import is_at_work

ARN = "arn:aws:states:us-west-2:123456789012:execution:geocadence-dev-ndvi:x"
PREFIX = job_name_prefix("ndvi", ARN)
THEN = datetime(2026, 11, 22, 6, 1, tzinfo=UTC)


class Clouds:
    """Step Functions and SageMaker, asked for exactly what is told here."""

    def __init__(self) -> None:
        secrets = {"region_name": "us-west-2", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        self.states, self.sagemaker = (boto3.client(name, **secrets) for name in ("stepfunctions", "sagemaker"))
        self.of_states, self.of_sagemaker = Stubber(self.states), Stubber(self.sagemaker)

    def execution(self, status: str) -> None:
        machine = ARN.replace(":execution:", ":stateMachine:").rpartition(":")[0]
        told = {"executionArn": ARN, "stateMachineArn": machine, "status": status, "startDate": THEN}
        self.of_states.add_response("describe_execution", told, {"executionArn": ARN})

    def jobs(self, status: str, *names: str) -> None:
        jobs = [
            {
                "ProcessingJobName": name,
                "ProcessingJobArn": f"arn:aws:sagemaker:us-west-2:123456789012:processing-job/{name}",
                "CreationTime": THEN,
                "ProcessingJobStatus": status,
            }
            for name in names
        ]
        asked = {"NameContains": PREFIX, "StatusEquals": status}
        self.of_sagemaker.add_response("list_processing_jobs", {"ProcessingJobSummaries": jobs}, asked)

    def is_at_work(self) -> bool:
        return is_at_work(ARN, states=self.states, sagemaker=self.sagemaker, pipeline="ndvi")


@pytest.fixture
def clouds() -> Iterator[Clouds]:
    made = Clouds()
    with made.of_states, made.of_sagemaker:
        yield made
        made.of_states.assert_no_pending_responses()
        made.of_sagemaker.assert_no_pending_responses()


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE"])
def test_a_run_is_at_work_while_its_execution_goes_on_or_is_about_to(clouds: Clouds, status: str) -> None:
    clouds.execution(status)

    assert clouds.is_at_work()


@pytest.mark.parametrize("status", ["InProgress", "Stopping"])
def test_a_job_of_an_execution_that_ended_is_still_at_work_until_it_has_stopped(clouds: Clouds, status: str) -> None:
    clouds.execution("ABORTED")
    if status == "Stopping":
        clouds.jobs("InProgress")
    clouds.jobs(status, f"{PREFIX}0-0-0")

    assert clouds.is_at_work()


@pytest.mark.parametrize("status", ["ABORTED", "FAILED", "SUCCEEDED", "TIMED_OUT"])
def test_of_an_execution_that_ended_and_its_jobs_nothing_is_at_work(clouds: Clouds, status: str) -> None:
    clouds.execution(status)
    # SageMaker looks for what names contain; whose names begin with something else are another's.
    clouds.jobs("InProgress", f"x{PREFIX}0-0-0")
    clouds.jobs("Stopping")

    assert not clouds.is_at_work()


@pytest.mark.parametrize("is_open", [True, False])
def test_a_submitted_job_which_has_no_execution_is_at_work_by_sagemakers_word(clouds: Clouds, is_open: bool) -> None:
    clouds.of_states.add_client_error("describe_execution", "ExecutionDoesNotExist")
    clouds.jobs("InProgress", *([f"{PREFIX}0-0-0"] if is_open else []))
    if not is_open:
        clouds.jobs("Stopping")

    assert clouds.is_at_work() is is_open


def test_where_step_functions_gives_no_answer_nothing_is_taken_for_dead(clouds: Clouds) -> None:
    clouds.of_states.add_client_error("describe_execution", "AccessDeniedException")

    with pytest.raises(ClientError, match="AccessDenied"):
        clouds.is_at_work()
