"""Quotas of processing jobs: found by name, granted before default, and told so that a person can raise them."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from geocadence.close.jobs import advice
from geocadence.quotas import Quota, quota_refusal, read_quotas, refusal, refused

M5, R5 = "ml.m5.4xlarge", "ml.r5.xlarge"


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
    ]
    with Stubber(client) as stub:
        stub.add_response("list_service_quotas", granted[0], {"ServiceCode": "sagemaker"})
        stub.add_response("list_service_quotas", granted[1], {"ServiceCode": "sagemaker", "NextToken": "more"})
        stub.add_response("list_aws_default_service_quotas", {"Quotas": defaults}, {"ServiceCode": "sagemaker"})
        yield client


def test_what_was_granted_goes_before_the_default(service: Any) -> None:
    found = read_quotas(service, [M5, R5], region="us-west-2")
    assert {kind: (quota.value, quota.code) for kind, quota in found.items()} == {M5: (3, "L-2"), R5: (1, "L-3")}


def test_a_quota_that_is_too_low_is_told_with_name_value_need_link_and_call() -> None:
    sentence = refusal({M5: Quota(M5, 3, "L-2", "us-west-2")}, [M5], wanted=4)
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
    assert f"{page}/L-2" in (refusal({M5: Quota(M5, 3, "L-2", region)}, [M5], wanted=4) or "")
    message = (
        f"The account-level service limit '{M5} for processing job usage' is 4 Instances, with current utilization of "
        "3 Instances and a request delta of 20 Instances. Please use AWS Service Quotas to request an increase."
    )
    assert f"Raise it: {page} or" in (refused(message, region=region) or "")
    told = advice(f"ResourceLimitExceeded: {message}", run="r", region=region)
    assert f"in Service Quotas, {page} , or" in (told or "")


@pytest.mark.parametrize("value", [4, 20])
def test_a_quota_that_is_high_enough_is_no_reason(value: float) -> None:
    assert refusal({M5: Quota(M5, value, "L-2", "us-west-2")}, [M5], wanted=4) is None


def test_of_several_types_one_that_is_allowed_or_unknown_is_enough() -> None:
    low = {M5: Quota(M5, 0, "L-2", "us-west-2"), R5: Quota(R5, 1, "L-3", "us-west-2")}
    assert refusal(low, [M5, R5], wanted=1) is None
    assert refusal({M5: low[M5]}, [M5, R5], wanted=9) is None
    told = refusal(low, [M5, R5], wanted=9) or ""
    assert M5 in told
    assert R5 in told


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
