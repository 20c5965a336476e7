"""Quotas of processing jobs: found by name, granted before default, and told so that a person can raise them."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from geocadence.close.jobs import advice
from geocadence.quotas import OF_ALL_JOBS, Quota, quota_name, quota_refusal, read_quotas, refusal, refused

M5, R5 = "ml.m5.4xlarge", "ml.r5.xlarge"
OF_M5, OF_R5 = quota_name(M5), quota_name(R5)


def listed(name: str, value: float, code: str) -> dict[str, Any]:
    return {"QuotaName": name, "Value": value, "QuotaCode": code, "ServiceCode": "sagemaker"}


@pytest.fixture
def service() -> Any:
    """Service Quotas: two pages of what was granted, one of defaults."""
    client = boto3.client(
        "service-quotas", region_name="us-west-2", aws_access_key_id="test", aws_secret_access_key="test"
    )
    granted = [
        {"Quotas": [listed(f"{M5} for training job usage", 90, "L-1")], "NextToken": "more"},
        {"Quotas": [listed(f"{M5} for processing job usage", 3, "L-2")]},
    ]
    defaults = [
        listed(f"{M5} for processing job usage", 0, "L-2"),
        listed(f"{R5} for processing job usage", 1, "L-3"),
        listed("Number of instances across all processing jobs", 4, "L-4"),
    ]
    with Stubber(client) as stub:
        stub.add_response("list_service_quotas", granted[0], {"ServiceCode": "sagemaker"})
        stub.add_response("list_service_quotas", granted[1], {"ServiceCode": "sagemaker", "NextToken": "more"})
        stub.add_response("list_aws_default_service_quotas", {"Quotas": defaults}, {"ServiceCode": "sagemaker"})
        yield client


def test_what_was_granted_goes_before_the_default(service: Any) -> None:
    found = read_quotas(service, [M5, R5], region="us-west-2")
    told = {name: (quota.value, quota.code) for name, quota in found.items()}
    assert told == {OF_M5: (3, "L-2"), OF_R5: (1, "L-3"), OF_ALL_JOBS: (4, "L-4")}


def test_a_quota_that_is_too_low_is_told_with_name_value_need_link_and_call() -> None:
    sentence = refusal({OF_M5: Quota(OF_M5, 3, "L-2", "us-west-2")}, [M5], wanted=4)
    assert sentence is not None
    for part in (
        "needs 4 instances at a time",
        "“ml.m5.4xlarge for processing job usage” is 3 ",
        "https://us-west-2.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas/L-2",
        "`aws service-quotas request-service-quota-increase --service-code sagemaker --quota-code L-2 "
        "--desired-value 4 --region us-west-2`",
    ):
        assert part in sentence


@pytest.mark.parametrize(
    ("region", "home"),
    [("us-gov-west-1", "console.amazonaws-us-gov.com"), ("cn-northwest-1", "console.amazonaws.cn")],
)
def test_links_lead_to_the_console_of_the_regions_own_partition(region: str, home: str) -> None:
    page = f"https://{region}.{home}/servicequotas/home/services/sagemaker/quotas"
    assert f"{page}/L-2" in (refusal({OF_M5: Quota(OF_M5, 3, "L-2", region)}, [M5], wanted=4) or "")
    message = (
        f"The account-level service limit '{M5} for processing job usage' is 4 Instances, with current utilization of "
        "3 Instances and a request delta of 20 Instances. Please use AWS Service Quotas to request an increase."
    )
    assert f"Raise it: {page} or" in (refused(message, region=region) or "")
    told = advice(f"ResourceLimitExceeded: {message}", run="r", region=region)
    assert f"in Service Quotas, {page} , or" in (told or "")


@pytest.mark.parametrize("value", [4, 20])
def test_a_quota_that_is_high_enough_is_no_reason(value: float) -> None:
    assert refusal({OF_M5: Quota(OF_M5, value, "L-2", "us-west-2")}, [M5], wanted=4) is None


def test_of_several_types_one_that_is_allowed_or_unknown_is_enough() -> None:
    low = {OF_M5: Quota(OF_M5, 0, "L-2", "us-west-2"), OF_R5: Quota(OF_R5, 1, "L-3", "us-west-2")}
    assert refusal(low, [M5, R5], wanted=1) is None
    assert refusal({OF_M5: low[OF_M5]}, [M5, R5], wanted=9) is None
    told = refusal(low, [M5, R5], wanted=9) or ""
    assert M5 in told
    assert R5 in told


@pytest.mark.parametrize(
    ("of_all", "of_m5", "told"),
    [
        (4, 20, ["“Number of instances across all processing jobs” is 4 (ask for more: ", "/quotas/L-4 or `"]),
        (
            4,
            5,
            [
                "“ml.m5.4xlarge for processing job usage” is 5 ",
                "“Number of instances across all processing jobs” is 4 ",
            ],
        ),
        (8, 20, None),
        (8, 5, ["“ml.m5.4xlarge for processing job usage” is 5 ", "or another instance type."]),
    ],
)
def test_all_jobs_together_have_a_quota_too(of_all: float, of_m5: float, told: list[str] | None) -> None:
    quotas = {
        OF_M5: Quota(OF_M5, of_m5, "L-2", "us-west-2"),
        OF_ALL_JOBS: Quota(OF_ALL_JOBS, of_all, "L-4", "us-west-2"),
    }
    sentence = refusal(quotas, [M5], wanted=8)
    if told is None:
        assert sentence is None
        return
    for part in ("The run needs 8 instances at a time", *told):
        assert part in (sentence or "")
    # Another type would need as many.
    assert ("another instance type" in (sentence or "")) == (of_all >= 8)


def test_who_may_not_list_quotas_is_let_pass() -> None:
    client = boto3.client(
        "service-quotas", region_name="us-west-2", aws_access_key_id="test", aws_secret_access_key="test"
    )
    with Stubber(client) as stub:
        stub.add_client_error("list_service_quotas", "AccessDeniedException")
        assert quota_refusal(client, [M5], wanted=99, region="us-west-2") is None
    with pytest.raises(ClientError), Stubber(client) as stub:
        stub.add_client_error("list_service_quotas", "AccessDeniedException")
        read_quotas(client, [M5], region="us-west-2")
