"""The account's quotas for processing jobs, from Service Quotas: read before a run, and by `geocadence doctor`.

A job above its quota is refused with ResourceLimitExceeded whenever it is tried, so a run that can't have its instances
ends before it begins. Codes of quotas are looked up, since they are listed nowhere but in the account.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from geocadence.console import quotas_page

log = logging.getLogger(__name__)

SERVICE = "sagemaker"
# Beside the one of its type each instance counts in this one, which new accounts have at 4 or so, whatever the types':
# https://github.com/data-science-on-aws/data-science-on-aws/issues/200
OF_ALL_JOBS = "Number of instances across all processing jobs"
# CreateProcessingJob's own words; stacks/components/processing_job/run.py reads them in the state machine.
_LIMIT = re.compile(
    r"service limit '(?P<name>[^']+)' is (?P<value>[0-9]+)[^,]*, with current utilization of (?P<used>[0-9]+)[^,]* "
    r"request delta of (?P<more>[0-9]+)"
)


@dataclass(frozen=True)
class Quota:
    """A quota of the account in a region."""

    name: str
    value: float
    code: str
    region: str

    @property
    def link(self) -> str:
        return f"{quotas_page(self.region)}/{self.code}"

    def request(self, wanted: int) -> str:
        """The call of the AWS CLI that asks for more."""
        return (
            f"aws service-quotas request-service-quota-increase --service-code {SERVICE} --quota-code {self.code} "
            f"--desired-value {wanted} --region {self.region}"
        )


def quota_name(instance_type: str) -> str:
    """As Service Quotas calls the quota of an instance type; the console's search finds it by that name."""
    return f"{instance_type} for processing job usage"


def read_quotas(client: Any, instance_types: Iterable[str], *, region: str) -> dict[str, Quota]:
    """The quotas of these types, and that of all jobs together, by name; those that Service Quotas does not know are
    left out.

    What the account has been granted goes before AWS's default, which holds where nothing was.
    """
    wanted = {OF_ALL_JOBS, *map(quota_name, instance_types)}
    found: dict[str, Quota] = {}
    for operation in ("list_service_quotas", "list_aws_default_service_quotas"):
        if len(found) == len(wanted):
            break
        for page in client.get_paginator(operation).paginate(ServiceCode=SERVICE):
            for each in page["Quotas"]:
                name = each["QuotaName"]
                if name in wanted and name not in found:
                    found[name] = Quota(name, each["Value"], each["QuotaCode"], region)
            if len(found) == len(wanted):
                break
    return found


def refusal(quotas: dict[str, Quota], instance_types: list[str], *, wanted: int) -> str | None:
    """Why no job with `wanted` instances at a time can be; None where all jobs together and one of the types allow it,
    or are not known.
    """
    names = [quota_name(each) for each in instance_types]
    of_all = [OF_ALL_JOBS] if _is_low(quotas, OF_ALL_JOBS, wanted) else []
    of_types = names if all(_is_low(quotas, name, wanted) for name in names) else []
    told = [
        f"“{quota.name}” is {quota.value:g} (ask for more: {quota.link} or `{quota.request(wanted)}`)"
        for quota in (quotas[name] for name in of_types + of_all)
    ]
    if not told:
        return None
    fewer = "fewer instances (instance_count)", "fewer jobs at a time (limits.concurrent_jobs)"
    # Where all jobs together have too few, those of another type would be as many.
    ways = " or ".join(fewer) if of_all else ", ".join((*fewer, "or another instance type"))
    return (
        f"The run needs {wanted} instance{'s' if wanted > 1 else ''} at a time, and the account's quota "
        f"{'; '.join(told)}. Until then take {ways}."
    )


def _is_low(quotas: dict[str, Quota], name: str, wanted: int) -> bool:
    return name in quotas and quotas[name].value < wanted


def quota_refusal(client: Any, instance_types: list[str], *, wanted: int, region: str | None) -> str | None:
    """As `refusal`, of the account's quotas; None, too, where they can't be read."""
    try:
        return refusal(read_quotas(client, instance_types, region=region or ""), instance_types, wanted=wanted)
    except (ClientError, BotoCoreError) as error:
        # The job itself is refused where the quota is too low, which `refused` tells in the same manner.
        log.warning("the account's quotas could not be read", extra={"error": str(error)})
        return None


def refused(message: str, *, region: str) -> str | None:
    """What CreateProcessingJob's ResourceLimitExceeded comes to; None where it is in other words than known.

    The same sentence as the state machine's; the quota's code is not in the message, so that the call looks it up.
    """
    match = _LIMIT.search(message)
    if match is None:
        return None
    name, value, needed = match["name"], match["value"], int(match["used"]) + int(match["more"])
    where = f"--region {region} --service-code {SERVICE}"
    return (
        f"Instances needed: {needed}. The quota “{name}” is {value}, which retrying does not change. Raise it: "
        f"{quotas_page(region)} or "
        f"`aws service-quotas request-service-quota-increase {where} --desired-value {needed} --quota-code "
        f"$(aws service-quotas list-aws-default-service-quotas {where} --output text "
        f"--query \"Quotas[?QuotaName=='{name}'].QuotaCode\")`"
    )
