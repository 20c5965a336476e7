"""`collection.json`: the STAC Collection of all products that a pipeline has committed.

Only ever added to, written in one piece, and only over the state that was read: two runs that
close at the same time both end up in it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import pystac

from geocadence.bucket import Bucket, Conflict
from geocadence.close.items_table import MEDIA_TYPE
from geocadence.instants import parse_instant
from geocadence.layout import collection_key
from geocadence.products import Product

log = logging.getLogger(__name__)

_SETS = ("platform", "constellation", "instruments", "processing:level", "proj:code", "grid:code")
_RANGES = ("gsd", "eo:cloud_cover", "view:off_nadir", "view:sun_elevation")
_ASSET_FIELDS = ("title", "description", "type", "roles")
_ATTEMPTS = 8


def commit(
    outputs: Bucket,
    *,
    pipeline: str,
    description: str,
    produced: Sequence[Product],
    in_place: Sequence[Product],
    replaced: Collection[str] = (),
) -> bool:
    """Bring the collection up to date; False where there was nothing to add, and nothing was written.

    `in_place` are products of earlier runs: those that the collection does not have yet, because
    the run that made them never came to its end, are added as well. `replaced` are ids of products that made way
    for newer ones of the same acquisition.
    """
    key = collection_key(pipeline)
    for _ in range(_ATTEMPTS):
        body, etag = outputs.read_with_etag(key)
        earlier = json.loads(body) if body is not None else None
        linked = _linked(earlier)
        added = [*produced, *(product for product in in_place if _href(product, pipeline) not in linked)]
        if not added:
            return False
        collection = _collection(earlier, added, replaced=replaced, pipeline=pipeline, description=description)
        if collection == earlier:
            return False
        try:
            outputs.replace_json(key, collection, etag=etag)
        except Conflict:
            log.info("another run changed the collection; merging again", extra={"key": key})
            continue
        return True
    raise RuntimeError(f"{outputs.uri(key)} kept changing while this run tried to add to it")


def _collection(
    earlier: dict[str, Any] | None,
    added: Sequence[Product],
    *,
    replaced: Collection[str],
    pipeline: str,
    description: str,
) -> dict[str, Any]:
    items = [product.item for product in added]
    earlier_extent = (earlier or {}).get("extent", {})
    collection = pystac.Collection(
        id=pipeline,
        title=pipeline,
        description=description or f"Products of the pipeline {pipeline}",
        license="other",
        extent=pystac.Extent(
            pystac.SpatialExtent([_bbox(earlier_extent, items)]),
            pystac.TemporalExtent([_interval(earlier_extent, items)]),
        ),
    )
    data = collection.to_dict(include_self_link=False, transform_hrefs=False)
    stay = {href for href in _linked(earlier) if href.rpartition("/")[2].removesuffix(".json") not in replaced}
    hrefs = stay | {_href(product, pipeline) for product in added}
    data["links"] = [
        {"rel": "root", "href": "./collection.json", "type": "application/json"},
        *({"rel": "item", "href": href, "type": "application/geo+json"} for href in sorted(hrefs)),
    ]
    data["assets"] = {
        "items": {
            "href": "./items.parquet",
            "title": "All items as stac-geoparquet",
            "type": MEDIA_TYPE,
            "roles": ["stac-items"],
        }
    }
    data["summaries"] = _summaries((earlier or {}).get("summaries", {}), items)
    data["item_assets"] = _item_assets((earlier or {}).get("item_assets", {}), items)
    return data


def _linked(collection: dict[str, Any] | None) -> set[str]:
    return {link["href"] for link in (collection or {}).get("links", []) if link.get("rel") == "item"}


def _href(product: Product, pipeline: str) -> str:
    return "./" + product.key.removeprefix(f"{pipeline}/")


def _bbox(extent: dict[str, Any], items: Iterable[dict[str, Any]]) -> list[float]:
    boxes = [box for box in extent.get("spatial", {}).get("bbox", [])[:1] if len(box) == 4]
    for item in items:
        box = item.get("bbox") or []
        if len(box) in (4, 6) and all(isinstance(number, int | float) for number in box):
            west, south, east, north = (*box[:2], *box[len(box) // 2 :][:2])
            # A box over the antimeridian has its west east of its east; together with others it is the whole belt.
            boxes.append([west, south, east, north] if west <= east else [-180.0, south, 180.0, north])
    if not boxes:
        return [-180.0, -90.0, 180.0, 90.0]
    wests, souths, easts, norths = zip(*boxes, strict=True)
    return [min(wests), min(souths), max(easts), max(norths)]


def _interval(extent: dict[str, Any], items: Iterable[dict[str, Any]]) -> list[datetime | None]:
    texts = [text for text in extent.get("temporal", {}).get("interval", [[]])[0] if text]
    texts += [text for item in items if isinstance(text := _properties(item).get("datetime"), str)]
    instants = [instant for text in texts if (instant := _instant(text)) is not None]
    return [min(instants), max(instants)] if instants else [None, None]


def _summaries(earlier: dict[str, Any], items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    summaries = dict(earlier)
    for name in _SETS:
        values = set(summaries.get(name, []))
        for item in items:
            value = _properties(item).get(name)
            values |= {text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)}
        if values:
            summaries[name] = sorted(values)
    for name in _RANGES:
        values = [_properties(item).get(name) for item in items]
        numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        numbers += summaries.get(name, {}).values()
        if numbers:
            summaries[name] = {"minimum": min(numbers), "maximum": max(numbers)}
    return summaries


def _item_assets(earlier: dict[str, Any], items: Iterable[dict[str, Any]]) -> dict[str, Any]:
    assets = dict(earlier)
    for item in items:
        for name, asset in item["assets"].items():
            described = {field: asset[field] for field in _ASSET_FIELDS if field in asset}
            if described and name not in assets:
                assets[name] = described
    return assets


def _properties(item: dict[str, Any]) -> dict[str, Any]:
    properties = item.get("properties")
    return properties if isinstance(properties, dict) else {}


def _instant(text: str) -> datetime | None:
    try:
        return parse_instant(text)
    except ValueError:  # a script of the user's may write what it likes
        return None
