"""What the doctor says of definitions, quotas and images where nothing is deployed; end to end, of a whole stage."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from geocadence import doctor
from geocadence.definition import Definition, load_pipeline
from geocadence.definition.files import PROJECT_ROOT
from geocadence.doctor import Finding, State, examine
from geocadence.target import Target


class Nothing:
    """A service that has nothing of what it is asked for."""

    def __getattr__(self, operation: str) -> Any:
        def answer(*_: Any, **__: Any) -> None:
            code = "StateMachineDoesNotExist" if "machine" in operation else "ResourceNotFoundException"
            raise ClientError({"Error": {"Code": code, "Message": "none"}}, operation)

        return answer


class Quotas:
    """Service Quotas with one quota of this value, for one type, and that of all jobs where it is given."""

    def __init__(self, value: float, *, of_all_jobs: float | None = None) -> None:
        named = {"QuotaName": "ml.m5.4xlarge for processing job usage", "Value": value, "QuotaCode": "L-2"}
        of_all = {"QuotaName": "Number of instances across all processing jobs", "QuotaCode": "L-4"}
        self.pages = [{"Quotas": [named, *([of_all | {"Value": of_all_jobs}] if of_all_jobs is not None else [])]}]

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=lambda ServiceCode: self.pages)


def bare_target(**clients: Any) -> Target:
    """An account in which nothing is deployed."""
    services = ("ssm", "stepfunctions", "scheduler", "service-quotas")
    session = boto3.Session(region_name="us-west-2")
    none: dict[str, Any] = {service: Nothing() for service in services}
    return Target("dev", "us-west-2", "1", is_local=False, session=session, _clients=none | clients)


@pytest.fixture
def bare() -> Target:
    return bare_target()


def defined(folder: Path, processing: str, limits: str = "{}") -> Definition:
    """A pipeline over scenes."""
    (folder / "script.py").touch()
    path = folder / "p.yaml"
    source = "{items: {href: s3://bucket/scenes.json}}"
    path.write_text(f"name: p\nsource: {source}\nprocessing: {{script: script.py, {processing}}}\nlimits: {limits}\n")
    return load_pipeline(path)


@pytest.mark.parametrize(
    ("value", "state", "told"),
    [
        (
            1,
            State.BAD,
            "is 1, a job needs 2: aws service-quotas request-service-quota-increase --service-code sagemaker ",
        ),
        (3, State.WARNING, "is 3, 3 jobs at a time need 6: "),
        (6, State.GOOD, "is 6, 6 needed at most"),
    ],
)
def test_a_quota_is_held_against_what_the_definition_may_come_to(
    tmp_path: Path, value: float, state: State, told: str
) -> None:
    limits = "{max_scenes_per_run: 30, scenes_per_job: 10, concurrent_jobs: 4}"
    definition = defined(tmp_path, "instance_count: 2", limits)
    found = {each.what: each for each in examine(bare_target(**{"service-quotas": Quotas(value)}), [definition])}
    assert found["p: quota"].state is state
    assert found["p: quota"].told.startswith(f"“ml.m5.4xlarge for processing job usage” {told}")
    if state is not State.GOOD:
        assert "--desired-value 6 " in found["p: quota"].told
        assert "/servicequotas/home/services/sagemaker/quotas/L-2" in found["p: quota"].told


@pytest.mark.parametrize(
    ("types", "states"),
    [
        ("[ml.m5.4xlarge]", [State.BAD]),
        # No quota is known of the second one, and a run is not refused.
        ("[ml.m5.4xlarge, ml.m6i.4xlarge]", [State.WARNING, State.WARNING]),
    ],
)
def test_of_several_types_one_that_a_job_can_have_is_enough(tmp_path: Path, types: str, states: list[State]) -> None:
    definition = defined(tmp_path, f"instance_preferences: {types}, instance_count: 2")
    examined = examine(bare_target(**{"service-quotas": Quotas(1)}), [definition])
    told = [each for each in examined if each.what == "p: quota"]
    assert [each.state for each in told] == states
    assert "is 1, a job needs 2: " in told[0].told


@pytest.mark.parametrize(("of_all_jobs", "state"), [(1, State.BAD), (2, State.WARNING), (4, State.GOOD)])
def test_all_jobs_together_have_a_quota_too(tmp_path: Path, of_all_jobs: float, state: State) -> None:
    """Real accounts had 4 of these with any number of a type's."""
    definition = defined(tmp_path, "instance_count: 2", "{max_scenes_per_run: 20, scenes_per_job: 10}")
    quotas = Quotas(50, of_all_jobs=of_all_jobs)
    found = [each for each in examine(bare_target(**{"service-quotas": quotas}), [definition]) if "quota" in each.what]
    assert [each.state for each in found] == [State.GOOD, state]
    assert found[1].told.startswith(f"“Number of instances across all processing jobs” is {of_all_jobs}, ")


def test_quotas_that_may_not_be_read_are_no_fault_of_the_definition(bare: Target, tmp_path: Path) -> None:
    found = {each.what: each for each in examine(bare, [defined(tmp_path, "instance_count: 2")])}
    assert found["p: quota"].state is State.WARNING
    assert "can't be read" in found["p: quota"].told


@pytest.mark.parametrize(
    ("image", "state"),
    [
        ("sagemaker-geospatial", State.GOOD),
        ("build", State.GOOD),
        ("123456789012.dkr.ecr.us-west-2.amazonaws.com/maps:1", State.GOOD),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/maps:1", State.BAD),
    ],
)
def test_an_image_of_another_region_is_found(bare: Target, tmp_path: Path, image: str, state: State) -> None:
    found = {each.what: each for each in examine(bare, [defined(tmp_path, f"image: '{image}'")])}
    assert found["p: image"].state is state


def test_what_validate_is_cautious_of_the_doctor_is_too(bare: Target, tmp_path: Path) -> None:
    image = "123456789012.dkr.ecr.us-west-2.amazonaws.com/maps:latest"
    definition = defined(tmp_path, f"image: '{image}', instance_count: 2, distribution: FullyReplicated")
    found = [each for each in examine(bare, [definition]) if each.what.startswith("p: processing.")]
    assert [(each.what, each.state) for each in found] == [
        ("p: processing.distribution", State.WARNING),
        ("p: processing.image", State.WARNING),
    ]
    assert "name its digest" in found[1].told


def test_of_a_pipeline_that_is_not_deployed_one_thing_is_amiss_and_not_its_schedule_too(bare: Target) -> None:
    definition = load_pipeline(PROJECT_ROOT / "pipelines" / "ndvi-alentejo.yaml")
    found = {each.what: each for each in examine(bare, [definition])}
    assert found["ndvi-alentejo: deployment"].state is State.BAD
    assert found["ndvi-alentejo: deployment"].told.endswith("`make deploy STAGE=dev` deploys it")
    assert "ndvi-alentejo: schedule" not in found


def test_an_account_that_was_never_bootstrapped_is_told_the_command(bare: Target) -> None:
    ready = bare_target(ssm=SimpleNamespace(get_parameter=lambda Name: {"Parameter": {"Value": "30"}}))
    command = ".venv/bin/python tools/cdk.py bootstrap aws://1/us-west-2"
    never = Finding("bootstrap", State.BAD, f"the account is not ready for the CDK: run {command}")
    assert list(examine(bare, []))[1:] == [never]
    assert list(examine(ready, []))[1:] == [Finding("bootstrap", State.GOOD, "version 30")]


@pytest.mark.parametrize(
    ("state", "what", "told"),
    [
        (None, State.BAD, "there is none, though the definition has one: deploy the pipeline again"),
        ("ENABLED", State.GOOD, "cron(0 6 ? * MON *) in Europe/Lisbon"),
        ("DISABLED", State.WARNING, "cron(0 6 ? * MON *) in Europe/Lisbon, switched off (schedule.enabled)"),
    ],
)
def test_a_deployed_schedule_that_is_missing_or_switched_off_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str | None, what: State, told: str
) -> None:
    monkeypatch.setattr(doctor, "noted_differences", lambda target, definition: [])
    found = {"ScheduleExpression": "cron(0 6 ? * MON *)", "ScheduleExpressionTimezone": "Europe/Lisbon", "State": state}
    clients = {"stepfunctions": SimpleNamespace(describe_state_machine=lambda stateMachineArn: {"name": "machine"})}
    if state is not None:
        clients["scheduler"] = SimpleNamespace(get_schedule=lambda Name: found)
    definition = defined(tmp_path, "instance_count: 2")
    assert "p: schedule" not in {each.what for each in examine(bare_target(**clients), [definition])}

    with (tmp_path / "p.yaml").open("a") as file:
        file.write('schedule: {cron: "0 6 ? * MON *", timezone: Europe/Lisbon}\n')
    seen = {each.what: each for each in examine(bare_target(**clients), [load_pipeline(tmp_path / "p.yaml")])}

    assert seen["p: deployment"] == Finding("p: deployment", State.GOOD, "machine")
    assert seen["p: schedule"] == Finding("p: schedule", what, told)
