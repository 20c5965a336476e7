"""How executions run: Task states, Distributed Maps, time-outs and aborts."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import threading
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions

from local_cloud.gateway.emulator_hooks.roles import role_allows
from local_cloud.gateway.task_dispatch import Execution, TaskFailed

_execution: contextvars.ContextVar[Execution | None] = contextvars.ContextVar("execution", default=None)
_timed_out: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("timed_out", default=None)


class _Abandoned(BaseException):
    """Ends a task's thread past the engine's Retry and Catch, which would go on after the execution ended."""


def dispatch_tasks(dispatch: Callable[[str, Any, Execution], Any]) -> None:
    """Send Task states through `dispatch` as the state machine's role.

    MiniStack calls its services' functions directly, past authentication: a role without a permission goes
    unnoticed. It also has no SageMaker, lets a task run on when its state timed out, and lets an aborted
    execution retry, catch and become FAILED.
    """
    run_execution, with_timeout = stepfunctions._run_execution, stepfunctions._invoke_resource_with_timeout

    @functools.wraps(run_execution)
    def run(exec_arn):
        record = stepfunctions._executions.get(exec_arn)
        machine = stepfunctions._state_machines.get(record["stateMachineArn"]) if record else None
        if machine is not None:
            _execution.set(
                Execution(
                    arn=exec_arn,
                    state_machine_arn=record["stateMachineArn"],
                    role_arn=machine["roleArn"],
                    is_cancelled=lambda: record["status"] != "RUNNING",
                )
            )
        with contextlib.suppress(_Abandoned):
            run_execution(exec_arn)

    def invoke(resource, input_data):
        execution, expired = _execution.get(), _timed_out.get()
        if execution is None:
            raise stepfunctions._ExecutionError("States.Runtime", "TestState has no role to act as in the local cloud")
        if expired is not None:
            running = execution.is_cancelled
            execution = execution.with_cancellation(lambda: expired.is_set() or running())
        if execution.is_cancelled():
            raise _Abandoned
        try:
            return dispatch(resource, input_data, execution)
        except TaskFailed as failure:
            if execution.is_cancelled():
                raise _Abandoned from failure
            raise stepfunctions._ExecutionError(failure.error, failure.cause) from failure

    @functools.wraps(with_timeout)
    def invoke_with_timeout(resource, input_data, timeout):
        expired = threading.Event()
        restore = _timed_out.set(expired)
        try:
            return with_timeout(resource, input_data, timeout)
        except stepfunctions._ExecutionError as error:
            if error.error == "States.Timeout":
                expired.set()
            raise
        finally:
            _timed_out.reset(restore)

    def refuse_callback(resource, input_data, token, state_def):
        # MiniStack's way of sending the token goes past IAM.
        raise stepfunctions._ExecutionError("States.Runtime", f"The local cloud has no integration for {resource}.")

    stepfunctions._invoke_with_callback = refuse_callback
    stepfunctions._run_execution = run
    stepfunctions._invoke_resource = invoke
    stepfunctions._invoke_resource_with_timeout = invoke_with_timeout


def distribute_maps() -> None:
    """Run Distributed Maps of JSONata machines, and only for roles that may start the machine's own executions.

    MiniStack reads such a Map as JSONPath's: the state's input for its items, no ItemSelector, Output or Assign. And it
    lets children see the parent's variables, which AWS does not.
    """
    run_map = stepfunctions._run_distributed_map

    def item_of(number, value, state_def, raw_input, ctx):
        if "ItemSelector" not in state_def:
            return value
        within = {**ctx, "Map": {"Item": {"Index": number, "Value": value}}}
        return stepfunctions._apply_jsonata_template(state_def["ItemSelector"], raw_input, within)

    @functools.wraps(run_map)
    def run(state_def, raw_input, effective, iterator, execution, ctx):
        owner = _execution.get()
        if owner is not None and not role_allows(owner.role_arn, "states:StartExecution", owner.state_machine_arn):
            cause = f"{owner.role_arn} is not authorized to perform: states:StartExecution on {owner.state_machine_arn}"
            raise stepfunctions._ExecutionError("States.Permissions", cause)
        if stepfunctions._state_query_language(state_def, ctx) != "JSONata" or "ItemReader" in state_def:
            return run_map(state_def, raw_input, effective, iterator, execution, ctx)
        found = raw_input
        if "Items" in state_def:
            found = stepfunctions._jsonata_state_field(state_def, "Items", "array", raw_input, ctx)
        items = [item_of(number, value, state_def, raw_input, ctx) for number, value in enumerate(found)]
        kept = ("Label", "MaxConcurrency", "ToleratedFailureCount", "ToleratedFailurePercentage")
        plain = {name: state_def[name] for name in kept if name in state_def} | {"End": True}
        results, _ = run_map(plain, items, items, iterator, execution, {**ctx, "variables": {}})
        if execution["status"] != "RUNNING":
            raise _Abandoned
        output = stepfunctions._apply_jsonata_output(state_def, raw_input, ctx, result=results, default=results)
        stepfunctions._apply_state_assign(state_def, raw_input, ctx, result=results)
        return output, stepfunctions._next_or_end(state_def)

    stepfunctions._run_distributed_map = run
