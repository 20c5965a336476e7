"""A Distributed Map in JSONata: its items, what its children know, what comes of those that fail, and an abort.

https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
"""

from __future__ import annotations

import json
import time
from typing import Any

from .conftest import Account, allow, wait_for

STATES = "states.amazonaws.com"


def distributed(child: dict[str, dict], **more: Any) -> dict[str, Any]:
    processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": next(iter(child))}
    return {
        "Type": "Map",
        "ItemProcessor": {**processor, "States": child},
        "Label": "Each",
        "ToleratedFailurePercentage": 100,
        "End": True,
        **more,
    }


def run(account: Account, **states: dict[str, Any]) -> dict[str, Any]:
    return account.run(account.machine(account.role(STATES, allow("states:StartExecution")), **states))


def test_items_selector_output_and_assign_are_jsonata(account: Account) -> None:
    ended = run(
        account,
        Begin={"Type": "Pass", "Assign": {"numbers": [1, 2, 3], "factor": 10}, "Next": "Each"},
        Each=distributed(
            {"Double": {"Type": "Pass", "Output": "{% $states.input.times * 2 %}", "End": True}},
            Items="{% $numbers %}",
            ItemSelector={"times": "{% $states.context.Map.Item.Value * $factor %}"},
            Output="{% {'sum': $sum($states.result)} %}",
            Assign={"largest": "{% $max($states.result) %}"},
            End=False,
            Next="Tell",
        ),
        Tell={"Type": "Pass", "Output": "{% $merge([$states.input, {'largest': $largest}]) %}", "End": True},
    )
    assert json.loads(ended["output"]) == {"sum": 120, "largest": 60}


def test_children_do_not_see_the_parents_variables(account: Account) -> None:
    ended = run(
        account,
        Begin={"Type": "Pass", "Assign": {"secret": "outside"}, "Next": "Each"},
        Each=distributed(
            {"Look": {"Type": "Pass", "Output": "{% $exists($secret) ? 'seen' : 'not seen' %}", "End": True}}, Items=[1]
        ),
    )
    assert json.loads(ended["output"]) == ["not seen"]


def test_a_child_that_fails_leaves_the_others_alone_where_failures_are_tolerated(account: Account) -> None:
    child = {
        "Even?": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $states.input % 2 = 0 %}", "Next": "Break"}],
            "Default": "Fine",
        },
        "Break": {"Type": "Fail", "Error": "Even"},
        "Fine": {"Type": "Pass", "Output": "fine", "End": True},
    }
    counted = {"Items": [1, 2, 3], "Output": "{% $count($states.result[$ = 'fine']) %}"}
    tolerant = run(account, Each=distributed(child, **counted))
    strict = run(account, Each=distributed(child, **counted, ToleratedFailurePercentage=10))
    assert (tolerant["status"], tolerant["output"]) == ("SUCCEEDED", "2")
    assert (strict["status"], strict["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")


def test_a_role_that_may_not_start_the_machine_itself_has_no_children(account: Account) -> None:
    child = {"Only": {"Type": "Succeed"}}
    ended = account.run(account.machine(account.role(STATES), Each=distributed(child, Items=[1])))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Permissions")
    assert "states:StartExecution" in ended["cause"]


def test_an_abort_stops_what_children_started_and_starts_no_more(account: Account) -> None:
    inner = account.machine(account.role(STATES), Wait={"Type": "Wait", "Seconds": 600, "End": True})
    nest = {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "End": True}
    child = {"Nest": {**nest, "Arguments": {"StateMachineArn": inner}}}
    role = account.role(STATES, allow("states:*"), allow("events:*"))
    # An Output that can't be told of what never ended must not turn the abort into a failure.
    failing = "{% $error('evaluated') %}"
    outer = account.machine(role, Each=distributed(child, Items=[1, 2, 3], MaxConcurrency=1, Output=failing))
    states = account.client("stepfunctions")

    def inner_in(status: str) -> list:
        return states.list_executions(stateMachineArn=inner, statusFilter=status)["executions"]

    running = states.start_execution(stateMachineArn=outer)["executionArn"]
    wait_for(lambda: inner_in("RUNNING"), seconds=10, what="inner execution")
    states.stop_execution(executionArn=running)
    wait_for(lambda: inner_in("ABORTED"), seconds=10, what="stopped inner execution")
    time.sleep(1)
    assert states.describe_execution(executionArn=running)["status"] == "ABORTED"
    assert len(states.list_executions(stateMachineArn=inner)["executions"]) == 1
