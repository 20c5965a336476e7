"""Schedules fire on time, with their context attributes, as the target's role; what can't be delivered is parked."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from .conftest import Account, allow, unique, wait_for

SCHEDULER = "scheduler.amazonaws.com"
START = "arn:aws:scheduler:::aws-sdk:sfn:startExecution"


def soon(seconds: int = 2) -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(seconds=seconds)


def at(moment: dt.datetime) -> str:
    return f"at({moment:%Y-%m-%dT%H:%M:%S})"


def create(account: Account, expression: str, target: dict[str, Any], **more: Any) -> str:
    """Name of a new schedule."""
    name = unique("schedule")
    account.client("scheduler").create_schedule(
        Name=name, ScheduleExpression=expression, FlexibleTimeWindow={"Mode": "OFF"}, Target=target, **more
    )
    return name


def target(arn: str, role: str, given: Any = None, **more: Any) -> dict[str, Any]:
    return {"Arn": arn, "RoleArn": role, **({"Input": json.dumps(given)} if given is not None else {}), **more}


def executions(account: Account, machine: str) -> list[dict[str, Any]]:
    return account.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]


def test_a_universal_target_starts_an_execution_named_by_the_schedule(account: Account) -> None:
    machine = account.machine(account.role("states.amazonaws.com"), Done={"Type": "Succeed"})
    role = account.role(SCHEDULER, allow("states:StartExecution", machine))
    due = soon()
    given = {
        "StateMachineArn": machine,
        "Name": "<aws.scheduler.execution-id>",
        "Input": '{"end": "<aws.scheduler.scheduled-time>", "by": "<aws.scheduler.schedule-arn>"}',
    }
    name = create(account, at(due), target(START, role, given), ActionAfterCompletion="DELETE")
    started = wait_for(lambda: executions(account, machine), seconds=8, what="execution")[0]
    assert "<" not in started["name"]
    described = account.client("stepfunctions").describe_execution(executionArn=started["executionArn"])
    assert json.loads(described["input"]) == {
        "end": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "by": f"arn:aws:scheduler:us-west-2:123456789012:schedule/default/{name}",
    }
    listed = account.client("scheduler").list_schedules
    wait_for(lambda: name not in [one["Name"] for one in listed()["Schedules"]], seconds=5, what="deletion")


def test_at_is_a_time_in_the_schedules_own_zone(account: Account) -> None:
    url, queue = account.queue()
    role = account.role(SCHEDULER, allow("sqs:SendMessage", queue))
    # Kiritimati is 14 hours ahead of UTC all year round.
    local = soon() + dt.timedelta(hours=14)
    create(account, at(local), target(queue, role, {"n": 1}), ScheduleExpressionTimezone="Pacific/Kiritimati")
    received = wait_for(lambda: account.messages(url), seconds=8, what="message")
    assert json.loads(received[0]["Body"]) == {"n": 1}


def test_a_rate_starts_at_once_and_a_disabled_schedule_never(account: Account) -> None:
    url, queue = account.queue()
    silent_url, silent = account.queue()
    role = account.role(SCHEDULER, allow("sqs:SendMessage"))
    create(account, "rate(7 days)", target(silent, role, "disabled"), State="DISABLED")
    create(account, "rate(7 days)", target(silent, role, "later"), StartDate=soon(3600))
    create(account, "rate(7 days)", target(queue, role, "<aws.scheduler.attempt-number>"))
    received = wait_for(lambda: account.messages(url), seconds=8, what="message")
    assert json.loads(received[0]["Body"]) == "1"
    assert account.messages(silent_url) == []


def test_what_can_not_be_delivered_is_parked_with_the_reason(account: Account) -> None:
    machine = account.machine(account.role("states.amazonaws.com"), Done={"Type": "Succeed"})
    url, queue = account.queue()
    role = account.role(SCHEDULER, allow("sqs:SendMessage", queue))
    due = soon(1)
    given = {
        "StateMachineArn": machine,
        "Name": "<aws.scheduler.execution-id>",
        "Input": "<aws.scheduler.attempt-number>",
    }
    parked = target(
        START,
        role,
        given,
        DeadLetterConfig={"Arn": queue},
        RetryPolicy={"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60},
    )
    name = create(account, at(due), parked)
    message = wait_for(lambda: account.messages(url), seconds=12, what="dead letter")[0]
    attributes = {key: value["StringValue"] for key, value in message["MessageAttributes"].items()}
    assert "is not authorized to perform: states:StartExecution" in attributes.pop("ERROR_MESSAGE")
    # One name for all attempts, or a second delivery would be a second run.
    event = attributes.pop("EXECUTION_ID")
    assert json.loads(message["Body"]) == {"StateMachineArn": machine, "Name": event, "Input": "2"}
    assert attributes == {
        "ERROR_CODE": "AccessDeniedException",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "1",
        "SCHEDULED_TIME": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "SCHEDULE_ARN": f"arn:aws:scheduler:us-west-2:123456789012:schedule/default/{name}",
        "TARGET_ARN": START,
    }
    assert executions(account, machine) == []


def test_templated_targets_are_called_as_the_role_too(account: Account) -> None:
    url, queue = account.queue()
    source = (
        "import boto3, json\n"
        "def handler(event, context):\n"
        f"    boto3.client('sqs').send_message(QueueUrl='{url}', MessageBody=json.dumps(event))\n"
    )
    function = account.function(
        source, role=account.role("lambda.amazonaws.com", allow("sqs:SendMessage", queue)), Timeout=20
    )
    machine = account.machine(account.role("states.amazonaws.com"), Done={"Type": "Succeed"})
    topic = account.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    account.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    topics_may_send = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Resource": queue}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**topics_may_send, "Action": "sqs:SendMessage"}]})
    account.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    source_of_this_account = {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    role = account.role(
        SCHEDULER,
        allow("states:StartExecution", machine),
        allow("lambda:InvokeFunction", function),
        allow("sns:Publish", topic),
        condition=source_of_this_account,
    )
    for arn in (machine, function, topic):
        create(account, "rate(1 day)", target(arn, role, {"to": arn}))
    started = wait_for(lambda: executions(account, machine), seconds=8, what="execution")[0]
    described = account.client("stepfunctions").describe_execution(executionArn=started["executionArn"])
    assert json.loads(described["input"]) == {"to": machine}
    received: list[str] = []

    def both() -> bool:
        received.extend(message["Body"] for message in account.messages(url))
        return len(received) >= 2

    wait_for(both, seconds=10, what="messages of function and topic")
    assert any(json.loads(body) == {"to": function} for body in received)
