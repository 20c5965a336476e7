"""The products that are really there: which Items are in place and what they name.

Listings are read a month at a time: a window touches few months, while one request a scene would
cost thousands.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from geocadence.bucket import Bucket, Listed
from geocadence.layout import month_folder, product_item


@dataclass(frozen=True)
class Product:
    """A scene's Item in the output bucket."""

    scene: str
    key: str
    item: dict[str, Any]
    modified: datetime
    size: int  # bytes of the Item and the assets beside it
    missing: tuple[str, ...]  # assets that the Item names and that are not there

    @property
    def is_complete(self) -> bool:
        return not self.missing


def find_products(output: Bucket, *, pipeline: str, scenes: Iterable[tuple[str, datetime]]) -> dict[str, Product]:
    """The products of `scenes` (id and datetime) whose Item is in place, complete or not."""
    wanted = {scene: (product_item(pipeline, scene, instant), instant) for scene, instant in scenes}
    months = sorted({month_folder(pipeline, instant) for _, instant in wanted.values()})
    there = {found.key: found for month in months for found in output.listing(month)}
    keys = {scene: key for scene, (key, _) in wanted.items() if key in there}
    items = output.read_json_many(keys.values())
    return {scene: _product(scene, key, items[key], there, output, pipeline) for scene, key in keys.items()}


def _product(scene: str, key: str, item: Any, there: dict[str, Listed], output: Bucket, pipeline: str) -> Product:
    """An Item that is no JSON object, or another scene's, counts as not in order."""
    folder = posixpath.dirname(key) + "/"
    size = there[key].size
    if not isinstance(item, dict) or not isinstance(item.get("assets"), dict):
        return Product(scene, key, {}, there[key].modified, size, missing=(key,))
    missing = []
    for name, asset in item["assets"].items():
        href = asset.get("href") if isinstance(asset, dict) else None
        if not isinstance(href, str) or not href:
            missing.append(f"{key}#{name}")
            continue
        named = asset_key(href, item_key=key, output=output)
        if named is None or not named.startswith(f"{pipeline}/"):
            continue  # the source's, or another pipeline's
        if named in there:
            size += there[named].size
        elif named.startswith(folder) or not output.exists(named):
            missing.append(named)
    return Product(scene, key, item, there[key].modified, size, tuple(missing))


def asset_key(href: str, *, item_key: str, output: Bucket) -> str | None:
    """The key that an asset's href means, or None where it is not in the output bucket."""
    if href.startswith("s3://"):
        return output.key(href)
    if urlsplit(href).scheme:
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(item_key), unquote(href)))
