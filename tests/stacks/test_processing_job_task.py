"""The processing-job construct by itself, in a machine that knows nothing of this project."""

from __future__ import annotations

import ast
import importlib
import json
import shutil
import sys
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk.assertions import Match, Template

from stacks.components import processing_job as pj
from tests.stacks.templates import context, evaluate

JOB = pj.Job(
    app_specification=pj.AppSpecification("image"),
    processing_resources=pj.ProcessingResources(pj.ClusterConfig(30, "ml.m5.large", 1)),
    stopping_condition=pj.StoppingCondition(600),
)


def _stack() -> tuple[cdk.Stack, iam.Role]:
    stack = cdk.Stack(cdk.App(analytics_reporting=False), "Stack")
    return stack, iam.Role(stack, "JobRole", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))


@pytest.fixture(scope="module")
def template() -> Template:
    """The package's own example, in short: a run, then a bare task."""
    stack, role = _stack()
    run = pj.ProcessingJobRun(stack, "Maps", job=JOB, role=role, name_prefix="maps")
    task = pj.ProcessingJobTask(
        stack, "Tiles", job=JOB, role=role, name_prefix="tiles", start_up=cdk.Duration.minutes(5)
    )
    sfn.StateMachine(
        stack,
        "Machine",
        query_language=sfn.QueryLanguage.JSONATA,
        definition_body=sfn.DefinitionBody.from_chainable(run.next(task).next(sfn.Succeed.jsonata(stack, "Done"))),
    )
    return Template.from_stack(stack)


@pytest.fixture(scope="module")
def states(template: Template) -> dict:
    (machine,) = template.find_resources("AWS::StepFunctions::StateMachine").values()
    parts = machine["Properties"]["DefinitionString"]["Fn::Join"][1]
    return json.loads("".join(each if isinstance(each, str) else json.dumps(each).replace('"', "'") for each in parts))[
        "States"
    ]


def test_a_machine_is_granted_what_sync_needs_and_nothing_wider(template: Template) -> None:
    (policy,) = (
        each["Properties"]["PolicyDocument"]["Statement"]
        for key, each in template.find_resources("AWS::IAM::Policy").items()
        if key.startswith("Machine")
    )
    granted = {
        action
        for each in policy
        for action in (each["Action"] if isinstance(each["Action"], list) else [each["Action"]])
    }
    assert granted == {
        "sagemaker:AddTags",
        "sagemaker:CreateProcessingJob",
        "sagemaker:DescribeProcessingJob",
        "sagemaker:ListTags",
        "sagemaker:StopProcessingJob",
        "iam:PassRole",
        "events:DescribeRule",
        "events:PutRule",
        "events:PutTargets",
    }
    resources = json.dumps([each["Resource"] for each in policy])
    assert '"*"' not in resources
    assert "processing-job/maps-????????????-*" in resources
    assert "processing-job/tiles-????????????-*" in resources
    assert "rule/StepFunctionsGetEventsForSageMakerProcessingJobsRule" in resources
    (pass_role,) = (each for each in policy if each["Action"] == "iam:PassRole")
    assert pass_role["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    assert pass_role["Resource"] == {"Fn::GetAtt": [_job_role(template), "Arn"]}


def _job_role(template: Template) -> str:
    """The job role's logical id."""
    return next(key for key in template.find_resources("AWS::IAM::Role") if key.startswith("JobRole"))


def test_the_machine_waits_for_its_permissions(template: Template) -> None:
    template.has_resource(
        "AWS::StepFunctions::StateMachine",
        {"DependsOn": Match.array_with([Match.string_like_regexp("MachineRoleDefaultPolicy.*")])},
    )


def test_somebody_else_can_be_granted_the_same() -> None:
    stack, role = _stack()
    task = pj.ProcessingJobTask(stack, "Task", job=JOB, role=role, name_prefix="maps")
    task.grant_run(iam.Role(stack, "Operator", assumed_by=iam.AccountRootPrincipal()))
    Template.from_stack(stack).has_resource_properties(
        "AWS::IAM::Policy",
        {"PolicyDocument": {"Statement": Match.array_with([Match.object_like({"Action": "iam:PassRole"})])}},
    )


def test_a_task_that_no_role_was_granted_to_run_ends_the_synthesis() -> None:
    stack, role = _stack()
    task = pj.ProcessingJobTask(stack, "Maps", job=JOB, role=role, name_prefix="maps")
    machine_role = iam.Role(stack, "MachineRole", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
    # By hand: what the CDK does not know of it can't grant.
    sfn.CfnStateMachine(
        stack, "Machine", role_arn=machine_role.role_arn, definition={"States": {"Maps": task.to_state_json()}}
    )
    with pytest.raises(RuntimeError, match="Stack/Maps: no role may start its processing jobs"):
        cdk.App.of(stack).synth()
    task.grant_run(machine_role)
    cdk.App.of(stack).synth()


def test_an_invalid_job_is_refused_with_its_place_and_all_reasons() -> None:
    stack, role = _stack()
    bad = pj.Job(
        app_specification=pj.AppSpecification("i" * 300),
        processing_resources=pj.ProcessingResources(pj.ClusterConfig(0, "ml.m5.large")),
    )
    with pytest.raises(pj.InvalidJob) as refused:
        pj.ProcessingJobTask(stack, "Maps", job=bad, role=role, name_prefix="maps")
    assert "Stack/Maps is no valid processing job" in str(refused.value)
    assert len(refused.value.problems) == 2


def test_the_state_outlives_the_jobs_own_time_limit_by_its_start_up(states: dict) -> None:
    assert states["Maps"]["TimeoutSeconds"] == 600 + 3600
    assert states["Tiles"]["TimeoutSeconds"] == 600 + 300


def test_a_task_retries_by_name_only_what_can_be_nothing_but_throttling(states: dict) -> None:
    (retry,) = states["Tiles"]["Retry"]
    assert set(retry["ErrorEquals"]) == {
        "ThrottlingException",
        "SageMaker.ThrottlingException",
    }
    assert (retry["IntervalSeconds"], retry["BackoffRate"], retry["JitterStrategy"]) == (5, 2, "FULL")
    assert retry["MaxDelaySeconds"] == 120
    # Job names leave ten numbers to the retries of one attempt.
    assert retry["MaxAttempts"] < 10


def _judge(states: dict, error: str, cause: object, given: dict | None = None, *, within: dict | None = None) -> dict:
    (catch,) = states["Maps"]["Catch"]
    assert catch["ErrorEquals"] == ["States.ALL"]
    caught = {"Error": error}
    if cause is not None:
        caught["Cause"] = cause if isinstance(cause, str) else json.dumps(cause)
    return evaluate(
        catch["Output"], states={"errorOutput": caught, "input": given or {"batch": 2}, "context": within or context()}
    )


def _failed(reason: str, **more: str) -> dict:
    return {"ProcessingJobName": "maps-0-0", "ProcessingJobStatus": "Failed", "FailureReason": reason, **more}


@pytest.mark.parametrize(
    ("error", "cause", "heals"),
    [
        ("States.TaskFailed", _failed("CapacityError: Unable to provision requested ML compute capacity."), True),
        (
            "States.TaskFailed",
            _failed("InternalServerError: We encountered an internal error. Please try again."),
            True,
        ),
        ("States.TaskFailed", _failed("AlgorithmError: See job logs for more information"), False),
        ("States.TaskFailed", _failed("AlgorithmError: CapacityError in the script's own words"), False),
        ("States.TaskFailed", _failed("ClientError: No S3 objects found under S3 URL"), False),
        ("States.TaskFailed", {"ProcessingJobName": "j", "ProcessingJobStatus": "Stopped"}, False),
        (
            "SageMaker.AmazonSageMakerException",
            "Rate exceeded (Service: AmazonSageMaker; Status Code: 400; Error Code: ThrottlingException)",
            True,
        ),
        (
            "SageMaker.AmazonSageMakerException",
            "Rate exceeded (Service: SageMaker, Status Code: 400, Request ID: x)",
            True,
        ),
        (
            "SageMaker.AmazonSageMakerException",
            "null (Service: AmazonSageMaker; Status Code: 503; Error Code: null)",
            True,
        ),
        (
            "SageMaker.AmazonSageMakerException",
            "1 validation error: … (Service: AmazonSageMaker; Status Code: 400; Error Code: ValidationException)",
            False,
        ),
        (
            "SageMaker.ResourceLimitExceededException",
            "The account-level service limit 'ml.m5.large for processing job usage' is 0",
            False,
        ),
        ("SageMaker.AmazonSageMakerException", "1 validation error detected: Value 'Rate exceeded' at 'x'", False),
        ("States.Timeout", None, False),
        ("States.Permissions", "no", False),
    ],
)
def test_what_heals_by_waiting_is_told_from_what_does_not(states: dict, error: str, cause: object, heals: bool) -> None:
    assert _judge(states, error, cause)["heals"] is heals


def test_a_failed_jobs_reason_names_failure_exit_message_and_job(states: dict) -> None:
    judged = _judge(
        states, "States.TaskFailed", _failed("AlgorithmError: exit code 3", ExitMessage='scene "a\\b" is broken')
    )
    assert judged["reason"] == 'AlgorithmError: exit code 3; scene "a\\b" is broken; maps-0-0'


TOO_LOW = (
    "The account-level service limit 'ml.m8i-flex.12xlarge for processing job usage' is 4 Instances, with current "
    "utilization of 3 Instances and a request delta of 20 Instances. Please use AWS Service Quotas to request an "
    "increase for this quota. If AWS Service Quotas is not available, contact AWS support to request an increase for "
    "this quota. (Service: AmazonSageMaker; Status Code: 400; Error Code: ResourceLimitExceeded; Request ID: x)"
)


def test_a_quota_that_is_too_low_is_told_with_name_value_need_link_and_call(states: dict) -> None:
    reason = _judge(states, "SageMaker.ResourceLimitExceededException", TOO_LOW)["reason"]
    name = "ml.m8i-flex.12xlarge for processing job usage"
    assert reason == (
        f"Instances needed: 23. The quota “{name}” is 4, which retrying does not change. Raise it: "
        "https://us-west-2.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas or "
        "`aws service-quotas request-service-quota-increase --region us-west-2 --service-code sagemaker "
        "--desired-value 23 --quota-code $(aws service-quotas list-aws-default-service-quotas --region us-west-2 "
        f"--service-code sagemaker --output text --query \"Quotas[?QuotaName=='{name}'].QuotaCode\")`"
    )
    assert len(reason) < 600


def test_in_govcloud_the_link_is_govclouds(states: dict) -> None:
    given = context(partition="aws-us-gov", region="us-gov-east-1")
    reason = _judge(states, "SageMaker.ResourceLimitExceededException", TOO_LOW, within=given)["reason"]
    assert "Raise it: https://us-gov-east-1.console.amazonaws-us-gov.com/servicequotas/home/services/sage" in reason
    assert reason.endswith('.QuotaCode")`'), "cut off"


def test_a_quota_refused_in_other_words_is_told_in_those(states: dict) -> None:
    reason = _judge(states, "SageMaker.ResourceLimitExceededException", "Too many jobs. " + "y" * 900)["reason"]
    assert reason.startswith("SageMaker.ResourceLimitExceededException: Too many jobs.")
    assert len(reason) == 600


def test_a_stopped_job_is_told_to_be_one(states: dict) -> None:
    job = {
        "ProcessingJobName": "maps-0-0",
        "ProcessingJobStatus": "Stopped",
        "StoppingCondition": {"MaxRuntimeInSeconds": 14400},
    }
    assert _judge(states, "States.TaskFailed", job)["reason"] == (
        "It was stopped, by a person or after its run time of 14400 s; maps-0-0"
    )


@pytest.mark.parametrize(
    "cause", ["", "plain words", '{"cut off in the middle', '{"Failure', "}{", "[]", "{}", "x" * 5000, "{not json}"]
)
def test_any_cause_gives_a_reason(states: dict, cause: str) -> None:
    judged = _judge(states, "States.TaskFailed", cause)
    assert 0 < len(judged["reason"]) <= 600
    assert judged["heals"] is False


def test_attempts_are_counted_and_the_input_is_kept(states: dict) -> None:
    first = _judge(states, "States.Timeout", None, {"batch": 2})
    assert (first["batch"], first["attempt"]) == (2, 1)
    assert _judge(states, "States.Timeout", None, first)["attempt"] == 2


def test_it_stops_after_the_last_attempt(states: dict) -> None:
    choice = states["MapsCanHeal?"]
    condition = choice["Choices"][0]["Condition"]
    tries = {n: evaluate(condition, states={"input": {"heals": True, "attempt": n}}) for n in range(1, 7)}
    assert tries == {1: True, 2: True, 3: True, 4: True, 5: False, 6: False}
    assert evaluate(condition, states={"input": {"heals": False, "attempt": 1}}) is False
    assert choice["Default"] == "MapsFailed"
    assert states["MapsFailed"]["Output"] == {"failed": True, "reason": "{% $states.input.reason %}"}
    assert states["MapsPause"]["Next"] == "Maps"


def test_pauses_grow_with_full_jitter_up_to_the_longest(states: dict) -> None:
    seconds = states["MapsPause"]["Seconds"]
    for attempt, longest in ((1, 60), (2, 120), (4, 480), (9, 900)):
        drawn = [evaluate(seconds, states={"input": {"attempt": attempt}}) for _ in range(200)]
        assert all(each == int(each) for each in drawn)
        assert 1 <= min(drawn) <= longest * 0.2
        assert longest * 0.8 <= max(drawn) <= longest


def test_the_package_can_be_lifted_out_it_knows_the_cdk_and_nothing_of_us() -> None:
    for path in Path(pj.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for name in names:
                known = name.partition(".")[0] in {*sys.stdlib_module_names, "aws_cdk", "constructs", "jsii"}
                assert known, f"{path.name} imports {name}"


def test_the_documented_example_works_in_an_app_that_has_copied_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(Path(pj.__file__).parent, tmp_path / "lifted_job")
    monkeypatch.syspath_prepend(tmp_path)
    lifted = importlib.import_module("lifted_job")
    example = "\n".join(line[4:] for line in lifted.__doc__.splitlines() if line.startswith("    "))
    stack, role = _stack()
    exec(example, vars(lifted) | {"stack": stack, "execution_role": role, "sfn": sfn})  # noqa: S102 (ours)
    template = Template.from_stack(stack)
    template.resource_count_is("AWS::StepFunctions::StateMachine", 1)
    assert "createProcessingJob.sync" in json.dumps(template.to_json())


def test_what_the_script_said_is_kept_beside_a_long_failure_reason(states: dict) -> None:
    job = {"ProcessingJobName": "maps-1", "FailureReason": "AlgorithmError: " + "x" * 900, "ExitMessage": "No CRS."}
    judged = _judge(states, "States.TaskFailed", job)
    assert judged["reason"].startswith("AlgorithmError: xxx")
    assert "; No CRS.; maps-1" in judged["reason"]
    assert len(judged["reason"]) <= 600


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        # Cut behind a brace that closes something else: it looks like JSON and is none.
        ('{"ProcessingJobName": "j", "FailureReason": "ClientError: no", "Tags": {"A": "b"}', "ClientError: no; j"),
        ('{"ExitMessage": "{a}", "FailureReason": "AlgorithmError: {x}', "AlgorithmError: {x}; {a}"),
        # Cut within the reason, within an escape, within half of a character.
        ('{"FailureReason":"ClientError: a \\"b\\" c\\', 'ClientError: a "b" c'),
        ('{"FailureReason": "ClientError: caf\\u00e9 \\u00', "ClientError: café "),
        ('{"FailureReason": "\\ud83d\\ude00 \\ud83d', "😀 "),
        # Its own words quote the key.
        ('{"ExitMessage": "\\"FailureReason\\": \\"x\\"", "FailureReason": "Error', 'Error; "FailureReason": "x"'),
        ('{"ProcessingInputs": [{"InputName": "a"}', 'States.TaskFailed: {"ProcessingInputs": [{"InputName": "a"}'),
    ],
)  # fmt: skip
def test_of_a_cause_that_was_cut_off_the_reason_is_found_all_the_same(states: dict, left: str, reason: str) -> None:
    assert _judge(states, "States.TaskFailed", left)["reason"] == reason


def test_a_cause_as_long_as_step_functions_has_them_is_read(states: dict) -> None:
    job = {
        "Environment": {"A": 'b"\\' * 4000},
        "ProcessingJobName": "j",
        "FailureReason": "AlgorithmError: " + '"' * 500,
        "Tags": ["c" * 20000],
    }
    judged = _judge(states, "States.TaskFailed", json.dumps(job)[:32768])
    assert judged["reason"] == "AlgorithmError: " + '"' * 264 + "; j"


def test_a_cause_that_was_cut_off_is_judged_by_what_is_left_of_it(states: dict) -> None:
    job = {"ProcessingJobName": "maps-1", "FailureReason": "CapacityError: none left", "Environment": {"A": "b" * 99}}
    for text, heals in ((json.dumps(job)[:150], True), (json.dumps(job).replace("Capacity", "Algorithm")[:150], False)):
        judged = _judge(states, "States.TaskFailed", text)
        assert judged["heals"] is heals
        assert "Error: none left" in judged["reason"]
