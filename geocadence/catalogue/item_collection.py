"""Scenes of a static ItemCollection: inside the definition, in S3, or behind https."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from geocadence.catalogue.http import TIMEOUT, CatalogueRefused, CatalogueUnavailable, retries

Item = dict[str, Any]


def read_item_collection(
    source: dict[str, Any], *, read_s3: Callable[[str], bytes | None], retry: Retry | None = None
) -> list[Item]:
    """The Items of `source.items` of a resolved definition, their assets' hrefs made absolute.

    Raises CatalogueRefused where there is no ItemCollection, CatalogueUnavailable where the server
    fails for good.
    """
    href = source["href"]
    if (inlined := source.get("collection")) is not None:
        data = inlined
    else:
        body = _fetch(href, retry or retries()) if href.startswith("https://") else read_s3(href)
        if body is None:
            raise CatalogueRefused(f"{href} is not there (source.items.href must name an ItemCollection)")
        try:
            data = json.loads(body)
        except ValueError as error:
            raise CatalogueRefused(
                f"{href} is no JSON (source.items.href must name an ItemCollection): {error}"
            ) from error
    features = data.get("features") if isinstance(data, dict) else None
    if not isinstance(features, list) or not all(isinstance(feature, dict) for feature in features):
        raise CatalogueRefused(f"{href} is no ItemCollection (expected a GeoJSON FeatureCollection of STAC Items)")
    return [_with_absolute_assets(feature, href) for feature in features] if "://" in href else features


def _fetch(href: str, retry: Retry) -> bytes | None:
    with requests.Session() as session:
        session.mount("https://", HTTPAdapter(max_retries=retry))
        try:
            answer = session.get(href, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise CatalogueUnavailable(f"{href} gave no answer, again and again: {error}") from error
    if answer.status_code in (404, 410):
        return None
    if 400 <= answer.status_code < 500 and answer.status_code != 429:
        raise CatalogueRefused(f"{href} refused with HTTP {answer.status_code} (source.items.href must be readable)")
    if answer.status_code != 200:
        raise CatalogueUnavailable(f"{href} gave HTTP {answer.status_code}, again and again")
    return answer.content


def _with_absolute_assets(item: Item, base: str) -> Item:
    assets = item.get("assets")
    if not isinstance(assets, dict):
        return item
    return item | {"assets": {name: _absolute(asset, base) for name, asset in assets.items()}}


def _absolute(asset: Any, base: str) -> Any:
    href = asset.get("href") if isinstance(asset, dict) else None
    if not isinstance(href, str) or urlsplit(href).scheme:
        return asset
    # urljoin knows relative paths for the schemes of the web only.
    scheme, _, rest = base.partition("://")
    return asset | {"href": urljoin(f"https://{rest}", href).replace("https", scheme, 1)}
