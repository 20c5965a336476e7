"""`items.parquet` as the index of what is committed: one row a product, read without its Items.

Beside a product's Item the commit (`geocadence.close.items_table`) writes what the next plan needs to know of it, as
properties with the prefix `geocadence:`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import shapely

from geocadence.bucket import Bucket
from geocadence.catalogue.geoparquet import connect
from geocadence.layout import items_key
from geocadence.plan.identity import version

_ROWS_AT_ONCE = 2000
COLUMNS = ("acquisition", "baseline", "recipe", "etag", "files", "modified", "footprint")


@dataclass(frozen=True, slots=True)
class Committed:
    """A product that the catalogue has."""

    scene: str
    acquisition: str
    baseline: str  # of the source scene
    recipe: str  # "" where it is not known
    etag: str  # of its Item when it was committed
    files: tuple[str, ...]  # of its own folder
    footprint: bytes | None  # WKB, of the source scene
    modified: str = ""  # when its Item was written, by S3's clock; "" where it is not known

    @property
    def version(self) -> tuple[int, ...]:
        return version(self.baseline)

    @property
    def geometry(self) -> dict[str, Any] | None:
        return json.loads(shapely.to_geojson(shapely.from_wkb(self.footprint))) if self.footprint else None

    @property
    def area(self) -> float:
        return float(shapely.from_wkb(self.footprint).area) if self.footprint else 0.0


def read_committed(
    outputs: Bucket, pipeline: str, *, scenes: Collection[str], acquisitions: Collection[str]
) -> list[Committed]:
    """What is committed of these scenes, or of these acquisitions under another id."""
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        if outputs.fetch(items_key(pipeline), Path(file.name)) is None:
            return []
        found = []
        with connect() as connection:
            columns = ", ".join(["id", *our_columns(connection, file.name, COLUMNS), "geometry"])
            rows = connection.execute(f"SELECT {columns} FROM read_parquet(?)", [file.name])  # noqa: S608
            while page := rows.fetchmany(_ROWS_AT_ONCE):
                for scene, acquisition, baseline, recipe, etag, files, modified, footprint, geometry in page:
                    if scene in scenes or acquisition in acquisitions:
                        names, ground = tuple(files or ()), ground_of(footprint, geometry)
                        told = (baseline or "", recipe or "", etag or "", names, ground, modified or "")
                        found.append(Committed(scene, acquisition, *told))
    return found


def our_columns(connection: duckdb.DuckDBPyConnection, table: str, names: Iterable[str]) -> list[str]:
    """What to select for these of our columns: nothing of one that a table from before it has not."""
    there = {name for name, *_ in connection.execute("DESCRIBE FROM read_parquet(?)", [table]).fetchall()}
    return [f'"{name}"' if name in there else "NULL" for name in (f"geocadence:{each}" for each in names)]


def ground_of(footprint: str | None, geometry: bytes | None) -> bytes | None:
    """Where the scene lies: its own footprint (WKT) where the table has it beside the product's geometry."""
    return shapely.to_wkb(shapely.from_wkt(footprint)) if footprint else geometry
