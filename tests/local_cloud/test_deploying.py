"""Stacks come up through CloudFormation as on AWS, refusals included, and SageMaker jobs run as their role."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Account, allow, unique, wait_for

SCHEDULER = "scheduler.amazonaws.com"
JOB_RULE = "arn:aws:events:us-west-2:123456789012:rule/StepFunctionsGetEventsForSageMakerProcessingJobsRule"
RULE = allow(["events:PutTargets", "events:PutRule", "events:DescribeRule"], JOB_RULE)


def trust(service: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def role_resource(service: str, *statements: dict[str, Any]) -> dict[str, Any]:
    policy = {"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)}}
    properties = {"AssumeRolePolicyDocument": trust(service), **({"Policies": [policy]} if statements else {})}
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def deploy(account: Account, resources: dict[str, Any], name: str | None = None) -> dict[str, Any]:
    """The stack, ended one way or the other, with its physical ids under `Resources`."""
    cloudformation, name = account.client("cloudformation"), name or unique("stack")
    cloudformation.create_stack(
        StackName=name, TemplateBody=json.dumps({"Resources": resources}), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    stack = wait_for(lambda: _settled(account, name), seconds=20, what=name)
    listed = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    return {**stack, "Resources": {one["LogicalResourceId"]: one.get("PhysicalResourceId") for one in listed}}


def _settled(account: Account, name: str) -> dict[str, Any] | None:
    stack = account.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack


def test_a_schedule_of_a_stack_starts_the_stacks_state_machine(account: Account) -> None:
    definition = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
    given = {"StateMachineArn": "${Machine}", "Name": "<aws.scheduler.execution-id>"}
    stack = deploy(
        account,
        {
            "MachineRole": role_resource("states.amazonaws.com"),
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "RoleArn": {"Fn::GetAtt": ["MachineRole", "Arn"]},
                    "DefinitionString": json.dumps(definition),
                },
            },
            "ScheduleRole": role_resource(SCHEDULER, allow("states:StartExecution")),
            "Dead": {"Type": "AWS::SQS::Queue"},
            "Schedule": {
                "Type": "AWS::Scheduler::Schedule",
                "Properties": {
                    "ScheduleExpression": "rate(7 days)",
                    "ScheduleExpressionTimezone": "Europe/Lisbon",
                    "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
                    "State": "ENABLED",
                    "Target": {
                        "Arn": "arn:aws:scheduler:::aws-sdk:sfn:startExecution",
                        "RoleArn": {"Fn::GetAtt": ["ScheduleRole", "Arn"]},
                        "Input": {"Fn::Sub": json.dumps(given)},
                        "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60},
                        "DeadLetterConfig": {"Arn": {"Fn::GetAtt": ["Dead", "Arn"]}},
                    },
                },
            },
        },
    )
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    machine = stack["Resources"]["Machine"]
    executions = account.client("stepfunctions").list_executions
    wait_for(lambda: executions(stateMachineArn=machine)["executions"], seconds=8, what="execution")


def test_a_schedule_of_a_stack_keeps_its_time_zone_and_dates_when_made_and_when_changed(account: Account) -> None:
    name = unique("stack")

    def schedule(**times: Any) -> dict[str, Any]:
        target = {"Arn": "arn:aws:scheduler:::aws-sdk:sfn:startExecution", "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}}
        always = {"Name": name, "FlexibleTimeWindow": {"Mode": "OFF"}, "State": "DISABLED", "Target": target}
        return {
            "Role": role_resource(SCHEDULER),
            "Schedule": {
                "Type": "AWS::Scheduler::Schedule",
                "Properties": {**always, "ScheduleExpression": "cron(0 6 * * ? *)", **times},
            },
        }

    def shown() -> dict[str, Any]:
        return account.client("scheduler").get_schedule(Name=name)

    deploy(account, schedule(ScheduleExpressionTimezone="Europe/Lisbon", StartDate="2031-01-01T00:00:00Z"), name)
    assert shown()["ScheduleExpressionTimezone"] == "Europe/Lisbon"
    assert shown()["StartDate"].isoformat().startswith("2031-01-01T00:00:00")

    account.client("cloudformation").update_stack(
        StackName=name,
        TemplateBody=json.dumps({"Resources": schedule(ScheduleExpressionTimezone="Asia/Tokyo")}),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    wait_for(lambda: _settled(account, name), seconds=20, what=name)
    assert shown()["ScheduleExpressionTimezone"] == "Asia/Tokyo"
    assert "StartDate" not in shown()


def test_a_stack_whose_machine_may_not_manage_its_rule_fails_with_awss_words(account: Account) -> None:
    job = {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:createProcessingJob.sync", "End": True}
    name = unique("stack")
    stack = deploy(
        account,
        {
            "MachineRole": role_resource("states.amazonaws.com"),
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "RoleArn": {"Fn::GetAtt": ["MachineRole", "Arn"]},
                    "DefinitionString": json.dumps({"StartAt": "Job", "States": {"Job": job}}),
                },
            },
        },
        name,
    )
    assert stack["StackStatus"].startswith("ROLLBACK")
    events = account.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    assert any("is not authorized to create managed-rule" in event.get("ResourceStatusReason", "") for event in events)


def test_a_tls_only_bucket_policy_lets_tls_through_and_cdk_buckets_are_emptied(account: Account) -> None:
    bucket, name = unique("bucket"), unique("stack")
    arns = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": arns}
    empties = {"AWS": {"Fn::GetAtt": ["EmptyingRole", "Arn"]}}
    actions = ["s3:PutBucketPolicy", "s3:GetBucket*", "s3:List*", "s3:DeleteObject*"]
    statements = [
        {**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {"Effect": "Allow", "Principal": empties, "Action": actions, "Resource": arns},
    ]
    stack = deploy(
        account,
        {
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "Properties": {
                    "BucketName": bucket,
                    "VersioningConfiguration": {"Status": "Enabled"},
                    "Tags": [{"Key": "aws-cdk:auto-delete-objects", "Value": "true"}],
                },
            },
            "Policy": {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {
                    "Bucket": {"Ref": "Bucket"},
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
                },
            },
            "EmptyingRole": role_resource("lambda.amazonaws.com"),
            "EmptyingFunction": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Runtime": "nodejs22.x",
                    "Handler": "index.handler",
                    "Role": {"Fn::GetAtt": ["EmptyingRole", "Arn"]},
                    "Code": {"ZipFile": "require('@aws-sdk/client-s3')"},
                },
            },
            "Emptying": {
                "Type": "Custom::S3AutoDeleteObjects",
                "DependsOn": ["Policy"],
                "Properties": {
                    "ServiceToken": {"Fn::GetAtt": ["EmptyingFunction", "Arn"]},
                    "BucketName": {"Ref": "Bucket"},
                },
            },
        },
        name,
    )
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    s3, cloudformation = account.client("s3"), account.client("cloudformation")
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    s3.put_object(Bucket=bucket, Key="a", Body=b"2")
    s3.delete_object(Bucket=bucket, Key="a")
    cloudformation.delete_stack(StackName=name)

    def is_gone() -> bool:
        return bucket not in [one["Name"] for one in s3.list_buckets()["Buckets"]]

    wait_for(is_gone, seconds=15, what="deletion of the bucket")


def processing_task(role: str, bucket: str, *command: str) -> dict[str, Any]:
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 1}
    produced = {
        "OutputName": "out",
        "S3Output": {
            "S3Uri": f"s3://{bucket}/out",
            "LocalPath": "/opt/ml/processing/output",
            "S3UploadMode": "EndOfJob",
        },
    }
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::sagemaker:createProcessingJob.sync",
        "Arguments": {
            "ProcessingJobName": "{% 'Job-' & $substring($hash($states.context.Execution.Id, 'SHA-256'), 0, 12) %}",
            "RoleArn": role,
            "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["python3", "-c", *command]},
            "ProcessingResources": {"ClusterConfig": cluster},
            "ProcessingOutputConfig": {"Outputs": [produced]},
        },
        "End": True,
    }


@pytest.fixture(scope="module")
def bucket(account: Account) -> str:
    name = unique("bucket")
    account.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    return name


@pytest.fixture(scope="module")
def job_role(account: Account, bucket: str) -> str:
    writes = allow("s3:PutObject", f"arn:aws:s3:::{bucket}/out/*")
    logs = allow(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"])
    return account.role("sagemaker.amazonaws.com", writes, logs)


def machine_role(account: Account, job_role: str, *, leave_out: str = "") -> str:
    jobs = ["CreateProcessingJob", "DescribeProcessingJob", "StopProcessingJob", "ListTags", "AddTags"]
    needed = [f"sagemaker:{action}" for action in jobs if action != leave_out]
    # SageMaker's ARNs are lower case.
    statements = [allow(needed, "arn:aws:sagemaker:us-west-2:123456789012:processing-job/job-*"), RULE]
    if leave_out != "PassRole":
        passed = {"iam:PassedToService": "sagemaker.amazonaws.com"}
        statements.append(allow("iam:PassRole", job_role, StringEquals=passed))
    return account.role("states.amazonaws.com", *statements)


def test_a_job_runs_to_its_end_with_exactly_the_permissions_that_sync_needs(
    account: Account, bucket: str, job_role: str
) -> None:
    write = "open('/opt/ml/processing/output/a.txt', 'w').write('made')"
    machine = account.machine(machine_role(account, job_role), Job=processing_task(job_role, bucket, write))
    ended = account.run(machine, seconds=40)
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    job = json.loads(ended["output"])
    assert job["ProcessingJobStatus"] == "Completed"
    assert isinstance(job["ProcessingEndTime"], int)
    assert account.client("s3").get_object(Bucket=bucket, Key="out/a.txt")["Body"].read() == b"made"
    tags = account.client("sagemaker").list_tags(ResourceArn=job["ProcessingJobArn"])["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {
        "MANAGED_BY_AWS": "STARTED_BY_STEP_FUNCTIONS",
        "AWS_STEP_FUNCTIONS_EXECUTION_ARN": ended["executionArn"],
    }


@pytest.mark.parametrize(
    ("missing", "action"),
    [
        ("CreateProcessingJob", "sagemaker:CreateProcessingJob"),
        ("AddTags", "sagemaker:AddTags"),
        ("PassRole", "iam:PassRole"),
    ],
)
def test_without_one_of_them_no_job_starts(
    account: Account, bucket: str, job_role: str, missing: str, action: str
) -> None:
    role = machine_role(account, job_role, leave_out=missing)
    ended = account.run(account.machine(role, Job=processing_task(job_role, bucket, "pass")))
    assert ended["error"] == "SageMaker.AmazonSageMakerException"
    assert f"is not authorized to perform: {action}" in ended["cause"]


def test_a_failed_job_fails_its_task_with_the_jobs_description(account: Account, bucket: str, job_role: str) -> None:
    fail = "open('/opt/ml/output/message', 'w').write('no scenes'); raise SystemExit(3)"
    machine = account.machine(machine_role(account, job_role), Job=processing_task(job_role, bucket, fail))
    ended = account.run(machine, seconds=40)
    assert ended["error"] == "States.TaskFailed"
    job = json.loads(ended["cause"])
    assert (job["ProcessingJobStatus"], job["ExitMessage"]) == ("Failed", "no scenes")
    assert job["FailureReason"]


def test_a_job_name_that_is_taken_is_told_apart_from_other_refusals(
    account: Account, bucket: str, job_role: str
) -> None:
    task = processing_task(job_role, bucket, "pass")
    task["Arguments"]["ProcessingJobName"] = unique("job")
    machine = account.machine(machine_role(account, job_role), Job=task)
    assert account.run(machine, seconds=40)["status"] == "SUCCEEDED"
    assert account.run(machine)["error"] == "SageMaker.ResourceInUseException"


@pytest.mark.parametrize("way", ["abort", "timeout"])
def test_a_job_is_stopped_when_nobody_waits_for_it_any_more(
    account: Account, bucket: str, job_role: str, way: str
) -> None:
    sleep = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(0)); time.sleep(120)"
    task = processing_task(job_role, bucket, sleep)
    task["Arguments"]["ProcessingJobName"] = name = unique("job")
    if way == "timeout":
        task["TimeoutSeconds"] = 2
    else:
        task["Retry"] = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 5}]
    machine = account.machine(machine_role(account, job_role), Job=task)
    states, sagemaker = account.client("stepfunctions"), account.client("sagemaker")
    running = states.start_execution(stateMachineArn=machine)["executionArn"]

    def job_is(status: str) -> bool:
        found = sagemaker.list_processing_jobs(NameContains=name)["ProcessingJobSummaries"]
        return [job["ProcessingJobStatus"] for job in found] == [status]

    wait_for(lambda: job_is("InProgress"), seconds=10, what="running job")
    if way == "abort":
        states.stop_execution(executionArn=running)
    wait_for(lambda: job_is("Stopped"), seconds=15, what="stopped job")
    ended = states.describe_execution(executionArn=running)
    assert (ended["status"], ended.get("error")) == (
        ("ABORTED", None) if way == "abort" else ("FAILED", "States.Timeout")
    )


def test_a_job_whose_state_timed_out_is_stopped_while_the_execution_goes_on(
    account: Account, bucket: str, job_role: str
) -> None:
    sleep = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(0)); time.sleep(120)"
    task = processing_task(job_role, bucket, sleep)
    task["Arguments"]["ProcessingJobName"] = name = unique("job")
    task |= {"TimeoutSeconds": 2, "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "GoOn"}]}
    going_on = {"Type": "Wait", "Seconds": 1200, "End": True}
    machine = account.machine(machine_role(account, job_role), Job=task, GoOn=going_on)
    states, sagemaker = account.client("stepfunctions"), account.client("sagemaker")
    running = states.start_execution(stateMachineArn=machine)["executionArn"]

    def stopped() -> bool:
        found = sagemaker.list_processing_jobs(NameContains=name)["ProcessingJobSummaries"]
        return [job["ProcessingJobStatus"] for job in found] == ["Stopped"]

    wait_for(stopped, seconds=20, what="stopped job")
    assert states.describe_execution(executionArn=running)["status"] == "RUNNING"
    states.stop_execution(executionArn=running)
