"""Every place where we reach into MiniStack's private parts; nothing else here knows it from inside.

MiniStack is pinned exactly. When the pin moves, `tests/local_cloud/test_emulator_hooks.py` names each
hook whose ground has shifted. A hook states which gap between MiniStack and AWS it closes; the
behaviour itself lives in modules that know AWS only.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import hashlib
import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import ministack.app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime, responses, router
from ministack.services import iam, lambda_svc, scheduler, stepfunctions, sts
from ministack.services.cloudformation import custom_resource, provisioners

from local_cloud.gateway.clients import Credentials, RoleNotAssumable
from local_cloud.gateway.json_protocol import operation_and_request
from local_cloud.gateway.lambda_errors import error_type_of
from local_cloud.gateway.sagemaker_permissions import Permission
from local_cloud.gateway.task_dispatch import Execution, TaskFailed

Handler = Callable[[str, str, dict, bytes, dict], Any]


def application() -> Any:
    """The ASGI application itself. MiniStack's own `main` would also listen on port 443."""
    return ministack.app.app


def assume_role(role_arn: str, *, service: str, session: str, source_arn: str | None = None) -> Credentials:
    """A session of the role for an AWS service, if its trust policy admits that service.

    MiniStack's trust evaluation knows callers in accounts only; services it never asks at all.
    """
    account, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    role = iam._roles.get_scoped(account, None, name)
    if role is None:
        raise RoleNotAssumable(f"The role with name {name} cannot be found.")
    if not _trusts(role["AssumeRolePolicyDocument"], service=service, account=account, source_arn=source_arn):
        raise RoleNotAssumable(f"{service} is not authorized to assume the provided role {role_arn}.")
    session = session[:64]
    digest = hashlib.sha256("\n".join((role_arn, role["RoleId"], service, session)).encode()).hexdigest()
    credentials = Credentials(
        access_key=f"ASIA{digest[:16].upper()}",
        secret_key=hashlib.sha256(f"secret:{digest}".encode()).hexdigest(),
        token=hashlib.sha256(f"token:{digest}".encode()).hexdigest(),
    )
    sts.register_session(
        credentials.access_key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
            "UserId": f"{role['RoleId']}:{session}",
            "SecretAccessKey": credentials.secret_key,
            "SessionToken": credentials.token,
            "AccountId": account,
            "PrincipalType": "AssumedRole",
        },
    )
    return credentials


def _trusts(policy: str | dict, *, service: str, account: str, source_arn: str | None) -> bool:
    document = json.loads(policy) if isinstance(policy, str) else policy
    statements = document.get("Statement", [])
    addressed = [
        {**statement, "Principal": "*"}
        for statement in ([statements] if isinstance(statements, dict) else statements)
        if iam_evaluator._service_principal_matches(statement.get("Principal"), service)
    ]
    context = iam_evaluator.EvalContext(
        principal_arn=service,
        principal_type="Service",
        principal_account=account,
        action="sts:AssumeRole",
        resource_arn="*",
        region="",
        service_context={"aws:sourceaccount": account, **({"aws:sourcearn": source_arn} if source_arn else {})},
    )
    return iam_evaluator.evaluate_trust_policy({"Statement": addressed}, service, context)


def role_allows(role_arn: str, action: str, resource_arn: str) -> bool:
    """Whether the role's policies allow the action: for checks that AWS makes without calling anything."""
    account, region = role_arn.split(":")[4], resource_arn.split(":")[3]
    context = iam_evaluator.EvalContext(
        principal_arn=role_arn,
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource_arn,
        region=region,
    )
    policies = iam_evaluator._gather_role_policies(role_arn.rsplit("/", 1)[-1], account)
    return iam_evaluator.evaluate(context, policies).decision == "Allow"


def register_service(
    name: str,
    *,
    target_prefix: str,
    handler: Handler,
    resource_arn: Callable[[str, dict, str, str], str],
    permissions: Callable[[str, dict, str, str], Iterable[Permission]],
) -> None:
    """Add a JSON-protocol service to the router, the dispatcher and the authorizer.

    `resource_arn` and `permissions` get (operation, request, region, account). MiniStack checks one action a
    request; services such as SageMaker also check what the caller may pass on (`iam:PassRole`, `AddTags`).
    """
    router.SERVICE_PATTERNS[name] = {"target_prefixes": [target_prefix], "host_patterns": [rf"{name}\."]}
    iam_actions.SERVICE_TO_IAM_NAMESPACE[name] = name
    original = iam_actions.extract_resource_arn

    @functools.wraps(original)
    def extract(service, method, path, headers, body, query_params, region, account_id):
        if service != name:
            return original(service, method, path, headers, body, query_params, region, account_id)
        return resource_arn(*operation_and_request(headers, body), region, account_id)

    async def authorized(method, path, headers, body, query_params):
        region, account = responses.get_region(), responses.get_account_id()
        for needed in permissions(*operation_and_request(headers, body), region, account):
            denied = iam_evaluator.enforce(
                router.extract_access_key_id(headers, query_params),
                needed.action,
                needed.action.split(":")[0],
                region,
                resource_arn=needed.resource_arn,
                service_context=needed.context,
            )
            if denied:
                return _denied(needed, denied)
        return await handler(method, path, headers, body, query_params)

    iam_actions.extract_resource_arn = extract
    ministack.app.SERVICE_HANDLERS[name] = authorized


def name_log_streams() -> None:
    """Authorize calls of CloudWatch Logs on `log-group:GROUP:log-stream:STREAM`, as AWS does.

    MiniStack asks for the group alone, so that policies of AWS's usual form (`…:log-group:GROUP:*`) deny.
    The stream stays empty where a call names none: https://github.com/aws-solutions/aws-crr-monitor/issues/8.
    """
    original = iam_actions.extract_resource_arn

    @functools.wraps(original)
    def extract(service, method, path, headers, body, query_params, region, account_id):
        arn = original(service, method, path, headers, body, query_params, region, account_id)
        _operation, request = operation_and_request(headers, body) if service == "logs" else ("", {})
        return f"{arn}:log-stream:{request.get('logStreamName', '')}" if "logGroupName" in request else arn

    iam_actions.extract_resource_arn = extract


def _denied(needed: Permission, denied: Any) -> tuple[int, dict, bytes]:
    if isinstance(denied, iam_evaluator.AuthError):
        message = denied.message
    else:
        message = iam_actions.identity_denial_message(
            needed.action, denied.principal_arn, needed.resource_arn, denied.decision == "Deny"
        )
    body = json.dumps({"__type": "AccessDeniedException", "Message": message}).encode()
    return 400, {"Content-Type": "application/x-amz-json-1.1"}, body


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


def replace_schedule_ticker(start: Callable[[], None]) -> None:
    """Start our own ticker where MiniStack would start its.

    Its ticker sweeps every ten seconds in UTC, and knows no context attributes, universal targets or queues
    for dead letters.
    """
    scheduler.start_scheduler = start


def keep_schedule_times() -> None:
    """Give a schedule that CloudFormation makes its time zone and its dates, which MiniStack's provisioner drops."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Scheduler::Schedule"]
    create, update = handlers["create"], handlers["update"]

    def keep(provisioned, props):
        physical_id, attributes = provisioned
        schedule = next(each for each in schedules() if each["Arn"] == attributes["Arn"])
        schedule["ScheduleExpressionTimezone"] = props.get("ScheduleExpressionTimezone", "UTC")
        schedule.update({name: props.get(name) for name in ("StartDate", "EndDate")})
        return physical_id, attributes

    handlers["create"] = lambda logical_id, props, stack: keep(create(logical_id, props, stack), props)
    handlers["update"] = lambda physical_id, old, new, stack: keep(update(physical_id, old, new, stack), new)


def schedules() -> list[dict[str, Any]]:
    """Every schedule, as GetSchedule would show it."""
    return list(scheduler._schedules._data.values())


def delete_schedule(arn: str) -> None:
    """Remove a schedule that completed with ActionAfterCompletion=DELETE."""
    for key, schedule in list(scheduler._schedules._data.items()):
        if schedule["Arn"] == arn:
            scheduler._schedules._data.pop(key, None)


def name_lambda_errors() -> None:
    """Report an exception's class as `errorType`, which Retry and Catch match on.

    MiniStack says `Runtime.HandlerError` for every exception of a Python function.
    """
    execute = lambda_svc._execute_function_warm

    @functools.wraps(execute)
    def named(func, event, request_id):
        result = execute(func, event, request_id)
        body = result.get("body")
        if result.get("error") and isinstance(body, dict) and body.get("errorType") == "Runtime.HandlerError":
            body["errorType"] = error_type_of(result.get("log", ""), body["errorMessage"]) or body["errorType"]
        return result

    lambda_svc._execute_function_warm = named


def run_functions_with(python: str) -> None:
    """Run Python functions under `python` rather than under the emulator's own interpreter.

    That one has the emulator's packages, so that a function which forgot to bundle one would work here only.
    """
    detect = lambda_runtime._detect_runtime_binary

    @functools.wraps(detect)
    def detected(runtime):
        binary, script = detect(runtime)
        return (python if runtime.startswith("python") else binary), script

    lambda_runtime._detect_runtime_binary = detected


def stop_functions() -> None:
    """End the processes of warm functions, which would otherwise see only their input close."""
    lambda_runtime.kill_workers([worker for workers in lambda_runtime._workers.values() for worker in workers])


def answer_custom_resources(kind: str, answer: Callable[[str, dict, str | None, str], str]) -> None:
    """Let `answer(request_type, properties, physical_id, role_arn)` stand in for one kind's function.

    For functions that can't run here; the role is theirs. The result is the resource's physical id.
    """
    invoke = custom_resource.invoke_custom_resource

    @functools.wraps(invoke)
    def answered(
        request_type, logical_id, props, stack_name, stack_id, resource_type, physical_id=None, old_props=None
    ):
        if resource_type != kind:
            return invoke(request_type, logical_id, props, stack_name, stack_id, resource_type, physical_id, old_props)
        _record, config, _name = lambda_svc._get_func_record_for_ref(props["ServiceToken"])
        return answer(request_type, props, physical_id, config["Role"]), {}

    custom_resource.invoke_custom_resource = answered
