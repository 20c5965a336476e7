"""`items.parquet` as the index of what is committed: one row a product, read without its Items.

Beside a product's Item the commit (`geocadence.close.items_table`) writes what the next plan needs to know of it, as
properties with the prefix `geocadence:`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from geocadence.bucket import Bucket
from geocadence.catalogue.geoparquet import connect
from geocadence.layout import items_key
from geocadence.plan.identity import version
from geocadence.table import rows_of

_ROWS_AT_ONCE = 2000
_COLUMNS = ", ".join(
    f'"geocadence:{name}"' for name in ("acquisition", "baseline", "recipe", "etag", "files", "modified", "footprint")
)


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
    is_placed: bool = True  # a row of earlier code knows where its product lies, and not its scene

    @property
    def version(self) -> tuple[int, ...]:
        return version(self.baseline)

    @property
    def geometry(self) -> dict[str, Any] | None:
        return json.loads(shapely.to_geojson(shapely.from_wkb(self.footprint))) if self.footprint else None

    @property
    def area(self) -> float:
        return float(shapely.from_wkb(self.footprint).area) if self.footprint else 0.0

    def placed(self, footprint: Any) -> Committed:
        """By what its source says now of where its scene lies (GeoJSON), where that can be read."""
        made = geometry_of(footprint)
        return self if made is None else replace(self, footprint=shapely.to_wkb(made), is_placed=True)


def read_committed(
    outputs: Bucket, pipeline: str, *, scenes: Collection[str], acquisitions: Collection[str]
) -> list[Committed]:
    """What is committed of these scenes, or of these acquisitions under another id."""
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        if outputs.fetch(items_key(pipeline), Path(file.name)) is None:
            return []
        found = []
        with connect() as connection:
            table = rows_of(connection, Path(file.name))
            rows = connection.execute(f"SELECT id, {_COLUMNS}, geometry FROM {table}")  # noqa: S608
            while page := rows.fetchmany(_ROWS_AT_ONCE):
                for scene, acquisition, baseline, recipe, etag, files, modified, footprint, geometry in page:
                    if scene in scenes or acquisition in acquisitions:
                        names, ground = tuple(files or ()), ground_of(footprint, geometry)
                        told = (baseline or "", recipe or "", etag or "", names, ground, modified or "")
                        found.append(Committed(scene, acquisition, *told, is_placed=footprint is not None))
    return found


def ground_of(footprint: str | None, geometry: bytes | None) -> bytes | None:
    """Where the scene lies: its own footprint (WKT), else the product's geometry: the same, or all there is."""
    return shapely.to_wkb(shapely.from_wkt(footprint)) if footprint else geometry


def geometry_of(geojson: Any) -> BaseGeometry | None:
    """What can be read of an Item's geometry; a script of others, or a catalogue, may have written what it likes."""
    try:
        made = shape(geojson)
    except (ShapelyError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None
    return None if made.is_empty else made
