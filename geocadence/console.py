"""Addresses of the AWS console: of the commercial regions, GovCloud's and China's, each under a name of its own."""

from __future__ import annotations

# stacks/components/processing_job/console.py has them for the state machine.
_PARTITIONS = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}


def console(region: str | None) -> str:
    """The console's first page, in `region` where that is known."""
    given = region or ""
    home = next((name for begin, name in _PARTITIONS.items() if given.startswith(begin)), "console.aws.amazon.com")
    return f"https://{given}.{home}" if given else f"https://{home}"


def quotas_page(region: str | None) -> str:
    """SageMaker's quotas; with `/<code>` behind it, one of them."""
    return f"{console(region)}/servicequotas/home/services/sagemaker/quotas"
