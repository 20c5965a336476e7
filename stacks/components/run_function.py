"""A Lambda function of the state machine, with a role and a log group of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import Duration, RemovalPolicy, Size
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.components.acknowledged import acknowledge

RUNTIME = lambda_.Runtime.PYTHON_3_13


class RunFunction(lambda_.Function):
    """What it may do is `own_role`'s, which starts with writing its own log and nothing else."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        handler: str,
        code: Path,
        libraries: lambda_.ILayerVersion,
        environment: Mapping[str, str],
        memory: int,
        timeout: Duration,
        log_retention: logs.RetentionDays,
        description: str,
        scratch: Size | None = None,
    ) -> None:
        log_group = logs.LogGroup(
            scope,
            f"{id}Logs",
            log_group_name=f"/aws/lambda/{name}",
            retention=log_retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        # Not Lambda's own role: its managed policy reaches every log group of the account.
        role = iam.Role(
            scope,
            f"{id}Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"Function {name}",
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group.log_group_arn]
            )
        )
        super().__init__(
            scope,
            id,
            function_name=name,
            description=description,
            runtime=RUNTIME,
            # x86_64 because the layer's compiled wheels are.
            architecture=lambda_.Architecture.X86_64,
            handler=handler,
            # Whoever imports from the cached folder leaves caches there, which must not change the asset.
            code=lambda_.Code.from_asset(str(code), exclude=["__pycache__"]),
            layers=[libraries],
            environment=dict(environment),
            memory_size=memory,
            ephemeral_storage_size=scratch,
            timeout=timeout,
            role=role,
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
        )
        self.own_role = role
        acknowledge(
            self,
            "L1",
            because="Python 3.13 is what the dependencies are locked and resolved for; it is supported until 2029.",
        )
