"""AWS's price list, in its own shape; it is not reached from here."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from geocadence.prices import hourly_price


def product(usd: str, *, component: str = "Processing", **more: str) -> str:
    dimension = {"unit": "Hrs", "pricePerUnit": {"USD": usd}}
    told = {"component": component, "instanceName": "ml.m5.4xlarge", "regionCode": "us-west-2", **more}
    return json.dumps(
        {
            "product": {"attributes": told},
            "terms": {"OnDemand": {"A.B": {"priceDimensions": {"A.B.C": dimension}}}},
        }
    )


@pytest.fixture
def price_list(monkeypatch: pytest.MonkeyPatch) -> Any:
    def holds(*products: str | Exception) -> list[dict[str, Any]]:
        asked: list[dict[str, Any]] = []

        class Pricing:
            def get_products(self, **arguments: Any) -> dict[str, Any]:
                asked.append(arguments)
                for each in products:
                    if isinstance(each, Exception):
                        raise each
                return {"PriceList": list(products)}

        monkeypatch.setattr(boto3, "client", lambda service, **_: Pricing())
        return asked

    return holds


def test_the_price_of_processing_is_taken(price_list: Any) -> None:
    asked = price_list(product("0.922"), product("1.1", component="Hosting"), product("0.0"))

    assert hourly_price("ml.m5.4xlarge", region="us-west-2") == 0.922
    assert {entry["Field"]: entry["Value"] for entry in asked[0]["Filters"]} == {
        "regionCode": "us-west-2",
        "instanceName": "ml.m5.4xlarge",
    }


def test_what_jobs_of_other_kinds_cost_is_no_second_price(price_list: Any) -> None:
    price_list(
        product("0.922", platoinstancetype="Processing"),
        product("0.15", platoinstancetype="Processing_Geo"),
        product("1.1", platoinstancetype="Processing_DW"),
    )

    assert hourly_price("ml.m5.4xlarge", region="us-west-2") == 0.922


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [product("1.0", component="Hosting")],
        [product("1.0"), product("2.0")],
        ["{}"],
        ["no JSON"],
        [EndpointConnectionError(endpoint_url="https://api.pricing.us-east-1.amazonaws.com")],
    ],
    ids=["nothing", "another component", "two prices", "another shape", "no JSON", "not reached"],
)
def test_a_price_is_never_made_up(price_list: Any, answer: list[Any]) -> None:
    price_list(*answer)

    assert hourly_price("ml.m5.4xlarge", region="us-west-2") is None
