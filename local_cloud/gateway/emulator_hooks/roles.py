"""Roles: sessions for AWS's services, and what a role's policies allow."""

from __future__ import annotations

import hashlib
import json

from ministack.core import iam_evaluator
from ministack.services import iam, sts

from local_cloud.gateway.clients import Credentials, RoleNotAssumable


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
