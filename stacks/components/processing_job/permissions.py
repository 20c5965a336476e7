"""What a state machine's role needs for `createProcessingJob.sync`, and nothing wider.

https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html lists them; ListTags, which it
gives on `*`, works per job, and AddTags is missing there: Step Functions tags each job it starts.
"""

from __future__ import annotations

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from .names import job_name_pattern

# Step Functions waits for a job's end through this rule, which it manages itself. Without access to it the
# *deployment* of the machine fails.
EVENTS_RULE = "StepFunctionsGetEventsForSageMakerProcessingJobsRule"


def sync_statements(scope: Construct, *, name_prefix: str, role: iam.IRole) -> list[iam.PolicyStatement]:
    """Statements for the machine's role: the jobs called `<name_prefix>-…`, run as `role`."""
    stack = Stack.of(scope)
    jobs = stack.format_arn(service="sagemaker", resource="processing-job", resource_name=job_name_pattern(name_prefix))
    rule = stack.format_arn(
        service="events", resource="rule", resource_name=EVENTS_RULE, arn_format=ArnFormat.SLASH_RESOURCE_NAME
    )
    return [
        iam.PolicyStatement(
            sid="RunProcessingJobs",
            actions=[
                "sagemaker:AddTags",
                "sagemaker:CreateProcessingJob",
                "sagemaker:DescribeProcessingJob",
                "sagemaker:ListTags",
                "sagemaker:StopProcessingJob",
            ],
            resources=[jobs],
        ),
        iam.PolicyStatement(
            sid="HandOverTheJobsRole",
            actions=["iam:PassRole"],
            resources=[role.role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        ),
        iam.PolicyStatement(
            sid="HearOfTheirEnd",
            actions=["events:DescribeRule", "events:PutRule", "events:PutTargets"],
            resources=[rule],
        ),
    ]
