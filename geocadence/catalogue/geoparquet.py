"""Scenes of a stac-geoparquet file, one by one: https://github.com/radiantearth/stac-geoparquet-spec."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import shapely

Item = dict[str, Any]
PARQUET = ".parquet"

# What an Item has at its top; every other column is a property.
_TOP = ("type", "stac_version", "stac_extensions", "id", "geometry", "bbox", "links", "assets", "collection")
_AS_IT_IS = ("VARCHAR", "DOUBLE", "BIGINT", "BOOLEAN")
_NULLS = '"NULL"'  # the kind of a column in which nothing stands
_ROWS_AT_ONCE = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def connect(*, memory: str = "300MB", scratch: Path | None = None) -> duckdb.DuckDBPyConnection:
    """DuckDB within a function's bounds: nothing is installed or loaded from elsewhere, and what is large spills."""
    settings: dict[str, Any] = {
        "memory_limit": memory,
        # A second one needs buffers of its own: it was out of memory with 100,000 rows.
        "threads": 1,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": True,
        **({"temp_directory": str(scratch)} if scratch else {}),
    }
    connection = duckdb.connect(config=settings)
    # Geometries as bytes: what reads DuckDB's own is another extension.
    connection.execute("SET enable_geoparquet_conversion = false")
    return connection


def read_geoparquet(path: Path) -> Iterator[Item]:
    """The Items of a stac-geoparquet file; ValueError where it is none."""
    with connect() as connection:
        try:
            columns = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
        except duckdb.Error as error:
            raise ValueError(f"is no Parquet file: {str(error).splitlines()[0][:200]}") from error
        kinds = {name: kind for name, kind, *_ in columns}
        # Of Items that have no assets at all writers make a table without the column: each is rejected for that.
        needed = ("id", "geometry", "stac_version" if "stac_version" in kinds else "assets")
        if missing := [name for name in needed if name not in kinds]:
            raise ValueError(f"is no stac-geoparquet: it has no column {', '.join(missing)}")
        if not (_is_geometry(kinds["geometry"]) or kinds["geometry"] == _NULLS):
            raise ValueError(f"is no stac-geoparquet: its geometry is {kinds['geometry'][:80]}, not WKB")
        names = list(kinds)
        chosen = ", ".join(_expression(name, kinds[name]) for name in names)
        try:
            rows = connection.execute(f"SELECT {chosen} FROM read_parquet(?)", [str(path)])  # noqa: S608 (names are quoted)
            while page := rows.fetchmany(_ROWS_AT_ONCE):
                for row in page:
                    yield _item({name: _value(value, kinds[name]) for name, value in zip(names, row, strict=True)})
        except duckdb.Error as error:
            raise ValueError(f"can't be read: {str(error).splitlines()[0][:200]}") from error


def _expression(name: str, kind: str) -> str:
    column = '"' + name.replace('"', '""') + '"'
    if kind.startswith("TIMESTAMP") and not kind.endswith("[]"):
        # epoch_us knows all types of times but this one, which is how pandas writes its own.
        return f"epoch_us({column}::TIMESTAMPTZ)" if kind == "TIMESTAMPTZ_NS" else f"epoch_us({column})"
    if _is_geometry(kind):
        return f"CAST({column} AS BLOB)"
    return column if kind in _AS_IT_IS else f"CAST(to_json({column}) AS VARCHAR)"


def _is_geometry(kind: str) -> bool:
    """Bytes, which are WKB, or Parquet's own type of GeoParquet 2; a property may be one, too (`proj:geometry`)."""
    return kind == "BLOB" or kind.startswith("GEOMETRY")


def _value(value: Any, kind: str) -> Any:
    if value is None or kind in _AS_IT_IS:
        return value
    if _is_geometry(kind):
        return _geojson(value)
    if kind.startswith("TIMESTAMP") and not kind.endswith("[]"):
        instant = _EPOCH + timedelta(microseconds=value)
        return instant.isoformat(timespec="microseconds" if instant.microsecond else "seconds").replace("+00:00", "Z")
    return _without_nulls(json.loads(value))


def _geojson(wkb: bytes) -> Any:
    """None where it can't be read, which decides nothing, as in an ItemCollection."""
    made = shapely.from_wkb(wkb, on_invalid="ignore")
    return json.loads(shapely.to_geojson(made)) if made is not None else None


def _without_nulls(value: Any) -> Any:
    """A column has every field of every Item; what an Item lacks is null in it."""
    if isinstance(value, dict):
        return {name: _without_nulls(part) for name, part in value.items() if part is not None}
    return [_without_nulls(part) for part in value] if isinstance(value, list) else value


def _item(row: dict[str, Any]) -> Item:
    box, corners = row.get("bbox"), ("xmin", "ymin", "zmin", "xmax", "ymax", "zmax")
    if isinstance(box, dict):  # the standard's form; GeoPandas keeps the Items' own
        box = [box[name] for name in corners if name in box]
    # A property is null rather than absent where the standard wants it there.
    properties = {name: value for name, value in row.items() if name not in _TOP and value is not None}
    item = {
        "type": "Feature",
        "stac_version": row.get("stac_version") or "1.0.0",
        "stac_extensions": row.get("stac_extensions") or [],
        "id": row["id"],
        "geometry": row["geometry"],
        **({"bbox": box} if isinstance(box, list) else {}),
        "properties": {"datetime": None} | properties,
        "links": row.get("links") or [],
        "assets": row.get("assets") or {},
    }
    return item | ({"collection": row["collection"]} if row.get("collection") else {})
