"""A pipeline's stack: names, functions, schedule, notices, logs."""

from __future__ import annotations

import json

import pytest

from geocadence.plan.recipe import recipe_of
from tests.stacks.templates import ACCOUNT, REGION, Stack, Synthesis


@pytest.fixture(scope="module")
def weekly(synthesis: Synthesis) -> Stack:
    return synthesis.stack("geocadence-dev-ndvi-weekly")


def test_a_stage_has_the_stacks_that_its_definitions_ask_for(synthesis: Synthesis) -> None:
    assert {stack.name for stack in synthesis.stacks} == {
        "geocadence-dev-storage",
        "geocadence-dev-ndvi-weekly",
        "geocadence-dev-tiles",
        "geocadence-dev-zonal",
        "geocadence-dev-built",
        "geocadence-dev-guide",  # stages: [dev]
        "geocadence-dev-cubes",  # likewise
        "geocadence-dev-orthos",  # stages: [dev]
        "geocadence-dev-roots",  # likewise
        "geocadence-prod-storage",
        "geocadence-prod-ndvi-weekly",
        "geocadence-prod-tiles",
    }


def test_what_is_to_be_known_of_a_definition_is_told_at_synth(synthesis: Synthesis) -> None:
    """In FullyReplicated `tiles` two instances write what one would."""
    told = {
        path.name.split(".")[0]: [
            line["data"]
            for lines in json.loads(path.read_text()).values()
            for line in lines
            if line["type"] == "aws:cdk:warning"
        ]
        for path in synthesis.folder.glob("*.metadata.json")
    }
    assert {name for name, warnings in told.items() if warnings} == {"geocadence-dev-tiles", "geocadence-prod-tiles"}
    (warning,) = told["geocadence-dev-tiles"]
    assert "tiles.yaml:" in warning
    assert "processing.distribution: FullyReplicated gives each of 2 instances all of the input" in warning


def test_the_command_line_finds_what_it_needs_among_the_outputs(weekly: Stack) -> None:
    outputs = {key: weekly.plain(each["Value"]) for key, each in weekly.template["Outputs"].items()}
    assert outputs["InputBucket"] == f"geocadence-dev-input-{ACCOUNT}-{REGION}"
    assert outputs["OutputBucket"] == f"geocadence-dev-output-{ACCOUNT}-{REGION}"
    assert outputs["StateMachineArn"].startswith("<Machine")
    assert outputs["ExecutionRoleArn"].startswith("<ExecutionRole")


def test_the_schedule_names_each_execution_after_its_event(weekly: Stack) -> None:
    schedule = weekly.only("AWS::Scheduler::Schedule")
    assert schedule["Name"] == "geocadence-dev-ndvi-weekly"
    target = schedule["Target"]
    assert target["Arn"] == "arn:aws:scheduler:::aws-sdk:sfn:startExecution"
    given = json.loads(target["Input"])
    assert given.pop("StateMachineArn").startswith("<Machine")
    assert given == {
        "Name": "<aws.scheduler.execution-id>",
        "Input": '{"window":{"end":"<aws.scheduler.scheduled-time>"}}',
    }
    assert target["DeadLetterConfig"]["Arn"].startswith("<ScheduleUndelivered")
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}


def test_the_schedule_keeps_time_as_the_definition_says(weekly: Stack, synthesis: Synthesis) -> None:
    schedule = weekly.only("AWS::Scheduler::Schedule")
    assert schedule["ScheduleExpression"] == "cron(0 6 ? * MON *)"
    assert schedule["ScheduleExpressionTimezone"] == "Europe/Lisbon"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    assert schedule["State"] == "ENABLED"
    other = synthesis.stack("geocadence-dev-tiles").only("AWS::Scheduler::Schedule")
    assert other["ScheduleExpression"] == "rate(7 days)"
    assert other["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert other["State"] == "DISABLED"


def test_the_schedule_is_made_when_its_role_may_do_what_it_must(weekly: Stack) -> None:
    """EventBridge Scheduler tries the role when the schedule is made."""
    (schedule,) = weekly.of_type("AWS::Scheduler::Schedule").values()
    policies = [key for key in weekly.of_type("AWS::IAM::Policy") if key.startswith("ScheduleRole")]
    assert policies
    assert set(policies) <= set(schedule["DependsOn"])


@pytest.mark.parametrize(
    ("rate", "expression"),
    [("PT1M", "rate(1 minute)"), ("PT90M", "rate(90 minutes)"), ("PT36H", "rate(36 hours)"), ("P1D", "rate(1 day)")],
)
def test_rates_are_said_in_the_largest_unit_that_fits(rate: str, expression: str) -> None:
    from geocadence.definition.model import Schedule
    from stacks.components.run_schedule import schedule_expression

    assert schedule_expression(Schedule.model_validate({"rate": rate})) == expression


def test_without_a_schedule_there_is_none_nor_a_queue_nor_a_role_for_it(synthesis: Synthesis) -> None:
    stack = synthesis.stack("geocadence-dev-orthos")
    assert not stack.of_type("AWS::Scheduler::Schedule")
    assert not stack.of_type("AWS::SQS::Queue")
    assert "scheduler.amazonaws.com" not in json.dumps(stack.template)


def test_notices_go_to_everybody_named_and_are_encrypted(weekly: Stack, synthesis: Synthesis) -> None:
    addresses = {each["Properties"]["Endpoint"] for each in weekly.of_type("AWS::SNS::Subscription").values()}
    assert addresses == {"ops@example.com", "gis@example.com"}
    assert "alias/aws/sns" in weekly.only("AWS::SNS::Topic")["KmsMasterKeyId"]
    assert not synthesis.stack("geocadence-dev-tiles").of_type("AWS::SNS::Topic")


@pytest.mark.parametrize("name", ["plan", "close"])
def test_functions_are_told_where_their_pipeline_lives(weekly: Stack, name: str) -> None:
    (function,) = (
        each["Properties"]
        for each in weekly.of_type("AWS::Lambda::Function").values()
        if each["Properties"]["FunctionName"] == f"geocadence-dev-ndvi-weekly-{name}"
    )
    assert function["Handler"] == f"run_functions.{name}_run.handler"
    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["x86_64"])
    variables = function["Environment"]["Variables"]
    assert set(variables) == {"DEFINITION", "INPUT_BUCKET", "OUTPUT_BUCKET", "STAGE"}
    assert variables["STAGE"] == "dev"
    key = variables["DEFINITION"].rpartition("/")[2]
    definition = json.loads((weekly.folder / f"asset.{key}").read_text())
    assert definition["name"] == "ndvi-weekly"
    assert definition["source"]["stac"]["geometry"]["type"] == "Polygon"


@pytest.mark.parametrize("pipeline", ["ndvi-weekly", "tiles", "orthos", "zonal", "guide", "cubes"])
def test_the_machine_knows_the_recipe_of_its_jobs_as_the_functions_find_it_in_their_definition(
    synthesis: Synthesis, pipeline: str
) -> None:
    """So that a run which is started with one deployment's machine and planned by the next one's function tells it.

    Where the two differ, the run counts as one of an earlier deployment.
    """
    stack = synthesis.stack(f"geocadence-dev-{pipeline}")
    variables = stack.of_type("AWS::Lambda::Function").values()
    found = {v["Properties"].get("Environment", {}).get("Variables", {}).get("DEFINITION") for v in variables} - {None}
    (key,) = (uri.rpartition("/")[2] for uri in found)
    definition = json.loads((stack.folder / f"asset.{key}").read_text())
    assert stack.definition["States"]["PlanRun"]["Arguments"]["Payload"]["recipe"] == recipe_of(definition)


def test_functions_have_the_time_memory_and_disk_that_100000_scenes_take(weekly: Stack) -> None:
    """As docs/scale.md says; a sample of seven scenes would not notice less."""
    prefix = "geocadence-dev-ndvi-weekly-"
    functions = {
        each["Properties"]["FunctionName"].removeprefix(prefix): each["Properties"]
        for each in weekly.of_type("AWS::Lambda::Function").values()
    }
    given = {
        name: (each["Timeout"], each["MemorySize"], each.get("EphemeralStorage", {"Size": 512})["Size"])
        for name, each in functions.items()
    }
    assert given == {
        "plan": (900, 1769, 4096),
        "write": (900, 1024, 512),
        "reconcile": (900, 1024, 512),
        "close": (900, 1769, 4096),
        "backfill": (60, 256, 512),
    }


def test_a_state_outlasts_its_function_and_does_not_wait_for_ever(weekly: Stack) -> None:
    states = [*weekly.definition["States"].values(), *weekly.batch_states.values()]
    waiting = [each["TimeoutSeconds"] for each in states if "lambda:invoke" in each.get("Resource", "")]
    assert len(waiting) == 4
    assert all(900 < seconds <= 1800 for seconds in waiting)


def test_all_functions_of_a_stage_share_one_asset(synthesis: Synthesis) -> None:
    keys = {
        function["Properties"]["Code"]["S3Key"]
        for stack in synthesis.stacks
        if "storage" not in stack.name
        for function in stack.of_type("AWS::Lambda::Function").values()
    }
    assert len(keys) == 1


@pytest.mark.parametrize(("stage", "days"), [("dev", 30), ("prod", 365)])
def test_logs_are_kept_for_as_long_as_the_stage_is_worth(synthesis: Synthesis, stage: str, days: int) -> None:
    groups = synthesis.stack(f"geocadence-{stage}-ndvi-weekly").of_type("AWS::Logs::LogGroup").values()
    name = f"geocadence-{stage}-ndvi-weekly"
    assert {each["Properties"]["LogGroupName"]: each["Properties"]["RetentionInDays"] for each in groups} == {
        f"/aws/lambda/{name}-plan": days,
        f"/aws/lambda/{name}-write": days,
        f"/aws/lambda/{name}-reconcile": days,
        f"/aws/lambda/{name}-close": days,
        f"/aws/lambda/{name}-backfill": days,
        f"/aws/vendedlogs/states/{name}": days,
        f"/aws/vendedlogs/states/{name}_backfill": days,
    }


def test_everything_that_costs_money_is_tagged_with_its_pipeline(weekly: Stack) -> None:
    for name in ("geocadence-dev-ndvi-weekly", "geocadence-dev-ndvi-weekly_backfill"):
        tags = {each["Key"]: each["Value"] for each in weekly.machine(name)["Tags"]}
        assert tags == {"geocadence:pipeline": "ndvi-weekly", "geocadence:stage": "dev"}
    job = {each["Key"]: each["Value"] for each in weekly.task["Arguments"]["Tags"]}
    assert job == {"geocadence:pipeline": "ndvi-weekly", "geocadence:stage": "dev", "geocadence:run": "{% $run_id %}"}
