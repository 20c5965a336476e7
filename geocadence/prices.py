"""What an instance costs, by AWS's own price list; nothing where it can't be asked or does not say it clearly."""

from __future__ import annotations

import json
import logging
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger(__name__)

# The price list is served from a few regions only:
# https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html
_REGION = "us-east-1"


def hourly_price(instance_type: str, *, region: str | None) -> float | None:
    """USD for an hour of a processing job on one instance, on demand."""
    config = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "max_attempts": 2})
    wanted = {"regionCode": region or "", "instanceName": instance_type}
    try:
        answer = boto3.client("pricing", region_name=_REGION, config=config).get_products(
            ServiceCode="AmazonSageMaker",
            Filters=[{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in wanted.items()],
        )
        prices = {price for text in answer["PriceList"] for price in _processing(json.loads(text))}
    except (ClientError, BotoCoreError, KeyError, ValueError, TypeError, AttributeError) as error:
        log.warning("the price list could not be read", extra={"error": str(error)[:300]})
        return None
    if len(prices) != 1:
        log.warning("the price list says no one price", extra={"instance_type": instance_type, "prices": len(prices)})
        return None
    return prices.pop()


def _processing(product: dict[str, Any]) -> list[float]:
    """The prices of a product, if it is a processing job's instance.

    Where a product has both attributes `platoinstancetype` is the exact one: it tells Data Wrangler's jobs
    (`Processing_DW`) and the geospatial supplement of us-west-2 (`Processing_Geo`) from plain ones.
    """
    attributes = product["product"]["attributes"]
    if attributes.get("platoinstancetype", attributes.get("component")) != "Processing":
        return []
    return [
        float(dimension["pricePerUnit"]["USD"])
        for term in product["terms"].get("OnDemand", {}).values()
        for dimension in term["priceDimensions"].values()
        if float(dimension["pricePerUnit"]["USD"]) > 0
    ]
