"""What the doctor says of a stage where a pipeline is missing; the rest is tried on a whole one, end to end."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from geocadence.definition import load_pipeline
from geocadence.definition.files import PROJECT_ROOT
from geocadence.doctor import State, examine
from geocadence.target import Target


class Nothing:
    """A service that has nothing of what it is asked for."""

    def __getattr__(self, operation: str) -> Any:
        def answer(*_: Any, **__: Any) -> None:
            code = "StateMachineDoesNotExist" if "machine" in operation else "ResourceNotFoundException"
            raise ClientError({"Error": {"Code": code, "Message": "none"}}, operation)

        return answer


@pytest.fixture
def bare() -> Target:
    services = ("ssm", "stepfunctions", "scheduler", "service-quotas")
    session = boto3.Session(region_name="us-west-2")
    clients: dict[str, Any] = {service: Nothing() for service in services}
    return Target("dev", "us-west-2", "1", is_local=False, session=session, _clients=clients)


def test_of_a_pipeline_that_is_not_deployed_one_thing_is_amiss_and_not_its_schedule_too(bare: Target) -> None:
    definition = load_pipeline(PROJECT_ROOT / "pipelines" / "ndvi-alentejo.yaml")
    found = {each.what: each for each in examine(bare, [definition])}
    assert found["ndvi-alentejo: deployment"].state is State.BAD
    assert found["ndvi-alentejo: deployment"].told.endswith("`make deploy STAGE=dev` deploys it")
    assert "ndvi-alentejo: schedule" not in found
