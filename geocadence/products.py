"""The products that are really there: which Items are in place and what they name.

A listing tells of a thousand objects, a request for an Item of one. So the keys of all wanted scenes are listed,
range by range, and an Item is read only where the catalogue does not know it as it is (`known`).
"""

from __future__ import annotations

import json
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby, islice
from typing import Any
from urllib.parse import unquote, urlsplit

from geocadence.bucket import Bucket, Listed
from geocadence.committed import Committed
from geocadence.layout import month_folder

# Scenes whose keys one listing looks for, and listings at the same time. Each listing's last page is read in vain in
# part; a page has a thousand keys, a product some three.
_RANGE = 4000
_LISTINGS = 8
# Items of one listing that are held at the same time.
_ITEMS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Product:
    """A scene's Item in the output bucket; `item` is empty where the catalogue knows the Item already."""

    scene: str
    key: str
    item: dict[str, Any]
    modified: datetime
    etag: str
    size: int  # bytes of the Item and the assets beside it
    files: tuple[str, ...]  # the Item's own assets, by their names in its folder
    faults: tuple[str, ...]  # what keeps it from being complete, each a clause about the Item
    baseline: str = ""  # of the scene it was made from, where its Item says so (and was read)

    @property
    def is_complete(self) -> bool:
        return not self.faults


def find_products(
    output: Bucket,
    *,
    pipeline: str,
    scenes: Iterable[tuple[str, datetime]],
    known: Mapping[str, Committed] | None = None,
    keeps_items: bool = True,
) -> dict[str, Product]:
    """The products of `scenes` (id and datetime) whose Item is in place, complete or not."""
    months: dict[str, set[str]] = defaultdict(set)
    for scene, instant in scenes:
        months[month_folder(pipeline, instant)].add(scene)
    ranges = [
        (month, ordered[n : n + _RANGE])
        for month, wanted in sorted(months.items())
        for ordered in [sorted(wanted, key=lambda scene: f"{scene}/")]
        for n in range(0, len(ordered), _RANGE)
    ]

    def look(part: tuple[str, list[str]]) -> list[Product]:
        found = _in_range(output, *part, known=known or {})
        return [product if keeps_items or not product.item else replace(product, item={}) for product in found]

    with ThreadPoolExecutor(_LISTINGS) as pool:
        return {product.scene: product for part in pool.map(look, ranges) for product in part}


def _in_range(
    output: Bucket, month: str, scenes: Sequence[str], *, known: Mapping[str, Committed]
) -> Iterator[Product]:
    wanted = set(scenes)
    unread: dict[str, dict[str, Listed]] = {}
    for scene, files in _folders(output, month, first=scenes[0], last=scenes[-1]):
        key = f"{month}{scene}/{scene}.json"
        if scene not in wanted or key not in files:
            continue
        committed = known.get(scene)
        if committed is not None and committed.etag == files[key].etag:
            yield _known_product(committed, key, files)
        else:
            unread[scene] = files
    keys = {scene: f"{month}{scene}/{scene}.json" for scene in unread}
    left = iter(unread)
    while some := list(islice(left, _ITEMS_AT_ONCE)):
        items = output.read_json_many(keys[scene] for scene in some)
        for scene in some:
            yield _product(scene, keys[scene], items[keys[scene]], unread[scene], output)


def _folders(output: Bucket, month: str, *, first: str, last: str) -> Iterator[tuple[str, dict[str, Listed]]]:
    """The folders of a month from one scene's to another's; keys come in order, so each folder comes in one piece."""

    def until_last() -> Iterator[Listed]:
        end = f"{month}{last}/"
        for found in output.listing(month, after=f"{month}{first}/"):
            if found.key > end and not found.key.startswith(end):
                return
            yield found

    for scene, files in groupby(until_last(), key=lambda found: found.key.removeprefix(month).partition("/")[0]):
        yield scene, {found.key: found for found in files}


def _known_product(committed: Committed, key: str, there: Mapping[str, Listed]) -> Product:
    folder = posixpath.dirname(key) + "/"
    gone = [name for name in committed.files if folder + name not in there]
    faults = tuple(f"its Item names {name}, which is not there" for name in gone)
    size = there[key].size + sum(there[folder + name].size for name in committed.files if folder + name in there)
    item = there[key]
    told = (item.modified, item.etag, size, committed.files, faults, committed.baseline)
    return Product(committed.scene, key, {}, *told)


def _product(scene: str, key: str, item: Any, there: Mapping[str, Listed], output: Bucket) -> Product:
    """A product's files are its own: what lies in another scene's folder, nobody committed with the Item.

    Links to elsewhere (the source scene's bands, another pipeline's product) are not ours to look after.
    """
    folder, pipeline = posixpath.dirname(key) + "/", key.partition("/")[0] + "/"
    size, modified, etag = there[key].size, there[key].modified, there[key].etag
    if not isinstance(item, dict) or not isinstance(item.get("assets"), dict):
        broken = f"its Item, {posixpath.basename(key)}, is broken"
        return Product(scene, key, {}, modified, etag, size, (), faults=(broken,))
    faults, own = [], []
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
        own.append(named)
        if named is None or not named.startswith(folder):
            faults.append(f"its Item names {href[:200]}, which is outside of the scene's folder")
        elif named in there:
            size += there[named].size
        else:
            faults.append(f"its Item names {posixpath.basename(named)}, which is not there")
    if not own:
        faults.append("its Item names no asset of its own")
    files = tuple(sorted({named.removeprefix(folder) for named in own if named is not None}))
    return Product(scene, key, item, modified, etag, size, files, tuple(faults), _baseline(item))


def _baseline(item: dict[str, Any]) -> str:
    """Not by `processing:version`, which in a product is the version of the script."""
    properties = item.get("properties")
    found = properties.get("s2:processing_baseline") if isinstance(properties, dict) else None
    return found if isinstance(found, str) else ""


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
