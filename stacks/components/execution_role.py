"""The role that a pipeline's processing jobs run as: its input, its output, its image, its logs."""

from __future__ import annotations

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.components.acknowledged import grant
from stacks.components.channels import Channels
from stacks.components.container_image import ContainerImage
from stacks.components.pipeline_places import PipelinePlaces
from stacks.components.processing_job import job_name_pattern
from stacks.components.s3_access import Location, read, write
from stacks.components.script_asset import ScriptAsset

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"


class ExecutionRole(iam.Role):
    """What a script may do is what this role may: a faulty one reaches no other pipeline's products."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        pipeline: str,
        job_prefix: str,
        places: PipelinePlaces,
        channels: Channels,
        script: ScriptAsset,
        image: ContainerImage,
    ) -> None:
        super().__init__(
            scope,
            id,
            description=f"Processing jobs of pipeline {pipeline}",
            # https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
            assumed_by=iam.ServicePrincipal(
                "sagemaker.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
        )
        logs = f"arn:{Aws.PARTITION}:logs:{Stack.of(self).region}:{Aws.ACCOUNT_ID}:log-group:{LOG_GROUP}"
        grant(
            self,
            *read(
                places.own_input,
                *places.source,
                *places.readable,
                *channels.readable,
                Location(script.bucket, script.key, exact=True),
            ),
            write(places.output, *channels.writable),
            because="Everything below the pipeline's own prefixes, its source and what its definition opens by inputs, "
            "outputs and access.read: which objects these are is known at run time only.",
        )
        grant(
            self,
            iam.PolicyStatement(actions=["logs:CreateLogGroup", "logs:DescribeLogStreams"], resources=[f"{logs}:*"]),
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[f"{logs}:log-stream:{job_name_pattern(job_prefix)}"],
            ),
            because="The log group is one for all jobs of the account; in it, the streams of this pipeline's jobs.",
        )
        grant(
            self,
            *image.pull_statements(),
            iam.PolicyStatement(
                actions=["cloudwatch:PutMetricData"],
                resources=["*"],
                conditions={"StringEquals": {"cloudwatch:namespace": LOG_GROUP}},
            ),
            because="ecr:GetAuthorizationToken and cloudwatch:PutMetricData know no resources; metrics are held to "
            "SageMaker's namespace by a condition, images by the statement on their repository.",
        )
