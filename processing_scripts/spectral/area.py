"""The area that a product is cut to: which blocks it touches, and which pixels lie inside.

An area is GeoJSON in longitude and latitude (a geometry, a Feature or a FeatureCollection of polygons). It comes
with the scene, as the Item's member `geocadence:area`, or for all scenes by `--area FILE`.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.features import geometry_mask, rasterize
from rasterio.windows import Window

from spectral.coordinates import OutOfReach, polygons_on, surroundings
from spectral.cutting import cut
from spectral.failures import InputFailure
from spectral.grids import Grid, moved, scaled

MEMBER = "geocadence:area"
# A straight line in degrees is a curve in metres: at steps of 0.01° the difference is below a metre.
_STEP = 0.01
_MOST_POINTS = 2_000_000
_PARTS = {"FeatureCollection": "features", "GeometryCollection": "geometries"}


@dataclass(frozen=True, eq=False)
class Area:
    """Polygons in longitude and latitude: of each its closed rings, the outer one first."""

    polygons: tuple[list[np.ndarray], ...]

    @classmethod
    def of(cls, document: Any) -> Area:
        """
        Raises:
            ValueError: it is no GeoJSON of polygons.
        """
        polygons = tuple(_polygons(document))
        if not polygons:
            raise ValueError("expected GeoJSON with a Polygon or MultiPolygon")
        return cls(polygons)

    @classmethod
    def read(cls, path: Path) -> Area:
        """
        Raises:
            ValueError: there is no such file, or it is no GeoJSON of polygons.
        """
        try:
            return cls.of(json.loads(path.read_bytes()))
        except (OSError, RecursionError, ValueError) as error:
            raise ValueError(f"{path} holds no area: {error}") from error

    def on(self, grid: Grid) -> Clip:
        """The area on a scene's grid.

        Raises:
            InputFailure: the scene's coordinate system doesn't reach there.
        """
        if grid.crs is None:
            raise InputFailure("The scene has no coordinate system, so it can't be cut to an area.")
        polygons = [
            {"type": "Polygon", "coordinates": [list(_refined(ring)) for ring in rings]} for rings in self._near(grid)
        ]
        if not polygons:
            raise InputFailure("The area lies outside of the scene.")
        try:
            return Clip(tuple(polygons_on(grid, polygons)), grid)
        except OutOfReach as error:
            raise InputFailure(f"The area can't be brought into {grid.crs.to_string()}: {error}.") from error

    def _near(self, grid: Grid) -> Iterator[list[np.ndarray]]:
        """The polygons without what is far from the scene: its coordinate system may not reach there, or puts it
        anywhere.
        """
        rectangle = surroundings(grid)
        if rectangle is None:
            yield from self.polygons
            return
        # The same place has several longitudes, and scenes lie across the 180th degree.
        for turn in (-360, 0, 360):
            shifted = rectangle[0] - turn, rectangle[1], rectangle[2] - turn, rectangle[3]
            for rings in self.polygons:
                outer, *holes = (cut(ring, shifted) for ring in rings)
                if len(outer):
                    yield [ring + np.array((turn, 0)) for ring in (outer, *filter(len, holes))]


@dataclass(frozen=True)
class Clip:
    """An area in a grid's coordinate system."""

    shapes: tuple[dict[str, Any], ...]
    grid: Grid

    def touched(self, size: int) -> np.ndarray:
        """Which squares of `size` pixels hold pixels of the area: bool (rows, columns of squares).

        GDAL leaves out squares of which a shape takes a sliver only, so their neighbours are looked at pixel by pixel.
        """
        shape = -(-self.grid.height // size), -(-self.grid.width // size)
        transform = scaled(self.grid.transform, size, size)
        found = rasterize(self.shapes, shape, transform=transform, all_touched=True, dtype="uint8").astype(bool)
        around = np.pad(found, 1)
        for axis in (0, 1):
            around = around | np.roll(around, 1, axis) | np.roll(around, -1, axis)
        west, south, east, north = self._bounds
        for row, column in np.argwhere(around[1:-1, 1:-1] & ~found):
            top, left = int(row) * size, int(column) * size
            window = Window(left, top, min(size, self.grid.width - left), min(size, self.grid.height - top))
            reached = west <= left + window.width and left <= east and north <= top + window.height and top <= south
            found[row, column] = reached and self.inside(window).any()
        return found

    @property
    def _bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in pixels of the grid, counted from its upper left corner."""
        transform = self.grid.transform
        rings = (np.asarray(ring)[:, :2] for shape in self.shapes for ring in shape["coordinates"])
        points = np.concatenate(list(rings))
        across, down = (points[:, 0] - transform.c) / transform.a, (points[:, 1] - transform.f) / transform.e
        # A corner outside of the coordinate system's world has none.
        return np.nanmin(across), np.nanmax(down), np.nanmax(across), np.nanmin(down)

    def inside(self, window: Window) -> np.ndarray:
        """Which pixels of `window` have their centre inside."""
        transform = moved(self.grid.transform, window.col_off, window.row_off)
        return geometry_mask(self.shapes, (window.height, window.width), transform, invert=True)


def _polygons(document: Any) -> Iterator[list[np.ndarray]]:
    kind = document.get("type") if isinstance(document, dict) else None
    if isinstance(kind, str) and kind in _PARTS:
        parts = document.get(_PARTS[kind]) or []
        if not isinstance(parts, list):
            raise ValueError(f"a {kind} without a list of {_PARTS[kind]}")
        for part in parts:
            yield from _polygons(part)
    elif kind == "Feature":
        yield from _polygons(document.get("geometry"))
    elif kind in ("Polygon", "MultiPolygon"):
        try:
            parts = [document["coordinates"]] if kind == "Polygon" else document["coordinates"]
            for rings in parts:
                yield [_ring(rings[0]), *map(_ring, rings[1:])]
        except (TypeError, KeyError, IndexError, ValueError, OverflowError) as error:
            raise ValueError(f"a {kind} with unusable coordinates ({error})") from error
    else:
        found = repr(document if kind is None else kind)
        raise ValueError(f"{found[:60]} is no area: expected GeoJSON with a Polygon or MultiPolygon")


def _ring(ring: Iterable) -> np.ndarray:
    """A closed ring's points (number, 2)."""
    points = [(float(point[0]), float(point[1])) for point in ring]
    if len(points) < 4 or not all(math.isfinite(x) and abs(x) <= 180 and abs(y) <= 90 for x, y in points):
        raise ValueError("a ring has four points or more, of longitude and latitude in degrees")
    return np.array(points if points[0] == points[-1] else [*points, points[0]])


def _refined(ring: np.ndarray) -> Iterator[tuple[float, float]]:
    """The ring with points in between, so that it keeps its course in another coordinate system."""
    points = ring.tolist()
    sides = list(itertools.pairwise(points))
    steps = [max(1, math.ceil(math.dist(start, end) / _STEP)) for start, end in sides]
    # An outline of a continent needs no refinement, being all points already, and could not bear any.
    refine = sum(steps) <= _MOST_POINTS
    for ((x, y), (to_x, to_y)), count in zip(sides, steps, strict=True):
        for step in range(count if refine else 1):
            yield x + (to_x - x) * step / count, y + (to_y - y) * step / count
    yield tuple(points[-1])
