"""Who may do what: every role of every stack, as an attacker would read it."""

from __future__ import annotations

import json

import pytest

from tests.stacks.templates import ACCOUNT, REGION, Stack, Synthesis, as_list

# Actions that know no resources (service authorization reference), each with who needs it and why.
ON_EVERYTHING = {
    "ecr:GetAuthorizationToken": "execution role: the log-in for pulling an image",
    "cloudwatch:PutMetricData": "execution role: held to SageMaker's namespace by a condition",
    "servicequotas:ListServiceQuotas": "plan function: is the quota for the job's instances high enough",
    "servicequotas:ListAWSDefaultServiceQuotas": "plan function: likewise, where nothing else was granted",
    "sagemaker:ListProcessingJobs": "close function: finding the jobs of its run; plan function: who is still at work",
    "pricing:GetProducts": "plan function: AWS's public price list",
    "logs:CreateLogDelivery": "state machine: writing its log",
    "logs:DeleteLogDelivery": "state machine: writing its log",
    "logs:DescribeLogGroups": "state machine: writing its log",
    "logs:DescribeResourcePolicies": "state machine: writing its log",
    "logs:GetLogDelivery": "state machine: writing its log",
    "logs:ListLogDeliveries": "state machine: writing its log",
    "logs:PutResourcePolicy": "state machine: writing its log",
    "logs:UpdateLogDelivery": "state machine: writing its log",
    "xray:GetSamplingRules": "state machine: traces",
    "xray:GetSamplingTargets": "state machine: traces",
    "xray:PutTelemetryRecords": "state machine: traces",
    "xray:PutTraceSegments": "state machine: traces",
}


def test_no_statement_reaches_everything_without_a_reason(synthesis: Synthesis) -> None:
    seen = set()
    for stack in synthesis.stacks:
        for role, statement in stack.all_statements():
            actions = as_list(statement["Action"])
            assert not [each for each in actions if "*" in each], f"{stack.name} {role}: {actions}"
            if "*" in as_list(statement["Resource"]):
                assert set(actions) <= set(ON_EVERYTHING), f"{stack.name} {role}: {actions}"
                seen |= set(actions)
    assert seen == set(ON_EVERYTHING), "reasons for what nobody does any more"


def test_no_role_reaches_a_whole_bucket(synthesis: Synthesis) -> None:
    for stack in synthesis.stacks:
        for role, statement in stack.all_statements():
            for resource in as_list(statement["Resource"]):
                if ":s3:::" in resource and "s3:ListBucket" not in as_list(statement["Action"]):
                    assert not resource.endswith(f"{ACCOUNT}-{REGION}/*"), f"{stack.name} {role}: {resource}"
            if "s3:ListBucket" in as_list(statement["Action"]):
                prefixes = as_list(statement["Condition"]["StringLike"]["s3:prefix"])
                assert all(prefix.strip("*") for prefix in prefixes), f"{stack.name} {role}: {prefixes}"


def _may(statements: list[dict], action: str) -> list[str]:
    return sorted(r for each in statements if action in as_list(each["Action"]) for r in as_list(each["Resource"]))


@pytest.fixture(scope="module")
def weekly(synthesis: Synthesis) -> Stack:
    return synthesis.stack("geocadence-dev-ndvi-weekly")


IN, OUT = (f"arn:aws:s3:::geocadence-dev-{name}-{ACCOUNT}-{REGION}" for name in ("input", "output"))
LOGS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/ProcessingJobs"


def test_jobs_read_their_pipelines_input_its_source_and_their_one_script(weekly: Stack) -> None:
    role = weekly.statements("ExecutionRole")
    script, *rest = _may(role, "s3:GetObject")
    assert script.startswith(f"arn:aws:s3:::cdk-hnb659fds-assets-{ACCOUNT}-{REGION}/")
    assert script.endswith(".zip")
    assert rest == [f"{IN}/ndvi-weekly/*", "arn:aws:s3:::sentinel-cogs/sentinel-s2-c1-l2a/*"]
    listed = {json.dumps(each["Condition"]) for each in role if "s3:ListBucket" in as_list(each["Action"])}
    assert len(listed) == 3


def test_jobs_write_their_own_products_logs_and_metrics_only(weekly: Stack) -> None:
    role = weekly.statements("ExecutionRole")
    assert _may(role, "s3:PutObject") == [f"{OUT}/ndvi-weekly/*"]
    assert _may(role, "logs:PutLogEvents") == [f"{LOGS}:log-stream:ndvi-weekly-4fa610-????????????-*"]
    (metrics,) = (each for each in role if "cloudwatch:PutMetricData" in as_list(each["Action"]))
    assert metrics["Condition"] == {"StringEquals": {"cloudwatch:namespace": "/aws/sagemaker/ProcessingJobs"}}
    assert {action for each in role for action in as_list(each["Action"])} == {
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "logs:CreateLogGroup",
        "logs:DescribeLogStreams",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "ecr:GetAuthorizationToken",
        "cloudwatch:PutMetricData",
    }


@pytest.mark.parametrize(
    ("pipeline", "repository"),
    [
        ("ndvi-weekly", "arn:aws:ecr:us-west-2:081189585635:repository/sagemaker-geospatial-v1-0"),
        ("tiles", "arn:aws:ecr:us-west-2:123456789012:repository/maps/tiles"),
    ],
)
def test_jobs_pull_their_image_wherever_it_is(synthesis: Synthesis, pipeline: str, repository: str) -> None:
    role = synthesis.stack(f"geocadence-dev-{pipeline}").statements("ExecutionRole")
    assert _may(role, "ecr:BatchGetImage") == [repository]


@pytest.mark.parametrize(
    ("pipeline", "source"),
    [
        ("tiles", "arn:aws:s3:::survey-images/2026/*"),
        ("orthos", "arn:aws:s3:::survey-images/lists/*"),
        # Further inputs, which are looked at before a job is started.
        ("zonal", "arn:aws:s3:::survey-lists/tables/dark.csv*"),
        ("zonal", "arn:aws:s3:::survey-lists/masks/*"),
    ],
)
def test_jobs_and_planning_read_the_source(synthesis: Synthesis, pipeline: str, source: str) -> None:
    stack = synthesis.stack(f"geocadence-dev-{pipeline}")
    assert source in _may(stack.statements("ExecutionRole"), "s3:GetObject")
    assert source in _may(stack.statements("PlanRole"), "s3:GetObject")
    assert source not in _may(stack.statements("CloseRole"), "s3:GetObject")


@pytest.mark.parametrize("pipeline", ["roots", "zonal"])
def test_what_a_manifest_may_name_is_to_planning_what_it_is_to_the_job(synthesis: Synthesis, pipeline: str) -> None:
    """So that what the job will be denied is told before it starts; but for what planning has to read of its own."""
    stack = synthesis.stack(f"geocadence-dev-{pipeline}")
    job, plan = (
        {each for each in _may(stack.statements(role), "s3:GetObject") if "cdk-hnb659fds-assets" not in each}
        for role in ("ExecutionRole", "PlanRole")
    )
    assert job - plan == set()
    assert plan - job == {f"{IN}/{pipeline}/runs/*", f"{OUT}/{pipeline}/*"}


def test_planning_writes_plans_only(weekly: Stack) -> None:
    role = weekly.statements("PlanRole")
    assert _may(role, "s3:PutObject") == [f"{IN}/ndvi-weekly/runs/*", f"{IN}/ndvi-weekly/runs/*/plan/*"]
    assert [each for each in _may(role, "s3:GetObject") if "assets" not in each] == [
        f"{IN}/ndvi-weekly/runs/*",
        f"{OUT}/ndvi-weekly/*",
    ]
    assert not _may(role, "sagemaker:CreateProcessingJob")


def test_the_functions_of_a_batch_know_slices_of_the_plan_and_write_what_the_next_step_needs(weekly: Stack) -> None:
    write, reconcile = weekly.statements("FunctionsWriteRole"), weekly.statements("FunctionsReconcileRole")
    slices = f"{IN}/ndvi-weekly/runs/*/plan/*"
    # That its run still has a claim is looked at before each job, and entered anew in a redriven run.
    claims = f"{IN}/ndvi-weekly/runs/claims.json"
    assert _may(write, "s3:GetObject") == [slices, claims]
    assert _may(write, "s3:PutObject") == [f"{IN}/ndvi-weekly/runs/*/batches/*", claims]
    assert _may(reconcile, "s3:GetObject") == [slices, f"{OUT}/ndvi-weekly/*"]
    assert _may(reconcile, "s3:PutObject") == [f"{IN}/ndvi-weekly/runs/*/results/*"]
    for role in (write, reconcile):
        actions = {action for each in role for action in as_list(each["Action"])}
        assert {action for action in actions if not action.startswith("logs:")} - {"s3:AbortMultipartUpload"} == {
            "s3:GetObject",
            "s3:ListBucket",
            "s3:PutObject",
            "s3:PutObjectTagging",
        }


def test_what_has_no_scenes_has_no_functions_for_batches(synthesis: Synthesis) -> None:
    names = {
        each["Properties"].get("FunctionName")
        for each in synthesis.stack("geocadence-dev-tiles").of_type("AWS::Lambda::Function").values()
    }
    assert {name for name in names if name and name.startswith("geocadence-")} == {
        "geocadence-dev-tiles-plan",
        "geocadence-dev-tiles-close",
    }


def test_closing_writes_catalogue_and_reports_but_no_products(weekly: Stack) -> None:
    role = weekly.statements("CloseRole")
    assert _may(role, "s3:PutObject") == [
        f"{IN}/ndvi-weekly/runs/claims.json",
        f"{OUT}/ndvi-weekly/collection.json",
        f"{OUT}/ndvi-weekly/items.parquet",
        f"{OUT}/ndvi-weekly/runs/*",
    ]
    jobs = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:processing-job/ndvi-weekly-4fa610-????????????-*"
    assert _may(role, "sagemaker:DescribeProcessingJob") == [jobs]


def test_planning_sees_the_executions_of_its_own_machine_only(weekly: Stack) -> None:
    executions = _may(weekly.statements("PlanRole"), "states:DescribeExecution")
    assert executions == [f"arn:aws:states:{REGION}:{ACCOUNT}:execution:geocadence-dev-ndvi-weekly:*"]


def test_functions_write_their_own_log_group_only(weekly: Stack) -> None:
    for name in ("Plan", "Write", "Reconcile", "Close", "Backfill"):
        (group,) = _may(weekly.statements(f"Functions{name}Role"), "logs:PutLogEvents")
        assert group.startswith(f"<Functions{name}Logs")


def test_nobody_deletes(synthesis: Synthesis) -> None:
    for stack in synthesis.stacks:
        for role, statement in stack.all_statements():
            assert not [each for each in as_list(statement["Action"]) if each.startswith("s3:Delete")], role


def test_services_of_other_accounts_cannot_have_our_roles_assumed(weekly: Stack) -> None:
    trusted = {}
    for role in weekly.of_type("AWS::IAM::Role").values():
        (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        trusted[statement["Principal"]["Service"]] = statement.get("Condition")
    ours = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert trusted["sagemaker.amazonaws.com"] == ours
    assert trusted["scheduler.amazonaws.com"] == ours
    assert set(trusted) == {
        "sagemaker.amazonaws.com",
        "scheduler.amazonaws.com",
        "lambda.amazonaws.com",
        "states.amazonaws.com",
    }


def test_the_schedule_starts_this_machine_and_keeps_what_it_could_not_deliver(weekly: Stack) -> None:
    role = weekly.statements("ScheduleRole")
    may = {each["Action"]: each["Resource"] for each in role}
    assert set(may) == {"states:StartExecution", "sqs:SendMessage"}
    assert may["states:StartExecution"].startswith("<Machine")
    assert may["sqs:SendMessage"].startswith("<ScheduleUndelivered")


def test_the_machine_may_call_its_functions_its_topic_and_its_jobs(weekly: Stack) -> None:
    actions = {action for each in weekly.statements("MachineRole") for action in as_list(each["Action"])}
    assert actions - set(ON_EVERYTHING) == {
        "lambda:InvokeFunction",
        "sns:Publish",
        "iam:PassRole",
        "sagemaker:AddTags",
        "sagemaker:CreateProcessingJob",
        "sagemaker:DescribeProcessingJob",
        "sagemaker:ListTags",
        "sagemaker:StopProcessingJob",
        "events:DescribeRule",
        "events:PutRule",
        "events:PutTargets",
    }
    (role,) = _may(weekly.statements("MachineRole"), "iam:PassRole")
    assert role.startswith("<ExecutionRole")


def test_a_manifest_at_the_root_of_a_bucket_opens_the_manifest_alone(synthesis: Synthesis) -> None:
    role = synthesis.stack("geocadence-dev-roots").statements("ExecutionRole")
    assert [each for each in _may(role, "s3:GetObject") if "survey" in each] == ["arn:aws:s3:::survey-lists/all.json"]


def test_jobs_reach_exactly_their_own_inputs_and_outputs(synthesis: Synthesis) -> None:
    role = synthesis.stack("geocadence-dev-zonal").statements("ExecutionRole")
    readable = [each for each in _may(role, "s3:GetObject") if "cdk-hnb659fds-assets" not in each]
    assert readable == [
        f"{IN}/zonal/*",
        "arn:aws:s3:::survey-images/2026/*",
        "arn:aws:s3:::survey-lists/masks/*",
        "arn:aws:s3:::survey-lists/masks/manifest.json",
        "arn:aws:s3:::survey-lists/tables/dark.csv*",
    ]
    assert _may(role, "s3:PutObject") == [f"{OUT}/zonal/*", "arn:aws:s3:::survey-web/looks/*"]
    deployed = [each for each in _may(role, "s3:GetObject") if "cdk-hnb659fds-assets" in each]
    assert sorted(each.rpartition(".")[2] for each in deployed) == ["geojson", "zip"]
