"""Scenes of a static ItemCollection or stac-geoparquet: inside the definition, in S3, or behind https."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from geocadence.bucket import TooLarge
from geocadence.catalogue.geoparquet import PARQUET, read_geoparquet
from geocadence.catalogue.http import TIMEOUT, CatalogueRefused, CatalogueUnavailable, retries
from geocadence.catalogue.query import split
from geocadence.catalogue.selection import Selection

Item = dict[str, Any]


# JSON is held in memory whole, and takes some five times its size there; a table is read row by row from a disk.
MOST_JSON, MOST_TABLE = 100_000_000, 2_000_000_000
_CHUNK = 1 << 20


def read_item_collection(
    source: dict[str, Any],
    *,
    fetch_s3: Callable[[str, Path, int], bool],
    scenes: Sequence[str] | None = None,
    retry: Retry | None = None,
) -> Iterator[Item]:
    """The Items of `source.items` of a resolved definition, one by one, their assets' hrefs made absolute.

    What the query and the filter do not mean is left out, but where `scenes` are asked for by id: whoever names a scene
    wants that scene. `fetch_s3` writes an object into a file, and says whether there is one; TooLarge above so many
    bytes.

    Raises CatalogueRefused where there is neither an ItemCollection nor stac-geoparquet, or too large a one,
    CatalogueUnavailable where the server fails for good.
    """
    selection = Selection(None, None)
    if scenes is None:
        selection = Selection(split(source.get("query") or {})[0], source.get("filter"))
    yield from filter(selection.passes, _all(source, fetch_s3, retry or retries()))
    selection.check()


def _all(source: dict[str, Any], fetch_s3: Callable[[str, Path, int], bool], retry: Retry) -> Iterator[Item]:
    href = source["href"]
    if (inlined := source.get("collection")) is not None:
        yield from _features(inlined, href)
        return
    is_table = urlsplit(href).path.endswith(PARQUET)
    with tempfile.NamedTemporaryFile(suffix=PARQUET) as file:
        path, most = Path(file.name), MOST_TABLE if is_table else MOST_JSON
        try:
            is_there = _fetch(href, path, most, retry) if href.startswith("https://") else fetch_s3(href, path, most)
        except TooLarge as error:
            raise CatalogueRefused(_too_large(href, error.size, is_table=is_table)) from error
        if not is_there:
            raise CatalogueRefused(f"{href} is not there (source.items.href must name an ItemCollection or *.parquet)")
        for item in _rows(path, href) if is_table else _features(_json(path, href), href):
            yield _with_absolute_assets(item, href)


def _too_large(href: str, size: int, *, is_table: bool) -> str:
    if is_table:
        return f"{href} has more than {MOST_TABLE / 1e9:.0f} GB, {size / 1e9:.1f} GB at least (cut it into several)"
    return (
        f"{href} has more than {MOST_JSON / 1e6:.0f} MB of JSON, {size / 1e6:.0f} MB at least, which would be held in "
        "memory whole (make it stac-geoparquet, which is read row by row: rustac translate items.json items.parquet)"
    )


def _json(path: Path, href: str) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise CatalogueRefused(
            f"{href} is no JSON (source.items.href must name an ItemCollection or *.parquet): {error}"
        ) from error


def _features(data: Any, href: str) -> Iterator[Item]:
    features = data.get("features") if isinstance(data, dict) else None
    if not isinstance(features, list) or not all(isinstance(feature, dict) for feature in features):
        raise CatalogueRefused(f"{href} is no ItemCollection (expected a GeoJSON FeatureCollection of STAC Items)")
    yield from features


def _rows(path: Path, href: str) -> Iterator[Item]:
    try:
        yield from read_geoparquet(path)
    except ValueError as error:
        raise CatalogueRefused(f"{href} {error} (source.items.href must name stac-geoparquet)") from error


def _fetch(href: str, path: Path, most: int, retry: Retry) -> bool:
    with requests.Session() as session, path.open("wb") as file:
        session.mount("https://", HTTPAdapter(max_retries=retry))
        try:
            with session.get(href, timeout=TIMEOUT, stream=True) as answer:
                if answer.status_code in (404, 410):
                    return False
                if 400 <= answer.status_code < 500 and answer.status_code != 429:
                    raise CatalogueRefused(
                        f"{href} refused with HTTP {answer.status_code} (source.items.href must be readable)"
                    )
                if answer.status_code != 200:
                    raise CatalogueUnavailable(f"{href} gave HTTP {answer.status_code}, again and again")
                if (said := int(answer.headers.get("Content-Length", 0))) > most:
                    raise TooLarge(said)
                # What is packed on the way, or of no stated length, shows its size only as it comes.
                for chunk in answer.iter_content(_CHUNK):
                    if file.tell() + len(chunk) > most:
                        raise TooLarge(file.tell() + len(chunk))
                    file.write(chunk)
        except requests.RequestException as error:
            raise CatalogueUnavailable(f"{href} gave no answer, again and again: {error}") from error
    return True


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
