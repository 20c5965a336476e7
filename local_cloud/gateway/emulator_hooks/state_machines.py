"""What is taken as a state machine, and as the start of one."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable

from ministack.core import responses
from ministack.services import stepfunctions
from ministack.services.cloudformation import provisioners


def check_state_machines(problem: Callable[[str, str, str], str | None]) -> None:
    """Refuse state machines for which `problem(arn, role_arn, definition)` has a sentence, as AWS does.

    CloudFormation creates them past CreateStateMachine, so both ways in are guarded.
    """
    create, update = stepfunctions._create_state_machine, stepfunctions._update_state_machine
    provision = provisioners._sfn_state_machine_create

    def arn(name):
        return f"arn:aws:states:{responses.get_region()}:{responses.get_account_id()}:stateMachine:{name}"

    @functools.wraps(create)
    def checked_create(data):
        found = problem(arn(data.get("name")), data.get("roleArn", ""), data.get("definition", "{}"))
        return responses.error_response_json("AccessDeniedException", found, 400) if found else create(data)

    @functools.wraps(update)
    def checked_update(data):
        named = data.get("stateMachineArn")
        after = {**(stepfunctions._state_machines.get(named) or {}), **data}
        found = problem(named, after["roleArn"], after.get("definition", "{}")) if "roleArn" in after else None
        return responses.error_response_json("AccessDeniedException", found, 400) if found else update(data)

    @functools.wraps(provision)
    def checked_provision(logical_id, props, stack_name):
        name = props.get("StateMachineName") or logical_id
        found = problem(arn(name), props.get("RoleArn", ""), provisioners._sfn_definition(props))
        if found:
            raise provisioners._sfn_handler_error(found)
        return provision(logical_id, props, stack_name)

    stepfunctions._create_state_machine = checked_create
    stepfunctions._update_state_machine = checked_update
    provisioners._sfn_state_machine_create = checked_provision
    provisioners._RESOURCE_HANDLERS["AWS::StepFunctions::StateMachine"]["create"] = checked_provision


def make_starts_idempotent() -> None:
    """Answer StartExecution as AWS does: the same name and input while it runs is no error, no JSON is one.

    MiniStack refuses every repeated name, and takes any text for an empty input.
    """
    start = stepfunctions._start_execution

    @functools.wraps(start)
    def started_once(data):
        try:
            json.loads(data.get("input", "{}"))
        except ValueError as error:
            told = f"Invalid State Machine Execution Input: '{error}'"
            return responses.error_response_json("InvalidExecutionInput", told, 400)
        machine = stepfunctions._resolve_state_machine_arn(data.get("stateMachineArn", ""))
        name = data.get("name")
        running = stepfunctions._executions.get(f"{str(machine).replace(':stateMachine:', ':execution:')}:{name}")
        if name and running and running["status"] == "RUNNING" and running["input"] == data.get("input", "{}"):
            return responses.json_response({"executionArn": running["executionArn"], "startDate": running["startDate"]})
        return start(data)

    stepfunctions._start_execution = started_once
