"""The product's STAC Item: what was made, of what, and how."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio

from spectral import __version__
from spectral.coordinates import OutOfReach, in_degrees
from spectral.footprint import footprint
from spectral.grids import Grid
from spectral.indices import Index
from spectral.json_values import is_text
from spectral.moments import moments_of
from spectral.values import FLOAT_NODATA, PACKED_NODATA, SCALE

EXTENSIONS = {
    "proj:": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "raster:": "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "processing:": "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "file:": "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "eo:": "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "grid:": "https://stac-extensions.github.io/grid/v1.1.0/schema.json",
}


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_text, value))


def _is_percentage(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 100


# What still holds for the product as it did for the scene, where it is what STAC says it has to be.
_CARRIED_OVER: dict[str, Callable[[Any], bool]] = {
    "platform": is_text,
    "constellation": is_text,
    "mission": is_text,
    "instruments": _is_list_of_texts,
    "eo:cloud_cover": _is_percentage,
    "grid:code": lambda value: is_text(value) and _GRID_CODE.fullmatch(value) is not None,
    "s2:processing_baseline": is_text,
}
# https://github.com/stac-extensions/grid
_GRID_CODE = re.compile(r"[A-Z0-9]+-[-_.A-Za-z0-9]+", re.ASCII)
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*://.+", re.ASCII | re.IGNORECASE)


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
    preview: Path,
    legend: dict[str, Any],
    lineage: str,
    decisions: dict[str, Any],
    collection: str | None,
) -> dict[str, Any]:
    """The product's Item (STAC 1.1), a pure function of the scene and the files: no time, no run in it.

    Args:
        source: the scene's Item.
        legend: what the preview's colours mean.
        lineage: one or two sentences on what was done.
        decisions: `geocadence:` properties: offset, mask.
        collection: the id of the collection at `../../../collection.json`; None leaves the link out.
    """
    assets = {one.index.file_part: _index_asset(one, grid) for one in written}
    assets["preview"] = {
        "href": f"./{preview.name}",
        "type": "image/png",
        "title": f"Preview of {legend['index']}, {legend['minimum']:g} to {legend['maximum']:g}",
        "roles": ["thumbnail"],
        "geocadence:legend": legend,
        **file_fields(preview, hashlib.sha256(preview.read_bytes()).hexdigest()),
    }
    geometry, bbox = footprint(source, grid)
    properties = {
        "title": f"{', '.join(one.index.name for one in written)} of {scene_id}",
        **moments_of(source["properties"]),
        **carried_over(source["properties"]),
        **({"gsd": grid.metres} if grid.metres else {}),
        **projection(grid),
        "processing:level": "L2",
        "processing:lineage": lineage,
        "processing:version": __version__,
        "processing:software": {
            "geocadence": __version__,
            "GDAL": rasterio.__gdal_version__,
            "Python": platform.python_version(),
        },
        **decisions,
    }
    return assembled(source, scene_id, geometry, bbox, properties=properties, assets=assets, collection=collection)


def assembled(
    source: dict[str, Any],
    scene_id: str,
    geometry: dict[str, Any] | None,
    bbox: list[float] | None,
    *,
    properties: dict[str, Any],
    assets: dict[str, Any],
    collection: str | None,
) -> dict[str, Any]:
    """The Item (STAC 1.1) of a product of the scene `source`: what all are made of, around what this one tells."""
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": scene_id,
        "geometry": geometry,
        **({"bbox": bbox} if bbox else {}),
        "properties": properties,
        "links": _links(source, collection),
        "assets": assets,
    }
    if collection:
        item["collection"] = collection
    item["stac_extensions"] = _extensions(item)
    return item


def _extensions(item: dict[str, Any]) -> list[str]:
    """The schemas of the extensions whose fields the Item has."""
    fields = {*item["properties"], *(name for asset in item["assets"].values() for name in _field_names(asset))}
    return [schema for prefix, schema in EXTENSIONS.items() if any(name.startswith(prefix) for name in fields)]


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
        **({"raster:spatial_resolution": grid.metres} if grid.metres else {}),
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
        **file_fields(one.path, one.sha256),
    }


def file_fields(path: Path, sha256: str) -> dict[str, Any]:
    """Size and checksum: a multihash, 12 for SHA-256 and 20 for its 32 bytes."""
    return {"file:size": path.stat().st_size, "file:checksum": f"1220{sha256}"}


def projection(grid: Grid) -> dict[str, Any]:
    """The projection extension's fields of a grid; bounds in units of its CRS, the centroid in degrees."""
    code = grid.crs.to_authority() if grid.crs else None
    west, south, east, north = grid.bounds
    centre = _centre(grid)
    return {
        "proj:code": ":".join(code) if code else None,
        **({"proj:wkt2": grid.crs.to_wkt()} if grid.crs and not code else {}),
        "proj:shape": [grid.height, grid.width],
        "proj:transform": list(grid.transform)[:6],
        "proj:bbox": [west, south, east, north],
        **({"proj:centroid": centre} if centre else {}),
    }


def _centre(grid: Grid) -> dict[str, float] | None:
    try:
        (longitude,), (latitude,) = in_degrees(grid, [0.5], [0.5])
    except OutOfReach:
        return None
    return {"lat": round(float(latitude), 7), "lon": round(float(longitude), 7)}


def carried_over(properties: dict[str, Any]) -> dict[str, Any]:
    """The scene's properties that hold of its product as well, those of the wrong type left out."""
    return {name: properties[name] for name, holds in _CARRIED_OVER.items() if holds(properties.get(name))}


def _links(source: dict[str, Any], collection: str | None) -> list[dict[str, Any]]:
    links = []
    if collection:
        links += [
            {"rel": rel, "href": "../../../collection.json", "type": "application/json"}
            for rel in ("collection", "parent")
        ]
    origin = _href(source, "self") or _href(source, "canonical")
    if origin:
        links.append({"rel": "derived_from", "href": origin, "type": "application/geo+json"})
    return links


def _href(source: dict[str, Any], rel: str) -> str | None:
    """The source's first link of that kind; a relative one would lead nowhere from the product's place."""
    links = source.get("links")
    for link in links if isinstance(links, list) else []:
        href = link.get("href") if isinstance(link, dict) and link.get("rel") == rel else None
        if is_text(href) and _ABSOLUTE.fullmatch(href):
            return href
    return None


def _field_names(asset: dict[str, Any]) -> list[str]:
    return [*asset, *(name for band in asset.get("bands", []) for name in band)]
