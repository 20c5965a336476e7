"""The products that are really there: which Items are in place and what they name.

Listings are read a month at a time: a window touches few months, while one request a scene would
cost thousands.
"""

from __future__ import annotations

import json
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
    faults: tuple[str, ...]  # what keeps it from being complete, each a clause about the Item

    @property
    def is_complete(self) -> bool:
        return not self.faults


def find_products(output: Bucket, *, pipeline: str, scenes: Iterable[tuple[str, datetime]]) -> dict[str, Product]:
    """The products of `scenes` (id and datetime) whose Item is in place, complete or not."""
    wanted = {scene: (product_item(pipeline, scene, instant), instant) for scene, instant in scenes}
    months = sorted({month_folder(pipeline, instant) for _, instant in wanted.values()})
    there = {found.key: found for month in months for found in output.listing(month)}
    keys = {scene: key for scene, (key, _) in wanted.items() if key in there}
    items = output.read_json_many(keys.values())
    return {scene: _product(scene, key, items[key], there, output) for scene, key in keys.items()}


def _product(scene: str, key: str, item: Any, there: dict[str, Listed], output: Bucket) -> Product:
    """A product's files are its own: what lies in another scene's folder, nobody committed with the Item.

    Links to elsewhere (the source scene's bands, another pipeline's product) are not ours to look after.
    """
    folder, pipeline = posixpath.dirname(key) + "/", key.partition("/")[0] + "/"
    size, modified = there[key].size, there[key].modified
    if not isinstance(item, dict) or not isinstance(item.get("assets"), dict):
        return Product(scene, key, {}, modified, size, faults=(f"its Item, {posixpath.basename(key)}, is broken",))
    faults, own = [], 0
    if item.get("id") != scene:
        faults.append(f"its Item has the id {json.dumps(item.get('id'))[:200]}, not the scene's")
    for name, asset in item["assets"].items():
        href = asset.get("href") if isinstance(asset, dict) else None
        if not isinstance(href, str) or not href:
            faults.append(f"the asset {name} of its Item has no href")
            continue
        named = asset_key(href, item_key=key, output=output)
        if _is_link(href) and (named is None or not named.startswith(pipeline)):
            continue
        own += 1
        if named is None or not named.startswith(folder):
            faults.append(f"its Item names {href[:200]}, which is outside of the scene's folder")
        elif named in there:
            size += there[named].size
        else:
            faults.append(f"its Item names {posixpath.basename(named)}, which is not there")
    if not own:
        faults.append("its Item names no asset of its own")
    return Product(scene, key, item, modified, size, tuple(faults))


def _is_link(href: str) -> bool:
    """Whether others can follow it: a path in the script's container they can't."""
    return urlsplit(href).scheme in ("http", "https", "s3")


def asset_key(href: str, *, item_key: str, output: Bucket) -> str | None:
    """The key that an asset's href means, or None where it is not in the output bucket."""
    if href.startswith("s3://"):
        return output.key(href)
    if urlsplit(href).scheme:
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(item_key), unquote(href)))
