"""One occurrence of a schedule: call its target as the target's role, try again, or park it in the queue.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_cloud.gateway import sdk_shapes
from local_cloud.gateway.clients import RoleClients, RoleNotAssumable
from local_cloud.gateway.sdk_shapes import InvalidArguments

log = logging.getLogger(__name__)
PRINCIPAL = "scheduler.amazonaws.com"
UNIVERSAL = "arn:aws:scheduler:::aws-sdk:"
# AWS backs off for hours; somebody in front of a laptop waits for seconds.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0


class TargetError(Exception):
    """Why a target can't be called, where no AWS API says so itself."""


@dataclass(frozen=True)
class Delivery:
    """An occurrence of a schedule on its way to the target."""

    schedule: dict[str, Any]
    scheduled: dt.datetime
    execution_id: str
    """The same for every attempt, so that a target which names things by it makes them once."""

    @classmethod
    def of(cls, schedule: dict[str, Any], scheduled: dt.datetime) -> Delivery:
        return cls(schedule, scheduled, uuid.uuid4().hex[:16])

    @property
    def target(self) -> dict[str, Any]:
        return self.schedule["Target"]

    @property
    def scheduled_time(self) -> str:
        return self.scheduled.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def payload(self, attempt: int) -> str:
        """The target's input with the context attributes filled in."""
        attributes = {
            "schedule-arn": self.schedule["Arn"],
            "scheduled-time": self.scheduled_time,
            "execution-id": self.execution_id,
            "attempt-number": str(attempt),
        }
        text = self.target.get("Input") or ""
        for name, value in attributes.items():
            text = text.replace(f"<aws.scheduler.{name}>", value)
        return text


def deliver(clients: RoleClients, delivery: Delivery, *, wait: Callable[[float], Any] = time.sleep) -> None:
    """Call the target until it takes the occurrence or the retry policy is spent; then use the queue, if any."""
    policy = delivery.target.get("RetryPolicy") or {}
    attempts = 1 + int(policy.get("MaximumRetryAttempts", 185))
    deadline = time.monotonic() + float(policy.get("MaximumEventAgeInSeconds", 86400))
    for attempt in range(1, attempts + 1):
        try:
            _call_target(clients, delivery, attempt)
        except (ClientError, BotoCoreError, RoleNotAssumable, TargetError, InvalidArguments) as problem:
            log.warning("%s, attempt %d: %s", delivery.schedule["Arn"], attempt, problem)
            failure = problem
        else:
            return
        pause = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE)
        if time.monotonic() + pause > deadline:
            _park(clients, delivery, failure, attempt, "MaximumEventAgeInSeconds")
            return
        if attempt < attempts:
            wait(pause)
    _park(clients, delivery, failure, attempts, "MaximumRetryAttempts")


def _call_target(clients: RoleClients, delivery: Delivery, attempt: int) -> None:
    arn, payload = delivery.target["Arn"], delivery.payload(attempt)
    if arn.startswith(UNIVERSAL):
        service, _, action = arn.removeprefix(UNIVERSAL).partition(":")
        name = sdk_shapes.client_name(service)
        client = _client(clients, delivery, name) if name else None
        operation = action[:1].upper() + action[1:]
        if client is None or operation not in client.meta.service_model.operation_names:
            raise TargetError(f"{arn} names no operation of an AWS service")
        arguments = _arguments(payload)
        shape = client.meta.service_model.operation_model(operation).input_shape
        client._make_api_call(operation, sdk_shapes.request(arguments, shape))
        return
    kind = arn.split(":")[2]
    if kind == "states":
        _client(clients, delivery, "stepfunctions").start_execution(stateMachineArn=arn, input=payload or "{}")
    elif kind == "lambda":
        event = payload or _default_event(clients, delivery)
        _client(clients, delivery, "lambda").invoke(FunctionName=arn, InvocationType="Event", Payload=event)
    elif kind == "sns":
        _client(clients, delivery, "sns").publish(TopicArn=arn, Message=payload or _default_event(clients, delivery))
    elif kind == "sqs":
        group = (delivery.target.get("SqsParameters") or {}).get("MessageGroupId")
        _client(clients, delivery, "sqs").send_message(
            QueueUrl=_queue_url(clients, arn),
            MessageBody=payload or _default_event(clients, delivery),
            **({"MessageGroupId": group} if group else {}),
        )
    else:
        raise TargetError(f"the local cloud has no templated target for {arn}; use a universal target")


def _arguments(payload: str) -> Any:
    try:
        return json.loads(payload or "{}")
    except ValueError as problem:
        raise TargetError(f"the target's input is no JSON: {problem}") from problem


def _park(clients: RoleClients, delivery: Delivery, failure: Exception, attempts: int, exhausted: str) -> None:
    queue = (delivery.target.get("DeadLetterConfig") or {}).get("Arn")
    if not queue:
        log.error("%s: dropped after %d attempts: %s", delivery.schedule["Arn"], attempts, failure)
        return
    details = failure.response["Error"] if isinstance(failure, ClientError) else {}
    attributes = {
        "ERROR_CODE": details.get("Code") or type(failure).__name__,
        "ERROR_MESSAGE": details.get("Message") or str(failure),
        "EXECUTION_ID": delivery.execution_id,
        "EXHAUSTED_RETRY_CONDITION": exhausted,
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": str(attempts - 1),
        "SCHEDULED_TIME": delivery.scheduled_time,
        "SCHEDULE_ARN": delivery.schedule["Arn"],
        "TARGET_ARN": delivery.target["Arn"],
    }
    try:
        _client(clients, delivery, "sqs").send_message(
            QueueUrl=_queue_url(clients, queue),
            MessageBody=delivery.payload(attempts) or "{}",
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
            },
        )
    except (ClientError, BotoCoreError, RoleNotAssumable) as problem:
        log.error("%s: lost, its dead-letter queue refuses it: %s", delivery.schedule["Arn"], problem)


def _client(clients: RoleClients, delivery: Delivery, name: str) -> Any:
    # Scheduler names the group, not the schedule, as the source that trust policies may ask for.
    group = delivery.schedule["Arn"].rpartition("/")[0].replace(":schedule/", ":schedule-group/")
    return clients.client(
        name, delivery.target["RoleArn"], service=PRINCIPAL, session=delivery.execution_id, source_arn=group
    )


def _queue_url(clients: RoleClients, arn: str) -> str:
    account, name = arn.split(":")[4:6]
    return f"{clients.endpoint}/{account}/{name}"


def _default_event(clients: RoleClients, delivery: Delivery) -> str:
    """What a templated target gets without an input of its own."""
    return json.dumps(
        {
            "version": "0",
            "id": delivery.execution_id,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": clients.account,
            "time": delivery.scheduled_time,
            "region": clients.region,
            "resources": [delivery.schedule["Arn"]],
            "detail": "{}",
        }
    )
