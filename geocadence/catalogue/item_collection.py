"""Scenes of a static ItemCollection or stac-geoparquet: inside the definition, in S3, or behind https."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from geocadence.catalogue.geoparquet import PARQUET, read_geoparquet
from geocadence.catalogue.http import TIMEOUT, CatalogueRefused, CatalogueUnavailable, retries

Item = dict[str, Any]


def read_item_collection(
    source: dict[str, Any], *, read_s3: Callable[[str], bytes | None], retry: Retry | None = None
) -> Iterator[Item]:
    """The Items of `source.items` of a resolved definition, one by one, their assets' hrefs made absolute.

    Raises CatalogueRefused where there is neither an ItemCollection nor stac-geoparquet, CatalogueUnavailable
    where the server fails for good.
    """
    href = source["href"]
    if (inlined := source.get("collection")) is not None:
        yield from _features(inlined, href)
        return
    body = _fetch(href, retry or retries()) if href.startswith("https://") else read_s3(href)
    if body is None:
        raise CatalogueRefused(f"{href} is not there (source.items.href must name an ItemCollection or *.parquet)")
    if urlsplit(href).path.endswith(PARQUET):
        items = _rows(body, href)
    else:
        try:
            data = json.loads(body)
        except ValueError as error:
            raise CatalogueRefused(
                f"{href} is no JSON (source.items.href must name an ItemCollection or *.parquet): {error}"
            ) from error
        items = _features(data, href)
    for item in items:
        yield _with_absolute_assets(item, href)


def _features(data: Any, href: str) -> Iterator[Item]:
    features = data.get("features") if isinstance(data, dict) else None
    if not isinstance(features, list) or not all(isinstance(feature, dict) for feature in features):
        raise CatalogueRefused(f"{href} is no ItemCollection (expected a GeoJSON FeatureCollection of STAC Items)")
    yield from features


def _rows(body: bytes, href: str) -> Iterator[Item]:
    with tempfile.NamedTemporaryFile(suffix=PARQUET) as file:
        file.write(body)
        file.flush()
        try:
            yield from read_geoparquet(Path(file.name))
        except ValueError as error:
            raise CatalogueRefused(f"{href} {error} (source.items.href must name stac-geoparquet)") from error


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
