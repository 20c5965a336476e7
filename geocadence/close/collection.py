"""`collection.json`: the STAC Collection of all products that a pipeline has committed.

Only ever added to, written in one piece, and only over the state that was read: two runs that
close at the same time both end up in it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pystac

from geocadence.bucket import Bucket, Conflict
from geocadence.close.items_table import MEDIA_TYPE
from geocadence.instants import format_instant, parse_instant
from geocadence.layout import collection_key

log = logging.getLogger(__name__)

_SETS = ("platform", "constellation", "instruments", "processing:level", "proj:code", "grid:code")
_RANGES = ("gsd", "eo:cloud_cover", "view:off_nadir", "view:sun_elevation")
_ASSET_FIELDS = ("title", "description", "type", "roles")
_ATTEMPTS = 8


def sketch_of(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a collection says of its Items, in a collection's own shape: extent, summaries and assets."""
    return {
        "extent": {"spatial": {"bbox": _boxes(items)}, "temporal": {"interval": _intervals(items)}},
        "summaries": _summaries(items),
        "item_assets": _item_assets(items),
    }


def commit(
    outputs: Bucket,
    *,
    pipeline: str,
    description: str,
    produced: Collection[str],
    sketches: Sequence[dict[str, Any]],
    in_place: Mapping[str, dict[str, Any]],
    replaced: Collection[str] = (),
) -> bool:
    """Bring the collection up to date; False where there was nothing to add, and nothing was written.

    `produced` are paths of Items from the pipeline's folder, of which `sketches` tell. `in_place` are Items of earlier
    runs by their paths: those that the collection does not have yet, because the run that made them never came to its
    end, are added as well. `replaced` are ids of products that made way for newer ones of the same acquisition.
    """
    key = collection_key(pipeline)
    for _ in range(_ATTEMPTS):
        body, etag = outputs.read_with_etag(key)
        earlier = json.loads(body) if body is not None else {}
        linked = _linked(earlier)
        found = {f"./{path}": item for path, item in in_place.items() if f"./{path}" not in linked}
        if not produced and not found:
            return False
        stay = (href for href in linked if href.rpartition("/")[2].removesuffix(".json") not in replaced)
        hrefs = {*stay, *found, *(f"./{path}" for path in produced)}
        sketch = _merged([earlier, *sketches, sketch_of(list(found.values()))])
        collection = _collection(sketch, hrefs, pipeline=pipeline, description=description)
        if collection == earlier:
            return False
        try:
            outputs.replace_json(key, collection, etag=etag)
        except Conflict:
            log.info("another run changed the collection; merging again", extra={"key": key})
            continue
        return True
    raise RuntimeError(f"{outputs.uri(key)} kept changing while this run tried to add to it")


def _collection(sketch: dict[str, Any], hrefs: Collection[str], *, pipeline: str, description: str) -> dict[str, Any]:
    ((start, end),) = sketch["extent"]["temporal"]["interval"] or [[None, None]]
    interval = [parse_instant(text) if text else None for text in (start, end)]
    collection = pystac.Collection(
        id=pipeline,
        title=pipeline,
        description=description or f"Products of the pipeline {pipeline}",
        license="other",
        extent=pystac.Extent(
            pystac.SpatialExtent(sketch["extent"]["spatial"]["bbox"] or [[-180.0, -90.0, 180.0, 90.0]]),
            pystac.TemporalExtent([interval]),
        ),
    )
    data = collection.to_dict(include_self_link=False, transform_hrefs=False)
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
    data["summaries"] = sketch["summaries"]
    data["item_assets"] = sketch["item_assets"]
    return data


def _merged(sketches: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What several sketches, or collections, say together; of assets the first word counts."""
    boxes = [box for sketch in sketches for box in sketch.get("extent", {}).get("spatial", {}).get("bbox", [])]
    intervals = [
        each for sketch in sketches for each in sketch.get("extent", {}).get("temporal", {}).get("interval", [])
    ]
    summaries: dict[str, Any] = {}
    for sketch in sketches:
        for name, told in sketch.get("summaries", {}).items():
            before = summaries.get(name)
            if before is None:
                summaries[name] = told
            elif isinstance(told, dict):
                low, high = (min, "minimum"), (max, "maximum")
                summaries[name] = {key: pick(before[key], told[key]) for pick, key in (low, high)}
            else:
                summaries[name] = sorted({*before, *told})
    return {
        "extent": {"spatial": {"bbox": _around(boxes)}, "temporal": {"interval": _spanning(intervals)}},
        "summaries": summaries,
        "item_assets": {
            name: told for sketch in reversed(sketches) for name, told in sketch.get("item_assets", {}).items()
        },
    }


def _linked(collection: dict[str, Any]) -> set[str]:
    return {link["href"] for link in collection.get("links", []) if link.get("rel") == "item"}


def _boxes(items: Iterable[dict[str, Any]]) -> list[list[float]]:
    """The box around all Items, if any has one."""
    boxes = []
    for item in items:
        box = item.get("bbox") or []
        if len(box) in (4, 6) and all(isinstance(number, int | float) for number in box):
            west, south, east, north = (*box[:2], *box[len(box) // 2 :][:2])
            # A box over the antimeridian has its west east of its east; together with others it is the whole belt.
            boxes.append([west, south, east, north] if west <= east else [-180.0, south, 180.0, north])
    return _around(boxes)


def _around(boxes: Sequence[Sequence[float]]) -> list[list[float]]:
    if not boxes:
        return []
    wests, souths, easts, norths = zip(*boxes, strict=True)
    return [[min(wests), min(souths), max(easts), max(norths)]]


def _intervals(items: Iterable[dict[str, Any]]) -> list[list[str]]:
    """The time from the first Item to the last, if any says its own."""
    names = ("datetime", "start_datetime", "end_datetime")
    texts = (_properties(item).get(name) for item in items for name in names)
    return _spanning([[text for text in texts if isinstance(text, str)]])


def _spanning(intervals: Iterable[Sequence[str | None]]) -> list[list[str]]:
    instants = [instant for each in intervals for text in each if text and (instant := _instant(text)) is not None]
    return [[format_instant(min(instants)), format_instant(max(instants))]] if instants else []


def _summaries(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    summaries: dict[str, Any] = {}
    for name in _SETS:
        values: set[str] = set()
        for item in items:
            value = _properties(item).get(name)
            values |= {text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)}
        if values:
            summaries[name] = sorted(values)
    for name in _RANGES:
        numbers = [_properties(item).get(name) for item in items]
        numbers = [value for value in numbers if isinstance(value, int | float) and not isinstance(value, bool)]
        if numbers:
            summaries[name] = {"minimum": min(numbers), "maximum": max(numbers)}
    return summaries


def _item_assets(items: Iterable[dict[str, Any]]) -> dict[str, Any]:
    assets: dict[str, Any] = {}
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
