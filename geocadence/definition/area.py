"""A pipeline's area: one GeoJSON geometry out of whatever GeoJSON the file holds.

Coordinates are longitude and latitude in degrees, https://www.rfc-editor.org/rfc/rfc7946.
"""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

from shapely.geometry import shape

from geocadence.catalogue.area import as_valid, cut_at_antimeridian, is_as_wide_as_the_globe

Geometry = dict[str, Any]

# How deep the positions of each type are nested.
_DEPTH = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2}
# A longer edge goes the short way round, over the antimeridian; one little longer may as well be a continent's.
_HALF_TURN, _SURELY_OVER = 180, 270
_DEGREES = {"urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84", "EPSG:4326", "urn:ogc:def:crs:EPSG::4326"}


def read_area(path: Path) -> Geometry:
    """The one geometry of a GeoJSON file; ValueError says what is wrong and what would be right."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ValueError(f"is no valid JSON: {error.msg} in line {error.lineno}") from None
    except UnicodeDecodeError:
        raise ValueError("is no text in UTF-8 (expected a GeoJSON file)") from None
    return one_geometry(data)


def one_geometry(data: Any) -> Geometry:
    """A geometry, a Feature or a FeatureCollection as one two-dimensional geometry."""
    if not isinstance(data, dict):
        raise ValueError("is no GeoJSON object (expected a geometry, a Feature or a FeatureCollection)")
    crs = data.get("crs")
    name = crs.get("properties", {}).get("name") if isinstance(crs, dict) else None
    if name is not None and name not in _DEGREES:
        raise ValueError(f"is in {name} (expected longitude and latitude in degrees, WGS 84)")
    parts = [piece for part in _parts(data) for piece in cut_at_antimeridian(_checked(part))]
    if not parts:
        raise ValueError("holds no geometry (expected at least one)")
    if len(parts) == 1:
        return as_valid(parts[0])
    if all(part["type"] == "Polygon" for part in parts):
        return as_valid({"type": "MultiPolygon", "coordinates": [part["coordinates"] for part in parts]})
    return {"type": "GeometryCollection", "geometries": [as_valid(part) for part in parts]}


def _parts(data: dict[str, Any]) -> list[dict[str, Any]]:
    kind = data.get("type")
    if kind == "FeatureCollection":
        return [part for feature in _members(data, "features") for part in _parts(feature)]
    if kind == "Feature":
        return _parts(data["geometry"]) if isinstance(data.get("geometry"), dict) else []
    if kind == "GeometryCollection":
        return [part for geometry in _members(data, "geometries") for part in _parts(geometry)]
    if kind == "MultiPolygon":
        return [{"type": "Polygon", "coordinates": part} for part in _members(data, "coordinates", of=list)]
    if kind not in _DEPTH:
        raise ValueError(f"has the type {kind!r} (expected a GeoJSON geometry, Feature or FeatureCollection)")
    return [data]


def _members(data: dict[str, Any], key: str, *, of: type = dict) -> list[Any]:
    members = data.get(key)
    if not isinstance(members, list) or not all(isinstance(member, of) for member in members):
        raise ValueError(f"has no proper `{key}` in its {data['type']} (expected a list)")
    return members


def _checked(geometry: dict[str, Any]) -> Geometry:
    kind = geometry["type"]
    coordinates = _positions(geometry.get("coordinates"), depth=_DEPTH[kind], kind=kind)
    if any(len(line) < 2 for line in _lines(kind, coordinates)):
        raise ValueError(f"has a {kind} of one position (a line has 2 at least)")
    if kind == "Polygon" and any(len(ring) < 4 or ring[0] != ring[-1] for ring in coordinates):
        raise ValueError("has a ring that is not closed (a ring's last position repeats its first, 4 at least)")
    for line in _lines(kind, coordinates):
        for n, ((longitude, _), (following, _)) in enumerate(pairwise(line), start=1):
            if _HALF_TURN < abs(following - longitude) < _SURELY_OVER or _is_in_doubt(kind, coordinates, line, n):
                raise ValueError(
                    f"has an edge from longitude {longitude} to {following}, which may go either way round the globe "
                    "(put a position between the two, or cut the geometry at the antimeridian)"
                )
    return {"type": kind, "coordinates": coordinates}


def _is_in_doubt(kind: str, coordinates: Any, line: Any, n: int) -> bool:
    """Whether an edge between the two names of the antimeridian makes sense in the plane as well, as a side of it."""
    is_turn = abs(line[n][0] - line[n - 1][0]) == 2 * _HALF_TURN and not is_as_wide_as_the_globe(line, n)
    return is_turn and kind == "Polygon" and shape({"type": kind, "coordinates": coordinates}).is_valid


def _lines(kind: str, coordinates: Any) -> list[Any]:
    return {0: [], 1: [coordinates], 2: coordinates}[_DEPTH[kind]] if kind != "MultiPoint" else []


def _positions(value: Any, *, depth: int, kind: str) -> Any:
    if not isinstance(value, list) or not value:
        raise ValueError(f"has a {kind} with missing or broken coordinates (expected lists of [longitude, latitude])")
    if depth:
        return [_positions(part, depth=depth - 1, kind=kind) for part in value]
    if len(value) < 2 or not all(_is_number(number) for number in value[:2]):
        raise ValueError(f"has a {kind} with missing or broken coordinates (expected lists of [longitude, latitude])")
    longitude, latitude = value[:2]
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        raise ValueError(
            f"has the position [{longitude}, {latitude}] (expected longitude -180 to 180 and latitude -90 to 90; "
            "are the coordinates projected or swapped?)"
        )
    return [longitude, latitude]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
