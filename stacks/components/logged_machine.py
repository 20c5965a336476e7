"""A standard state machine in JSONata, with traces and a log of all that happens in it."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.components.acknowledged import acknowledge, acknowledge_wildcards


class LoggedMachine(sfn.StateMachine):
    """`functions` are those that its states invoke."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        definition: sfn.IChainable,
        functions: tuple[lambda_.IFunction, ...],
        log_retention: logs.RetentionDays,
    ) -> None:
        log_group = logs.LogGroup(
            scope,
            f"{id}Logs",
            # Groups below /aws/vendedlogs/ don't count against the size of the account's one log policy.
            log_group_name=f"/aws/vendedlogs/states/{name}",
            retention=log_retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        super().__init__(
            scope,
            id,
            state_machine_name=name,
            state_machine_type=sfn.StateMachineType.STANDARD,
            query_language=sfn.QueryLanguage.JSONATA,
            definition_body=sfn.DefinitionBody.from_chainable(definition),
            logs=sfn.LogOptions(destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=True),
            tracing_enabled=True,
        )
        acknowledge(
            self.role,
            "IAM5[Resource::*]",
            because="The actions of log delivery and of X-Ray know no resources; the CDK adds them.",
        )
        acknowledge_wildcards(
            self.role,
            *(f"{function.function_arn}:*" for function in functions),
            because="Any version of its functions: the CDK adds it beside the functions themselves.",
        )
