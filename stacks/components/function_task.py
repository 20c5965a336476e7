"""A Task that invokes one of our functions, and tries again on Lambda's own faults."""

from __future__ import annotations

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

# https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception
LAMBDA_FAULTS = (
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
)


def invoke(
    scope: Construct,
    id: str,
    function: lambda_.IFunction,
    *,
    payload: dict[str, Any],
    assign: dict[str, Any] | None = None,
    outputs: Any = "{% $states.result.Payload %}",
) -> tasks.LambdaInvoke:
    state = tasks.LambdaInvoke.jsonata(
        scope,
        id,
        lambda_function=function,
        payload=sfn.TaskInput.from_object(payload),
        outputs=outputs,
        assign=assign,
        retry_on_service_exceptions=False,
        task_timeout=sfn.Timeout.duration(Duration.minutes(16)),
    )
    state.add_retry(
        errors=list(LAMBDA_FAULTS),
        interval=Duration.seconds(2),
        backoff_rate=2,
        max_attempts=6,
        max_delay=Duration.minutes(1),
        jitter_strategy=sfn.JitterType.FULL,
    )
    return state
