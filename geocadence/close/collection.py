"""`collection.json`: the STAC Collection of all products that a pipeline has committed, made from `items.parquet`.

The table is the truth and the collection a view of it, that says which state of the table it shows. So a close that
died between the two leaves a collection that the next one brings up to date, whatever that one has made itself.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pystac

from geocadence.bucket import Bucket, Conflict
from geocadence.catalogue.geoparquet import connect
from geocadence.close.items_table import MEDIA_TYPE
from geocadence.layout import collection_key, items_key
from geocadence.table import quoted, rows_of
from geocadence.tries import tries

log = logging.getLogger(__name__)

_SETS = ("platform", "constellation", "instruments", "processing:level", "proj:code", "grid:code")
_RANGES = ("gsd", "eo:cloud_cover", "view:off_nadir", "view:sun_elevation")
_NUMBERS = ("DOUBLE", "BIGINT", "UBIGINT", "HUGEINT")
_TIMES = ("datetime", "start_datetime", "end_datetime")
_TEXTS = ("title", "description", "type")
# The field in the collection's asset `items` that tells which state of the table it was made from.
_STATE = "geocadence:etag"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def commit(outputs: Bucket, *, pipeline: str, description: str, table: Path, etag: str | None = None) -> bool:
    """Bring the collection up to date with the table; False where it is, or where there is no table.

    `table` is where the table may lie: the state of it that has this ETag does already.
    """
    key = collection_key(pipeline)
    for _ in tries():
        # The collection first: were it read last, it might show a newer state of the table than the one looked at, and
        # be taken back to that.
        body, read = outputs.read_with_etag(key)
        current = outputs.etag(items_key(pipeline))
        if current is None or (body is not None and _state(json.loads(body)) == current):
            return False
        if current != etag:
            etag = outputs.fetch(items_key(pipeline), table)
        collection = _collection(outputs, table, pipeline=pipeline, description=description, state=etag)
        try:
            outputs.replace_json(key, collection, etag=read)
        except Conflict:
            log.info("another run changed the collection; looking again", extra={"key": key})
            continue
        return True
    raise RuntimeError(f"{outputs.uri(key)} kept changing while this run tried to bring it up to date")


def _state(collection: dict[str, Any]) -> str | None:
    return collection.get("assets", {}).get("items", {}).get(_STATE)


def _collection(outputs: Bucket, table: Path, *, pipeline: str, description: str, state: str | None) -> dict[str, Any]:
    with connect() as connection:
        connection.execute(f"CREATE TEMP VIEW items AS SELECT * FROM {rows_of(connection, table)}")  # noqa: S608
        kinds = {name: kind for name, kind, *_ in connection.execute("DESCRIBE items").fetchall()}
        data = pystac.Collection(
            id=pipeline,
            title=pipeline,
            description=description or f"Products of the pipeline {pipeline}",
            license="other",
            extent=pystac.Extent(
                pystac.SpatialExtent([_box(connection) or [-180.0, -90.0, 180.0, 90.0]]),
                pystac.TemporalExtent([_interval(connection, kinds)]),
            ),
        ).to_dict(include_self_link=False, transform_hrefs=False)
        summaries = dict(_summaries(connection, kinds))
        assets = _item_assets(connection, kinds)
        hrefs = sorted(_hrefs(connection, outputs, pipeline))
    return data | {
        "links": [
            {"rel": "root", "href": "./collection.json", "type": "application/json"},
            *({"rel": "item", "href": href, "type": "application/geo+json"} for href in hrefs),
        ],
        "assets": {
            "items": {
                "href": "./items.parquet",
                "title": "All items as stac-geoparquet",
                "type": MEDIA_TYPE,
                "roles": ["stac-items"],
                _STATE: state,
            }
        },
        "summaries": summaries,
        "item_assets": assets,
    }


def _hrefs(connection: duckdb.DuckDBPyConnection, outputs: Bucket, pipeline: str) -> Iterator[str]:
    """The Items by their paths from the pipeline's folder: a row's first link is its Item's own."""
    for (href,) in connection.execute("SELECT links[1].href FROM items").fetchall():
        yield f"./{(outputs.key(href) or href).removeprefix(f'{pipeline}/')}"


def _box(connection: duckdb.DuckDBPyConnection) -> list[float] | None:
    """The box around all Items, if any has one.

    A box over the antimeridian has its west east of its east; together with others it is the whole belt.
    """
    found = connection.execute(
        "SELECT min(if(bbox.xmin <= bbox.xmax, bbox.xmin, -180)), min(bbox.ymin), "
        "max(if(bbox.xmin <= bbox.xmax, bbox.xmax, 180)), max(bbox.ymax) FROM items WHERE bbox.xmin IS NOT NULL"
    ).fetchone()
    return list(found) if found and None not in found else None


def _interval(connection: duckdb.DuckDBPyConnection, kinds: dict[str, str]) -> list[datetime | None]:
    """The time from the first Item to the last, if any says its own."""
    ends = [f"epoch_us({end}({name}))" for end in ("min", "max") for name in _TIMES if name in kinds]
    instants = [instant for instant in _one_row(connection, ends) if instant is not None]
    return [_EPOCH + timedelta(microseconds=end(instants)) if instants else None for end in (min, max)]


def _summaries(connection: duckdb.DuckDBPyConnection, kinds: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """What the Items say between them; a script may write what it likes, and what is of another kind says nothing."""
    for name in _SETS:
        value = {"VARCHAR": quoted(name), "VARCHAR[]": f"unnest({quoted(name)})"}.get(kinds.get(name, ""))
        if value is not None:
            rows = connection.execute(f"SELECT DISTINCT {value} FROM items").fetchall()  # noqa: S608
            if values := sorted(text for (text,) in rows if text is not None):
                yield name, values
    for name in _RANGES:
        if kinds.get(name) in _NUMBERS:
            ends = [f"{end}({quoted(name)}) FILTER (isfinite({quoted(name)} :: DOUBLE))" for end in ("min", "max")]
            low, high = _one_row(connection, ends)
            if low is not None:
                yield name, {"minimum": low, "maximum": high}


def _item_assets(connection: duckdb.DuckDBPyConnection, kinds: dict[str, str]) -> dict[str, Any]:
    """What the first Item that has an asset says of it."""
    if not kinds["assets"].startswith("STRUCT"):
        return {}
    names = [name for name, *_ in connection.execute("DESCRIBE SELECT unnest(assets) FROM items").fetchall()]
    asset = [f"assets.{quoted(name)}" for name in names]
    firsts = _one_row(connection, [f"to_json(first({each}) FILTER ({each} IS NOT NULL))" for each in asset])
    told = {name: _description(name, json.loads(first)) for name, first in zip(names, firsts, strict=True) if first}
    return {name: description for name, description in told.items() if description}


def _description(name: str, asset: Any) -> dict[str, Any]:
    """Two fields at least, as the standard wants it; of one field the name of the asset is its title."""
    if not isinstance(asset, dict):
        return {}
    roles = asset.get("roles")
    is_list = isinstance(roles, list) and all(isinstance(role, str) for role in roles)
    texts = {field: asset[field] for field in _TEXTS if isinstance(asset.get(field), str)}
    told = texts | ({"roles": roles} if is_list else {})
    return {"title": name} | told if told.keys() - {"title"} else {}


def _one_row(connection: duckdb.DuckDBPyConnection, expressions: Iterable[str]) -> tuple[Any, ...]:
    return connection.execute(f"SELECT {', '.join(expressions)} FROM items").fetchone() or ()  # noqa: S608
