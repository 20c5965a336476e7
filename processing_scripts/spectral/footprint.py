"""Where on earth a product lies: the scene's own geometry and bbox where they are usable, else the grid's outline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spectral.coordinates import OutOfReach, polygon_in_degrees
from spectral.grids import Grid
from spectral.json_values import finite

# How deep coordinates are nested: https://datatracker.ietf.org/doc/html/rfc7946#section-3.1
_DEPTHS = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}


def footprint(source: dict[str, Any], grid: Grid | None) -> tuple[dict[str, Any] | None, list[float] | None]:
    """The geometry (longitude and latitude) and the bbox of a product; both None where neither can be had."""
    geometry = _usable(source.get("geometry"))
    bbox = source.get("bbox") if geometry else None
    geometry = geometry or (outline(grid) if grid else None)
    if geometry is None:
        return None, None
    if not _is_bbox(bbox):
        longitudes, latitudes = zip(*_points(geometry["coordinates"]), strict=True)
        bbox = [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]
    return geometry, bbox


def outline(grid: Grid) -> dict[str, Any] | None:
    """The grid's rectangle in longitude and latitude; None for a grid without coordinate system, or outside of it."""
    west, south, east, north = grid.bounds
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    try:
        return polygon_in_degrees(grid, {"type": "Polygon", "coordinates": [ring]})
    except OutOfReach:
        return None


def _usable(geometry: Any) -> dict[str, Any] | None:
    """The bare geometry, when it is GeoJSON with numbers that are some."""
    if not isinstance(geometry, dict) or not isinstance(geometry.get("type"), str):
        return None
    depth = _DEPTHS.get(geometry["type"])
    coordinates = geometry.get("coordinates")
    if depth is None or not _is_nested(coordinates, depth):
        return None
    if geometry["type"].endswith("Polygon"):
        rings = coordinates if depth == 2 else [ring for polygon in coordinates for ring in polygon]
        if any(len(ring) < 4 or ring[0] != ring[-1] for ring in rings):
            return None
    return {"type": geometry["type"], "coordinates": coordinates}


def _is_nested(part: Any, depth: int) -> bool:
    if not isinstance(part, list) or not part:
        return False
    if depth:
        return all(_is_nested(inner, depth - 1) for inner in part)
    return len(part) in (2, 3) and all(map(_is_number, part)) and abs(part[0]) <= 360 and abs(part[1]) <= 90


def _is_bbox(bbox: Any) -> bool:
    return isinstance(bbox, list) and len(bbox) in (4, 6) and all(map(_is_number, bbox))


def _is_number(value: Any) -> bool:
    return finite(value) is not None


def _points(coordinates: list) -> Iterator[tuple[float, float]]:
    if isinstance(coordinates[0], list):
        for part in coordinates:
            yield from _points(part)
    else:
        yield float(coordinates[0]), float(coordinates[1])
