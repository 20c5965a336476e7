"""What AWS asks of a state machine's role before it creates the machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from local_cloud.gateway.clients import RoleNotAssumable
from local_cloud.gateway.task_dispatch import PRINCIPAL

# `.sync` learns of a job's end by an EventBridge rule that Step Functions manages with the role's permissions.
MANAGED_RULES = {
    "sagemaker:createProcessingJob.sync": "StepFunctionsGetEventsForSageMakerProcessingJobsRule",
    "states:startExecution.sync": "StepFunctionsGetEventsForStepFunctionsExecutionRule",
    "states:startExecution.sync:2": "StepFunctionsGetEventsForStepFunctionsExecutionRule",
}
RULE_ACTIONS = ("events:PutTargets", "events:PutRule", "events:DescribeRule")


class StateMachineChecks:
    """Called with (state machine ARN, role ARN, definition): the sentence with which AWS refuses, or None."""

    def __init__(
        self,
        *,
        region: str,
        account: str,
        assume_role: Callable[..., Any],
        role_allows: Callable[[str, str, str], bool],
    ) -> None:
        self._region = region
        self._account = account
        self._assume_role = assume_role
        self._role_allows = role_allows

    def __call__(self, arn: str, role_arn: str, definition: str) -> str | None:
        try:
            self._assume_role(role_arn, service=PRINCIPAL, session="validation", source_arn=arn)
        except RoleNotAssumable:
            return (
                f"Neither the global service principal {PRINCIPAL}, nor the regional one is authorized to assume "
                f"the provided role {role_arn}."
            )
        for resource in set(_resources(_parsed(definition))):
            rule = MANAGED_RULES.get(resource.removeprefix("arn:aws:states:::"))
            if rule is None:
                continue
            rule_arn = f"arn:aws:events:{self._region}:{self._account}:rule/{rule}"
            if not all(self._role_allows(role_arn, action, rule_arn) for action in RULE_ACTIONS):
                return f"'{role_arn}' is not authorized to create managed-rule."
        return None


def _parsed(definition: str) -> Any:
    try:
        return json.loads(definition)
    except ValueError:
        return {}  # refused by the service itself, with the reason


def _resources(node: Any) -> Iterator[str]:
    """Every Task state's Resource, in Map and Parallel states too."""
    if isinstance(node, dict):
        if node.get("Type") == "Task" and isinstance(node.get("Resource"), str):
            yield node["Resource"]
        for value in node.values():
            yield from _resources(value)
    elif isinstance(node, list):
        for value in node:
            yield from _resources(value)
