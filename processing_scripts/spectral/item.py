"""The product's STAC Item: what was made, of what, and how."""

from __future__ import annotations

import hashlib
import math
import platform
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import RasterioError
from rasterio.warp import transform_geom

from spectral import __version__
from spectral.failures import InputFailure
from spectral.grids import Grid
from spectral.indices import Index
from spectral.values import FLOAT_NODATA, PACKED_NODATA, SCALE

EXTENSIONS = {
    "proj:": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "raster:": "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "processing:": "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "file:": "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "eo:": "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "grid:": "https://stac-extensions.github.io/grid/v1.1.0/schema.json",
}
# What still holds for the product as it did for the scene.
_CARRIED_OVER = (
    "start_datetime", "end_datetime", "platform", "constellation", "instruments", "mission", "gsd",
    "eo:cloud_cover", "grid:code", "s2:processing_baseline",
)  # fmt: skip
_DATETIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Written:
    """One index as written: its file and what is in it."""

    index: Index
    path: Path
    sha256: str  # of the file, in hexadecimal digits
    statistics: dict[str, Any]
    clipped: int


def item_of(
    source: dict[str, Any],
    *,
    scene_id: str,
    grid: Grid,
    written: list[Written],
    preview: Path | None,
    lineage: str,
    decisions: dict[str, Any],
    collection: str | None,
) -> dict[str, Any]:
    """The product's Item (STAC 1.1), a pure function of the scene and the files: no time, no run in it.

    Args:
        source: the scene's Item.
        lineage: one or two sentences on what was done.
        decisions: `geocadence:` properties: offset, mask.
        collection: the id of the collection at `../../../collection.json`; None leaves the link out.
    """
    assets = {one.index.file_part: _index_asset(one, grid) for one in written}
    if preview:
        assets["preview"] = {
            "href": f"./{preview.name}",
            "type": "image/png",
            "title": f"Preview of {written[0].index.name}",
            "roles": ["thumbnail"],
            **_file(preview, hashlib.sha256(preview.read_bytes()).hexdigest()),
        }
    geometry, bbox = _footprint(source, grid)
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": scene_id,
        "geometry": geometry,
        **({"bbox": bbox} if bbox else {}),
        "properties": {
            "title": f"{', '.join(one.index.name for one in written)} of {scene_id}",
            "datetime": source["properties"].get("datetime"),
            **_carried_over(source["properties"]),
            **_projection(grid),
            "processing:lineage": lineage,
            "processing:software": {
                "geocadence": __version__,
                "GDAL": rasterio.__gdal_version__,
                "Python": platform.python_version(),
            },
            **decisions,
        },
        "links": _links(source, collection),
        "assets": assets,
    }
    if collection:
        item["collection"] = collection
    fields = {*item["properties"], *(name for asset in assets.values() for name in _field_names(asset))}
    item["stac_extensions"] = [
        schema for prefix, schema in EXTENSIONS.items() if any(name.startswith(prefix) for name in fields)
    ]
    return item


def year_and_month(properties: dict[str, Any]) -> str:
    """`<yyyy>/<mm>` of the scene's datetime (UTC), else of its start.

    Raises:
        InputFailure: it has neither, or not in RFC 3339's form.
    """
    moment = properties.get("datetime") or properties.get("start_datetime")
    found = _DATETIME.fullmatch(moment) if isinstance(moment, str) else None
    if found:
        day, clock, zone = found.groups()
        # Python 3.10 reads neither Z nor every length of fraction.
        with suppress(ValueError, OverflowError):
            parsed = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}")
            return f"{parsed.astimezone(timezone.utc):%Y/%m}"
    raise InputFailure(f"The scene's datetime {moment!r} is no moment as 2026-06-01T11:21:19Z is.")


def _index_asset(one: Written, grid: Grid) -> dict[str, Any]:
    index = one.index
    packing = {"raster:scale": SCALE, "raster:offset": 0.0} if index.packed else {}
    statistics = dict(one.statistics)
    percentiles, histogram = statistics.pop("percentiles", None), statistics.pop("histogram", None)
    band = {
        "name": index.name,
        "description": index.title,
        "data_type": "int16" if index.packed else "float32",
        "nodata": PACKED_NODATA if index.packed else FLOAT_NODATA,
        "statistics": statistics,
        **packing,
        "raster:sampling": "area",
        "raster:spatial_resolution": grid.pixel_size,
        **({"raster:histogram": histogram} if histogram else {}),
        **({"geocadence:percentiles": percentiles} if percentiles else {}),
        "geocadence:clipped_pixels": one.clipped,
    }
    return {
        "href": f"./{one.path.name}",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "title": index.title,
        "roles": ["data"],
        "bands": [band],
        "processing:expression": {"format": "awesome-spectral-indices", "expression": index.formula.text},
        **({"geocadence:constants": dict(index.constants)} if index.constants else {}),
        **({"geocadence:reference": index.reference} if index.reference else {}),
        **_file(one.path, one.sha256),
    }


def _file(path: Path, sha256: str) -> dict[str, Any]:
    """Size and checksum: a multihash, 12 for SHA-256 and 20 for its 32 bytes."""
    return {"file:size": path.stat().st_size, "file:checksum": f"1220{sha256}"}


def _projection(grid: Grid) -> dict[str, Any]:
    code = grid.crs.to_authority() if grid.crs else None
    west, south, east, north = grid.bounds
    return {
        "proj:code": ":".join(code) if code else None,
        **({"proj:wkt2": grid.crs.to_wkt()} if grid.crs and not code else {}),
        "proj:shape": [grid.height, grid.width],
        "proj:transform": list(grid.transform)[:6],
        "proj:bbox": [west, south, east, north],
    }


def _carried_over(properties: dict[str, Any]) -> dict[str, Any]:
    def usable(value: Any) -> bool:
        return value is not None and not (isinstance(value, float) and not math.isfinite(value))

    return {name: properties[name] for name in _CARRIED_OVER if usable(properties.get(name))}


def _footprint(source: dict[str, Any], grid: Grid) -> tuple[dict[str, Any] | None, list[float] | None]:
    """The scene's own geometry and bbox where it has them, else the grid's outline."""
    geometry, bbox = source.get("geometry"), source.get("bbox")
    try:
        points = list(_points(geometry["coordinates"]))
        usable = bool(points) and all(math.isfinite(number) for point in points for number in point)
    except (TypeError, KeyError, IndexError, ValueError):
        usable = False
    if not usable:
        geometry, bbox = _outline(grid), None
        if geometry is None:
            return None, None
        points = list(_points(geometry["coordinates"]))
    if not _is_bbox(bbox):
        longitudes, latitudes = zip(*points, strict=True)
        bbox = [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]
    return geometry, bbox


def _is_bbox(bbox: Any) -> bool:
    return (
        isinstance(bbox, list)
        and len(bbox) in (4, 6)
        and all(isinstance(number, (int, float)) and math.isfinite(number) for number in bbox)
    )


def _outline(grid: Grid) -> dict[str, Any] | None:
    west, south, east, north = grid.bounds
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    try:
        return transform_geom(grid.crs, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]}, precision=7)
    except (RasterioError, ValueError, AttributeError):
        return None


def _points(coordinates: Any):
    if coordinates and isinstance(coordinates[0], (int, float)):
        yield float(coordinates[0]), float(coordinates[1])
    else:
        for part in coordinates:
            yield from _points(part)


def _links(source: dict[str, Any], collection: str | None) -> list[dict[str, Any]]:
    links = []
    if collection:
        links += [
            {"rel": rel, "href": "../../../collection.json", "type": "application/json"}
            for rel in ("collection", "parent")
        ]
    found = {
        link.get("rel"): link.get("href")
        for link in reversed(source.get("links") or [])
        if isinstance(link, dict) and isinstance(link.get("href"), str)
    }
    origin = found.get("self") or found.get("canonical")
    if origin:
        links.append({"rel": "derived_from", "href": origin, "type": "application/geo+json"})
    return links


def _field_names(asset: dict[str, Any]) -> list[str]:
    return [*asset, *(name for band in asset.get("bands", []) for name in band)]
