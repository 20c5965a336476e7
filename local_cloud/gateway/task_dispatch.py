"""Step Functions' service integrations: a Task state's call, made as the state machine's role.

Optimized integrations (`arn:aws:states:::lambda:invoke`) and SDK integrations
(`arn:aws:states:::aws-sdk:sfn:startExecution`) are signed requests to this cloud's own endpoint, so IAM
decides as on AWS. `.sync` waits for what was started, and stops it when the execution is aborted or the
state times out.
https://docs.aws.amazon.com/step-functions/latest/dg/integrate-services.html
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_cloud.gateway import sdk_shapes
from local_cloud.gateway.clients import RoleClients, RoleNotAssumable
from local_cloud.gateway.sdk_shapes import InvalidArguments

PRINCIPAL = "states.amazonaws.com"
POLL_SECONDS = 0.3
PAYLOAD_LIMIT = 256 * 1024
PREFIX = "arn:aws:states:::"


class TaskFailed(Exception):
    """A Task state's error as Retry and Catch see it: a name and a cause."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


@dataclass(frozen=True)
class Execution:
    """The execution that a task belongs to."""

    arn: str
    state_machine_arn: str
    role_arn: str
    is_cancelled: Callable[[], bool]
    """True once nobody waits for the task any more: aborted, or timed out."""

    def with_cancellation(self, is_cancelled: Callable[[], bool]) -> Execution:
        return dataclasses.replace(self, is_cancelled=is_cancelled)


@dataclass(frozen=True)
class Optimized:
    """How Step Functions presents a service that it integrates beyond the plain SDK call."""

    client: str
    prefix: str
    other: str
    """The error's name where the service's own isn't one of its modelled exceptions."""
    service: str
    """As the cause names it."""


LAMBDA = Optimized("lambda", "Lambda", "AWSLambdaException", "AWSLambda")
SNS = Optimized("sns", "SNS", "AmazonSNSException", "AmazonSNS")
SQS = Optimized("sqs", "SQS", "AmazonSQSException", "AmazonSQS")
STATES = Optimized("stepfunctions", "StepFunctions", "AWSStepFunctionsException", "AWSStepFunctions")
SAGEMAKER = Optimized("sagemaker", "SageMaker", "AmazonSageMakerException", "AmazonSageMaker")


class TaskDispatcher:
    """Makes the call that a Task state's `Resource` names, with the state's resolved arguments."""

    def __init__(self, clients: RoleClients) -> None:
        self._clients = clients
        self._optimized: dict[str, Callable[[Any, Execution], Any]] = {
            "lambda:invoke": self._invoke_function,
            "sns:publish": self._plain(SNS, "Publish"),
            "sqs:sendMessage": self._plain(SQS, "SendMessage"),
            "states:startExecution": self._plain(STATES, "StartExecution"),
            "states:startExecution.sync": lambda arguments, execution: self._run_execution(arguments, execution, False),
            "states:startExecution.sync:2": lambda arguments, execution: self._run_execution(
                arguments, execution, True
            ),
            "sagemaker:createProcessingJob": self._plain(SAGEMAKER, "CreateProcessingJob"),
            "sagemaker:createProcessingJob.sync": self._run_processing_job,
        }

    def __call__(self, resource: str, arguments: Any, execution: Execution) -> Any:
        """The task's result. Raises `TaskFailed`."""
        _check_size(arguments, "was given arguments")
        result = self._dispatch(resource, arguments, execution)
        _check_size(result, "returned a result")
        return result

    def _dispatch(self, resource: str, arguments: Any, execution: Execution) -> Any:
        if resource.startswith("arn:aws:lambda:"):
            return self._invoke_function({"FunctionName": resource, "Payload": arguments}, execution)["Payload"]
        name = resource.removeprefix(PREFIX)
        if name.startswith("aws-sdk:") and name.count(":") == 2:
            return self._sdk_call(*name.split(":")[1:], arguments, execution)
        integration = self._optimized.get(name)
        if integration is None:
            raise TaskFailed("States.Runtime", f"The local cloud has no integration for {resource}.")
        return integration(arguments, execution)

    def _client(self, name: str, execution: Execution) -> Any:
        try:
            return self._clients.client(
                name,
                execution.role_arn,
                service=PRINCIPAL,
                session=execution.arn.rpartition(":")[2],
                source_arn=execution.state_machine_arn,
            )
        except RoleNotAssumable as refusal:
            raise TaskFailed("States.Runtime", str(refusal)) from refusal

    def _sdk_call(self, service: str, action: str, arguments: Any, execution: Execution) -> Any:
        name = sdk_shapes.client_name(service)
        if name is None:
            raise TaskFailed("States.Runtime", f"aws-sdk:{service} is no AWS service.")
        client = self._client(name, execution)
        prefix = sdk_shapes.java_name(client.meta.service_model.service_id)
        integration = Optimized(name, prefix, f"{prefix}Exception", prefix)
        return _call(client, integration, action[:1].upper() + action[1:], arguments, time_as="iso")

    def _plain(self, integration: Optimized, operation: str) -> Callable[[Any, Execution], Any]:
        def call(arguments: Any, execution: Execution) -> Any:
            return self._optimized_call(integration, operation, arguments, execution)

        return call

    def _optimized_call(self, integration: Optimized, operation: str, arguments: Any, execution: Execution) -> Any:
        client = self._client(integration.client, execution)
        return _call(client, integration, operation, arguments, time_as="millis")

    def _invoke_function(self, arguments: Any, execution: Execution) -> dict[str, Any]:
        if "Payload" not in arguments:
            arguments = {**arguments, "Payload": {}}
        # A string is a JSON document too: the function must get it in quotes.
        arguments = {**arguments, "Payload": json.dumps(arguments["Payload"])}
        client = self._client(LAMBDA.client, execution)
        reply = _call(client, LAMBDA, "Invoke", arguments, time_as="millis")
        payload = reply["Payload"]
        if "FunctionError" in reply:
            raise TaskFailed(_field(payload, "errorType") or "Lambda.Unknown", payload)
        return {**reply, "Payload": json.loads(payload) if payload else None}

    def _run_execution(self, arguments: Any, execution: Execution, parse: bool) -> dict[str, Any]:
        started = self._optimized_call(STATES, "StartExecution", arguments, execution)
        arn = {"ExecutionArn": started["ExecutionArn"]}
        ended = self._wait(
            lambda: self._optimized_call(STATES, "DescribeExecution", arn, execution),
            has_ended=lambda described: described["Status"] != "RUNNING",
            stop=lambda: self._optimized_call(STATES, "StopExecution", arn, execution),
            execution=execution,
        )
        if ended["Status"] != "SUCCEEDED":
            raise TaskFailed("States.TaskFailed", json.dumps(ended))
        return {**ended, "Output": json.loads(ended["Output"])} if parse else ended

    def _run_processing_job(self, arguments: Any, execution: Execution) -> dict[str, Any]:
        """https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html"""
        tags = [
            {"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"},
            {"Key": "AWS_STEP_FUNCTIONS_EXECUTION_ARN", "Value": execution.arn},
        ]
        request = {**arguments, "Tags": [*arguments.get("Tags", []), *tags]}
        self._optimized_call(SAGEMAKER, "CreateProcessingJob", request, execution)
        name = {"ProcessingJobName": arguments["ProcessingJobName"]}
        ended = self._wait(
            lambda: self._optimized_call(SAGEMAKER, "DescribeProcessingJob", name, execution),
            has_ended=lambda job: job["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped"),
            stop=lambda: self._optimized_call(SAGEMAKER, "StopProcessingJob", name, execution),
            execution=execution,
        )
        if ended["ProcessingJobStatus"] != "Completed":
            raise TaskFailed("States.TaskFailed", json.dumps(ended))
        return ended

    def _wait(
        self,
        describe: Callable[[], dict[str, Any]],
        *,
        has_ended: Callable[[dict[str, Any]], bool],
        stop: Callable[[], Any],
        execution: Execution,
    ) -> dict[str, Any]:
        while not has_ended(described := describe()):
            if execution.is_cancelled():
                try:
                    stop()
                except TaskFailed:  # best effort, as on AWS: a role without the permission leaves the job running
                    break
                raise TaskFailed("States.TaskFailed", "The execution no longer waits for this task.")
            time.sleep(POLL_SECONDS)
        return described


def _check_size(value: Any, what: str) -> None:
    if len(json.dumps(value).encode()) > PAYLOAD_LIMIT:
        problem = f"The task {what} with a size exceeding the maximum number of bytes service limit."
        raise TaskFailed("States.DataLimitExceeded", problem)


def _call(client: Any, integration: Optimized, operation: str, arguments: Any, *, time_as: str) -> dict[str, Any]:
    model = client.meta.service_model
    if operation not in model.operation_names:
        raise TaskFailed("States.Runtime", f"{integration.client} has no operation {operation}.")
    shapes = model.operation_model(operation)
    try:
        request = sdk_shapes.request(arguments, shapes.input_shape)
        reply = client._make_api_call(operation, request)
    except ClientError as refusal:
        raise _failure(integration, model, refusal) from refusal
    except InvalidArguments as problem:
        raise TaskFailed("States.Runtime", f"{operation}: {problem}") from problem
    except BotoCoreError as problem:
        raise TaskFailed(f"{integration.prefix}.SdkClientException", str(problem)) from problem
    reply.pop("ResponseMetadata", None)
    return sdk_shapes.result(reply, shapes.output_shape, time_as=time_as)


def _failure(integration: Optimized, model: Any, refusal: ClientError) -> TaskFailed:
    details, metadata = refusal.response["Error"], refusal.response.get("ResponseMetadata", {})
    code = details.get("Code", "Unknown")
    modelled = sdk_shapes.exception_name(model, code)
    cause = (
        f"{details.get('Message', '')} (Service: {integration.service}; "
        f"Status Code: {metadata.get('HTTPStatusCode', 0)}; Error Code: {code}; "
        f"Request ID: {metadata.get('RequestId', '')}; Proxy: null)"
    )
    return TaskFailed(f"{integration.prefix}.{modelled or integration.other}", cause)


def _field(payload: str, name: str) -> Any:
    try:
        return json.loads(payload).get(name)
    except (ValueError, AttributeError):
        return None
