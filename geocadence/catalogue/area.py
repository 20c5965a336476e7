"""A pipeline's area: which footprints really intersect it, on a globe.

Longitudes go round: a ring whose neighbours are more than half a turn apart crosses the antimeridian (GeoJSON wants
it cut there, https://www.rfc-editor.org/rfc/rfc7946#section-3.1.9, and catalogues often don't). Such rings are
unrolled to longitudes beyond 180, and the area is looked for one turn to either side too. A ring that goes all the way
round ends a turn from where it began: it holds the pole that it lies nearer to. 180 and -180 are one meridian: from the
one to the other an edge leads over the globe only where it is drawn so, as of its box.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import shapely
from shapely.affinity import translate
from shapely.errors import ShapelyError
from shapely.geometry import GeometryCollection, MultiLineString, MultiPolygon, Polygon, box, shape
from shapely.geometry.base import BaseGeometry

_TURN, _POLE = 360.0, 90.0

Line = list[tuple[float, float]]


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

    Plane geometry takes a ring over the antimeridian for all of the globe but what it means, and one round a pole for
    a line.
    """
    unrolled = _unrolled(geometry)
    west, _, east, _ = unrolled.bounds
    is_within = west >= -_TURN / 2 and east <= _TURN / 2
    if is_within and (geometry["type"] != "Polygon" or unrolled.normalize() == shape(geometry).normalize()):
        return [geometry]
    made, globe = shapely.make_valid(unrolled), box(-_TURN / 2, -90, _TURN / 2, 90)
    pieces = [translate(made, n * _TURN).intersection(globe) for n in (-1, 0, 1)]
    simple = shapely.get_parts(shapely.get_parts(pieces))
    # Where an edge lies on the antimeridian, the other side gets no more than a line of it.
    dimensions = shapely.get_dimensions(unrolled)
    whole = [part for part in simple if not part.is_empty and shapely.get_dimensions(part) == dimensions]
    return [json.loads(shapely.to_geojson(part)) for part in whole]


def as_valid(geometry: dict[str, Any]) -> dict[str, Any]:
    """Without edges that cross or parts that overlap, which APIs refuse or read as they like; else as it is."""
    made = shape(geometry)
    if made.is_valid:
        return geometry
    ground = shapely.union_all([shapely.make_valid(part) for part in shapely.get_parts(made)])
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
        made = _unrolled(geometry)
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


def _unrolled(geometry: dict[str, Any]) -> BaseGeometry:
    if geometry["type"] == "GeometryCollection":
        return GeometryCollection([_unrolled(part) for part in geometry["geometries"]])
    if geometry["type"] in ("Point", "MultiPoint"):
        return shape(geometry)
    if geometry["type"] == "Polygon":
        return _polygon(geometry["coordinates"])
    if geometry["type"] == "MultiPolygon":
        polygons = [_polygon(rings) for rings in geometry["coordinates"]]
        return MultiPolygon([part for polygon in polygons for part in shapely.get_parts(polygon)])
    lines = geometry["coordinates"] if geometry["type"] == "MultiLineString" else [geometry["coordinates"]]
    return MultiLineString([_line(line) for line in lines])


def _polygon(rings: Sequence[Any]) -> BaseGeometry:
    """Holes go where their outer ring is."""
    outer, *holes = [_ring(ring) for ring in rings]
    if _goes_round(outer):
        return _round_a_pole(outer, holes)
    middle = (min(x for x, _ in outer) + max(x for x, _ in outer)) / 2
    return Polygon(outer, [[(x + _turns(hole[0][0], middle), y) for x, y in hole] for hole in holes])


def _round_a_pole(outer: Line, holes: Sequence[Line]) -> BaseGeometry:
    """Its seam lies where the ring begins, which a hole may cross, or begin elsewhere itself.

    Rings that begin at -180 to 180 and go round, each its own way, end up to two turns apart.
    """
    ground, *cut = [Polygon(_over_the_pole(ring)) for ring in (outer, *holes)]
    if not cut:
        return ground
    gone = [translate(shapely.make_valid(hole), n * _TURN) for hole in cut for n in range(-2, 3)]
    left = shapely.make_valid(ground).difference(shapely.union_all(gone))
    return MultiPolygon([part for part in shapely.get_parts(left) if isinstance(part, Polygon)])


def _goes_round(ring: Line) -> bool:
    # What was added up step by step is a whole turn but for rounding.
    return math.isclose(abs(ring[-1][0] - ring[0][0]), _TURN, abs_tol=1e-6)


def _over_the_pole(ring: Line) -> Line:
    """A ring round a pole closed along it, where its meridians meet."""
    if not _goes_round(ring):
        return ring
    (first, south), (last, _) = ring[0], ring[-1]
    pole = math.copysign(_POLE, sum(y for _, y in ring))
    return [*ring, (last, pole), (first, pole), (first, south)]


def _ring(positions: Sequence[Any]) -> Line:
    """Along a pole any longitude is next to any other: a ring that leads there is unrolled from behind it on."""
    ring = positions if positions[0] == positions[-1] else [*positions, positions[0]]
    along = [n for n in range(1, len(ring)) if abs(ring[n][1]) == abs(ring[n - 1][1]) == _POLE]
    if not along:
        return _line(ring)
    line = _line([*ring[along[-1] :], *ring[1 : along[-1]]])
    return [*line, line[0]]


def _line(positions: Sequence[Any]) -> Line:
    """Each position at most half a turn from the one before, but where an edge is as wide as the globe."""
    line: Line = []
    turns, before = 0.0, None
    for n, (x, y, *_) in enumerate(positions):
        if before is not None and not is_as_wide_as_the_globe(positions, n):
            turns += _turns(x, before)
        line.append((x + turns, y))
        before = x
    return line


def is_as_wide_as_the_globe(positions: Sequence[Any], n: int) -> bool:
    """Whether the edge that ends at position `n` leads from the globe's one side to the other.

    The globe's box has such, between its sides or along a pole. Elsewhere 180 and -180 follow each other where a line
    comes to the antimeridian and goes on behind it.
    """
    (west, south, *_), (east, north, *_) = positions[n - 1], positions[n]
    if abs(east - west) != _TURN:
        return False
    if abs(south) == abs(north) == _POLE:
        return True
    is_ring = positions[0] == positions[-1]
    before = positions[n - 2] if n > 1 else positions[-2] if is_ring else None
    after = positions[n + 1] if n + 1 < len(positions) else positions[1] if is_ring else None
    return (before is not None and before[0] == west) or (after is not None and after[0] == east)


def _turns(longitude: float, near: float) -> float:
    return round((near - longitude) / _TURN) * _TURN
