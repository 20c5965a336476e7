"""Each private place of MiniStack that we reach into still is what it was when the hook was written.

A failure here names the hook whose ground has shifted; the behaviour is held by the other tests.
"""

from __future__ import annotations

import ast
import functools
import json
import re
from pathlib import Path

import pytest

from .conftest import run_in_emulator

ROOT = Path(__file__).parents[2]
HOOKS = ROOT / "local_cloud" / "gateway" / "emulator_hooks"

# The attribute, its signature (None where it is data), and what rests on it in emulator_hooks.
GROUND = [
    ("ministack.app:app", "(scope, receive, send)", "application"),
    ("ministack.app:SERVICE_HANDLERS", None, "register_service"),
    ("ministack.core.router:SERVICE_PATTERNS", None, "register_service"),
    ("ministack.core.router:extract_access_key_id", "(headers, query_params)", "register_service"),
    ("ministack.core.iam_actions:SERVICE_TO_IAM_NAMESPACE", None, "register_service"),
    (
        "ministack.core.iam_actions:extract_resource_arn",
        "(service, method, path, headers, body, query_params, region, account_id)",
        "register_service",
    ),
    (
        "ministack.core.iam_evaluator:enforce",
        "(access_key_id, iam_action, service, region, resource_arn, service_context)",
        "register_service",
    ),
    (
        "ministack.core.iam_actions:identity_denial_message",
        "(action, principal_arn, resource, explicit_deny)",
        "_denied",
    ),
    ("ministack.core.responses:get_region", "()", "register_service"),
    ("ministack.core.responses:get_account_id", "()", "register_service"),
    ("ministack.core.iam_evaluator:AuthError", "(code, message, details)", "_denied"),
    (
        "ministack.core.responses:error_response_json",
        "(code, message, status, extra, message_key, content_type)",
        "check_state_machines",
    ),
    ("ministack.core.responses:json_response", "(data, status, content_type)", "make_starts_idempotent"),
    (
        "ministack.core.iam_evaluator:EvalContext",
        "(principal_arn, principal_type, principal_account, action, resource_arn, region, source_ip, secure_transport, "
        "request_tags, tag_keys, service_context, principal_keys)",
        "_trusts",
    ),
    ("ministack.services.iam:_roles", None, "assume_role"),
    ("ministack.services.iam:_roles.get_scoped", "(account_id, region, key, default)", "assume_role"),
    ("ministack.services.sts:register_session", "(access_key, session)", "assume_role"),
    ("ministack.core.iam_evaluator:_service_principal_matches", "(principal, service)", "_trusts"),
    ("ministack.core.iam_evaluator:evaluate_trust_policy", "(trust_doc, caller_arn, ctx)", "_trusts"),
    ("ministack.core.iam_evaluator:_gather_role_policies", "(role_name, account_id)", "role_allows"),
    ("ministack.core.iam_evaluator:evaluate", "(ctx, policies, limits)", "role_allows"),
    ("ministack.services.stepfunctions:_run_execution", "(exec_arn)", "dispatch_tasks"),
    ("ministack.services.stepfunctions:_invoke_resource", "(resource, input_data)", "dispatch_tasks"),
    (
        "ministack.services.stepfunctions:_invoke_resource_with_timeout",
        "(resource, input_data, timeout)",
        "dispatch_tasks",
    ),
    (
        "ministack.services.stepfunctions:_invoke_with_callback",
        "(resource, input_data, token, state_def)",
        "dispatch_tasks",
    ),
    ("ministack.services.stepfunctions:_ExecutionError", "(error, cause)", "dispatch_tasks"),
    ("ministack.services.stepfunctions:_executions", None, "dispatch_tasks"),
    ("ministack.services.stepfunctions:_state_machines", None, "dispatch_tasks"),
    (
        "ministack.services.stepfunctions:_run_distributed_map",
        "(state_def, raw_input, effective, iterator, execution, ctx)",
        "distribute_maps",
    ),
    ("ministack.services.stepfunctions:_state_query_language", "(state_def, ctx)", "distribute_maps"),
    (
        "ministack.services.stepfunctions:_jsonata_state_field",
        "(state_def, field, expected, raw_input, ctx)",
        "distribute_maps",
    ),
    (
        "ministack.services.stepfunctions:_apply_jsonata_template",
        "(value, raw_input, ctx, result, error_output)",
        "distribute_maps",
    ),
    (
        "ministack.services.stepfunctions:_apply_jsonata_output",
        "(state_def, raw_input, ctx, result, error_output, default)",
        "distribute_maps",
    ),
    (
        "ministack.services.stepfunctions:_apply_state_assign",
        "(state_def, raw_input, ctx, result, error_output)",
        "distribute_maps",
    ),
    ("ministack.services.stepfunctions:_next_or_end", "(state_def)", "distribute_maps"),
    ("ministack.services.stepfunctions:_create_state_machine", "(data)", "check_state_machines"),
    ("ministack.services.stepfunctions:_update_state_machine", "(data)", "check_state_machines"),
    (
        "ministack.services.cloudformation.provisioners:_sfn_state_machine_create",
        "(logical_id, props, stack_name)",
        "check_state_machines",
    ),
    ("ministack.services.cloudformation.provisioners:_RESOURCE_HANDLERS", None, "check_state_machines"),
    ("ministack.services.cloudformation.provisioners:_sfn_definition", "(props)", "check_state_machines"),
    ("ministack.services.cloudformation.provisioners:_sfn_handler_error", "(message)", "check_state_machines"),
    ("ministack.services.stepfunctions:_start_execution", "(data)", "make_starts_idempotent"),
    ("ministack.services.stepfunctions:_resolve_state_machine_arn", "(arn)", "make_starts_idempotent"),
    ("ministack.services.scheduler:start_scheduler", "()", "replace_schedule_ticker"),
    ("ministack.services.scheduler:_schedules", None, "schedules"),
    ("ministack.services.scheduler:_schedules._data", None, "schedules"),
    (
        "ministack.services.cloudformation.provisioners:_scheduler_schedule_create",
        "(logical_id, props, stack_name)",
        "keep_schedule_times",
    ),
    (
        "ministack.services.cloudformation.provisioners:_scheduler_schedule_update",
        "(physical_id, old_props, new_props, stack_name)",
        "keep_schedule_times",
    ),
    ("ministack.services.lambda_svc:_execute_function_warm", "(func, event, request_id)", "name_lambda_errors"),
    ("ministack.core.lambda_runtime:_detect_runtime_binary", "(runtime)", "run_functions_with"),
    ("ministack.core.lambda_runtime:zipfile", None, "share_unpacked"),
    ("ministack.core.lambda_runtime:kill_workers", "(workers)", "stop_functions"),
    ("ministack.core.lambda_runtime:_workers", None, "stop_functions"),
    (
        "ministack.services.cloudformation.custom_resource:invoke_custom_resource",
        "(request_type, logical_id, props, stack_name, stack_id, resource_type, physical_id, old_props)",
        "answer_custom_resources",
    ),
    ("ministack.services.lambda_svc:_get_func_record_for_ref", "(function_ref)", "answer_custom_resources"),
]

LOOK = """
import importlib, inspect, json, sys
found = {}
for place in json.loads(sys.argv[1]):
    module, names = place.split(":")
    value = importlib.import_module(module)
    for name in names.split("."):
        value = getattr(value, name, None)
    names = None
    if inspect.isroutine(value) or inspect.isclass(value):
        names = "(" + ", ".join(inspect.signature(value).parameters) + ")"
    found[place] = {"there": value is not None, "signature": names}
print(json.dumps(found))
"""


@functools.cache
def found() -> dict[str, dict]:
    return json.loads(run_in_emulator(LOOK, json.dumps([place for place, _, _ in GROUND])))


@pytest.mark.parametrize(("place", "signature", "hook"), GROUND, ids=[place for place, _, _ in GROUND])
def test_ministack_still_has(place: str, signature: str | None, hook: str) -> None:
    now = found()[place]
    moved = f"MiniStack moved: {place}, which emulator_hooks.{hook} rests on,"
    assert now["there"], f"{moved} is gone"
    if signature is not None:
        assert now["signature"] == signature, f"{moved} takes {now['signature']} now"


def test_every_name_of_ministack_that_the_hooks_use_is_listed_here_with_the_hook_that_uses_it() -> None:
    used: dict[str, set[str]] = {}
    for path in HOOKS.glob("*.py"):
        tree = ast.parse(path.read_text())
        modules = {"ministack.app": "ministack.app"}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ministack"):
                modules |= {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        for hook in tree.body:
            for node in ast.walk(hook) if isinstance(hook, ast.FunctionDef) else ():
                if isinstance(node, ast.Attribute) and (module := modules.get(ast.unparse(node.value))):
                    used.setdefault(f"{module}:{node.attr}", set()).add(hook.name)
    listed = {place: hook for place, _, hook in GROUND}
    assert len(used) > 30
    for place, hooks in used.items():
        assert listed.get(place) in hooks, f"{place} is used by {hooks}, and listed for {listed.get(place)}"


def test_the_emulator_is_the_version_that_the_hooks_were_written_for() -> None:
    pinned = re.search(r"^ministack==(\S+)", (ROOT / "requirements/emulator.in").read_text(), re.MULTILINE)
    installed = run_in_emulator("import importlib.metadata as m; print(m.version('ministack'))").strip()
    assert pinned
    assert installed == pinned[1]


def test_only_the_hooks_import_ministack() -> None:
    importing = re.compile(r"^\s*(?:import|from) ministack", re.MULTILINE)
    found = {path.parent for path in (ROOT / "local_cloud").rglob("*.py") if importing.search(path.read_text())}
    assert found == {HOOKS}


def test_the_hooks_are_had_by_their_one_name() -> None:
    """Whoever hooks in another way than through the package would not be found by reading it."""
    within = re.compile(r"(?:from|import) local_cloud\.gateway\.emulator_hooks\.")
    outside = [path for path in (ROOT / "local_cloud").rglob("*.py") if path.parent != HOOKS]
    assert [path for path in outside if within.search(path.read_text())] == []
