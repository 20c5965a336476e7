"""What IAM is asked about a SageMaker request: on which resource, and for what else than the operation itself.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

PRINCIPAL = "sagemaker.amazonaws.com"


def resource_arn(operation: str, request: dict[str, Any], region: str, account: str) -> str:
    """The resource that the operation is about; `*` for those that have none, such as ListProcessingJobs."""
    if isinstance(request.get("ResourceArn"), str):
        return request["ResourceArn"]
    name = request.get("ProcessingJobName")
    if not isinstance(name, str):
        return "*"
    # SageMaker's ARNs are lower case whatever the name's spelling.
    return f"arn:aws:sagemaker:{region}:{account}:processing-job/{name.lower()}"


def more(
    operation: str, request: dict[str, Any], region: str, account: str
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Action, resource and condition keys of each further permission that the request takes."""
    if operation != "CreateProcessingJob":
        return
    yield "iam:PassRole", str(request.get("RoleArn", "*")), {"iam:PassedToService": PRINCIPAL}
    tags = request.get("Tags")
    if isinstance(tags, list) and tags:
        named = {tag.get("Key"): tag.get("Value") for tag in tags if isinstance(tag, dict)}
        keys = {f"aws:RequestTag/{key}": value for key, value in named.items()}
        yield (
            "sagemaker:AddTags",
            resource_arn(operation, request, region, account),
            {**keys, "aws:TagKeys": list(named)},
        )
