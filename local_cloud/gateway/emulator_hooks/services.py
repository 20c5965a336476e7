"""The application, and services of ours within it: routed, dispatched and authorized as its own are."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable
from typing import Any

import ministack.app
from ministack.core import iam_actions, iam_evaluator, responses, router

from local_cloud.gateway.json_protocol import operation_and_request
from local_cloud.gateway.sagemaker_permissions import Permission

Handler = Callable[[str, str, dict, bytes, dict], Any]


def application() -> Any:
    """The ASGI application itself. MiniStack's own `main` would also listen on port 443."""
    return ministack.app.app


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
