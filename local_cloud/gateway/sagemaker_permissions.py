"""What IAM is asked about a SageMaker request: on which resource, and for what else than the operation itself.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

PRINCIPAL = "sagemaker.amazonaws.com"


@dataclass(frozen=True)
class Permission:
    """One more permission that a request takes beside the one named like its operation."""

    action: str
    resource_arn: str
    context: dict[str, Any] = field(default_factory=dict)


def resource_arn(operation: str, request: dict[str, Any], region: str, account: str) -> str:
    """The resource that the operation is about; `*` for those that have none, such as ListProcessingJobs."""
    if isinstance(request.get("ResourceArn"), str):
        return request["ResourceArn"]
    name = request.get("ProcessingJobName")
    if not isinstance(name, str):
        return "*"
    # SageMaker's ARNs are lower case whatever the name's spelling.
    return f"arn:aws:sagemaker:{region}:{account}:processing-job/{name.lower()}"


def more(operation: str, request: dict[str, Any], region: str, account: str) -> Iterator[Permission]:
    """The further permissions that the request takes."""
    if operation != "CreateProcessingJob":
        return
    yield Permission("iam:PassRole", str(request.get("RoleArn", "*")), {"iam:PassedToService": PRINCIPAL})
    tags = request.get("Tags")
    if isinstance(tags, list) and tags:
        named = {tag.get("Key"): tag.get("Value") for tag in tags if isinstance(tag, dict)}
        context = {f"aws:RequestTag/{key}": value for key, value in named.items()}
        arn = resource_arn(operation, request, region, account)
        yield Permission("sagemaker:AddTags", arn, {**context, "aws:TagKeys": list(named)})
