"""Says why a cdk-nag finding is meant, beside the code that causes it."""

from __future__ import annotations

import json
from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk import aws_iam as iam
from constructs import IConstruct


def acknowledge(construct: IConstruct, *findings: str, because: str) -> None:
    """Acknowledge `findings` (`IAM5[Resource::*]`) of AwsSolutions on `construct` and what it holds."""
    Validations.of(construct).acknowledge(
        *(Acknowledgment(id=f"AwsSolutions-{finding}", reason=because) for finding in dict.fromkeys(findings))
    )


def grant(role: iam.Role, *statements: iam.PolicyStatement, because: str) -> None:
    """Give `role` the statements; `because` says why their wildcards, and no others, are meant."""
    for statement in statements:
        role.add_to_policy(statement)
    acknowledge_wildcards(role, *(each for one in statements for each in one.resources), because=because)


def acknowledge_wildcards(construct: IConstruct, *resources: str, because: str) -> None:
    """Acknowledge exactly those of `resources` that hold a wildcard."""
    rendered = (_as_reported(Stack.of(construct).resolve(each)) for each in resources)
    if findings := [f"IAM5[Resource::{each}]" for each in rendered if "*" in each]:
        acknowledge(construct, *findings, because=because)


def _as_reported(resolved: Any) -> str:
    """An ARN as cdk-nag's reports write it, references as `<LogicalId.Attribute>`."""
    if isinstance(resolved, str):
        return resolved
    ((function, value),) = resolved.items()
    if function == "Fn::Join":
        return value[0].join(_as_reported(each) for each in value[1])
    if function not in ("Ref", "Fn::GetAtt"):
        return json.dumps(resolved, separators=(",", ":"))
    return f"<{value if isinstance(value, str) else '.'.join(value)}>"
