"""A pipeline's area: which footprints really intersect it, on a globe.

Longitudes go round: a ring whose neighbours are more than half a turn apart crosses the antimeridian (GeoJSON wants
it cut there, https://www.rfc-editor.org/rfc/rfc7946#section-3.1.9, and catalogues often don't). Such rings are
unrolled to longitudes beyond 180, and the area is looked for one turn to either side too. A ring that goes all the way
round ends a turn from where it began: it holds the pole that it lies nearer to.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import shapely
from shapely.affinity import translate
from shapely.errors import ShapelyError
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

_TURN = 360.0


class Area:
    """One GeoJSON geometry of any type, in degrees."""

    def __init__(self, geometry: dict[str, Any]) -> None:
        area = _shape(geometry)
        if area is None:
            raise ValueError("is no GeoJSON geometry")
        self._places = shapely.union_all([area, translate(area, -_TURN), translate(area, _TURN)])
        shapely.prepare(self._places)

    def intersects(self, item: dict[str, Any]) -> bool:
        """Whether the Item's footprint, or its bbox where it has none, touches the area; True where it has neither."""
        # Most footprints of a large area have all of their corners in it, and one is enough: a tenth of the work.
        corner = _corner(item.get("geometry"))
        if corner is not None and shapely.intersects_xy(self._places, *corner):
            return True
        footprint = _shape(item.get("geometry"))
        if footprint is None:
            footprint = _box(item.get("bbox"))
        return footprint is None or bool(self._places.intersects(footprint))


def cut_at_antimeridian(geometry: dict[str, Any]) -> list[dict[str, Any]]:
    """The same ground as simple geometries within -180 to 180, as GeoJSON wants it and APIs read it.

    Plane geometry takes a ring over the antimeridian for all of the globe but what it means.
    """
    unrolled = shape(_unrolled(geometry))
    west, _, east, _ = unrolled.bounds
    if west >= -_TURN / 2 and east <= _TURN / 2:
        return [geometry]
    made, globe = shapely.make_valid(unrolled), box(-_TURN / 2, -90, _TURN / 2, 90)
    pieces = [translate(made, n * _TURN).intersection(globe) for n in (-1, 0, 1)]
    simple = shapely.get_parts(shapely.get_parts(pieces))
    # Where an edge lies on the antimeridian, the other side gets no more than a line of it.
    dimensions = shapely.get_dimensions(unrolled)
    whole = [part for part in simple if not part.is_empty and shapely.get_dimensions(part) == dimensions]
    return [json.loads(shapely.to_geojson(part)) for part in whole]


def as_valid(polygons: dict[str, Any]) -> dict[str, Any]:
    """A MultiPolygon whose parts do not overlap, which APIs refuse or read as they like; valid ones as they are."""
    made = shape(polygons)
    if made.is_valid:
        return polygons
    ground = shapely.union_all([shapely.make_valid(part) for part in made.geoms])
    return json.loads(shapely.to_geojson(ground))


def share_covered(footprint: Any, *, by: Sequence[Any]) -> float | None:
    """The share of a footprint (GeoJSON) that others cover together; None where that can't be told.

    It can't where one of them is no geometry, or the footprint has no area.
    """
    if not by:
        return 0.0
    ground, *others = (_shape(each) for each in (footprint, *by))
    there = [other for other in others if other is not None]
    if ground is None or not ground.area or len(there) < len(others):
        return None
    # One footprint may have been unrolled to the other side of the antimeridian than another.
    cover = shapely.union_all([translate(other, turn) for other in there for turn in (-_TURN, 0, _TURN)])
    return float(cover.intersection(ground).area / ground.area)


def _shape(geometry: Any) -> BaseGeometry | None:
    if not isinstance(geometry, dict):
        return None
    try:
        made = shape(_unrolled(geometry))
        return None if made.is_empty else shapely.make_valid(made)
    except (ShapelyError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None  # footprints are other people's: what can't be read decides nothing


def _corner(geometry: Any) -> tuple[float, float] | None:
    """A corner of a polygon."""
    if not isinstance(geometry, dict) or geometry.get("type") not in ("Polygon", "MultiPolygon"):
        return None
    found = geometry.get("coordinates")
    for _ in range(2 if geometry["type"] == "Polygon" else 3):
        found = found[0] if isinstance(found, list) and found else None
    is_position = isinstance(found, list) and len(found) >= 2 and all(isinstance(n, int | float) for n in found[:2])
    return (found[0], found[1]) if is_position else None


def _box(bbox: Any) -> BaseGeometry | None:
    numbers = bbox if isinstance(bbox, list) and all(isinstance(n, int | float) for n in bbox) else []
    if len(numbers) not in (4, 6):
        return None
    west, south, east, north = (*numbers[:2], *numbers[len(numbers) // 2 :][:2])
    return box(west, south, east if east >= west else east + _TURN, north)


def _unrolled(geometry: dict[str, Any]) -> dict[str, Any]:
    if geometry["type"] == "GeometryCollection":
        return {"type": geometry["type"], "geometries": [_unrolled(part) for part in geometry["geometries"]]}
    if geometry["type"] in ("Point", "MultiPoint"):
        return geometry
    if geometry["type"] == "Polygon":
        return {"type": "Polygon", "coordinates": _rings(geometry["coordinates"])}
    if geometry["type"] == "MultiPolygon":
        return {"type": "MultiPolygon", "coordinates": [_rings(rings) for rings in geometry["coordinates"]]}
    lines = geometry["coordinates"] if geometry["type"] == "MultiLineString" else [geometry["coordinates"]]
    return {"type": "MultiLineString", "coordinates": [_line(line) for line in lines]}


def _rings(rings: Sequence[Any]) -> list[Any]:
    """Holes go where their outer ring is."""
    outer, *holes = [_over_the_pole(_line(ring)) for ring in rings]
    middle = (min(x for x, _ in outer) + max(x for x, _ in outer)) / 2
    return [outer, *([(x + _turns(hole[0][0], middle), y) for x, y in hole] for hole in holes)]


def _over_the_pole(ring: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A ring round a pole closed along it, where its meridians meet."""
    (first, south), (last, _) = ring[0], ring[-1]
    # What was added up step by step is a whole turn but for rounding.
    if not math.isclose(abs(last - first), _TURN, abs_tol=1e-6):
        return ring
    pole = math.copysign(90.0, sum(y for _, y in ring))
    return [*ring, (last, pole), (first, pole), (first, south)]


def _line(positions: Sequence[Any]) -> list[tuple[float, float]]:
    """Each position at most half a turn from the one before; a whole turn is the globe's own width."""
    line: list[tuple[float, float]] = []
    turns, before = 0.0, None
    for x, y, *_ in positions:
        if before is not None and abs(x - before) != _TURN:
            turns += _turns(x, before)
        line.append((x + turns, y))
        before = x
    return line


def _turns(longitude: float, near: float) -> float:
    return round((near - longitude) / _TURN) * _TURN
