"""Between longitude and latitude and the coordinate system of a grid.

Beyond the part of the earth that a coordinate system is made for, GDAL gives errors that are none of rasterio's own
(`CPLE_AppDefinedError`, `SystemError`), or positions that lie anywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from rasterio.warp import transform, transform_geom

from spectral.grids import Grid

_DEGREES = "EPSG:4326"
# Along each side of a grid, whose sides are curves in degrees.
_POINTS = 22
_MARGIN = 0.1  # degrees
_MARGIN_SHARE = 0.05


class OutOfReach(ValueError):
    """A coordinate system can't express the position."""


def in_degrees(grid: Grid, across: Any, down: Any) -> tuple[np.ndarray, np.ndarray]:
    """The longitudes and latitudes of places of the grid, counted in its sizes from the upper left corner.

    Raises:
        OutOfReach: the grid has no coordinate system, or lies outside of it.
    """
    west, south, east, north = grid.bounds
    x = west + (east - west) * np.asarray(across, np.float64)
    y = north + (south - north) * np.asarray(down, np.float64)
    try:
        longitudes, latitudes = map(np.asarray, transform(grid.crs, _DEGREES, x.tolist(), y.tolist()))
    except Exception as error:
        raise OutOfReach(str(error)) from error
    if not (np.isfinite(longitudes).all() and np.isfinite(latitudes).all()):
        raise OutOfReach("positions that are no numbers")
    return longitudes, latitudes


def polygon_in_degrees(grid: Grid, polygon: dict[str, Any]) -> dict[str, Any]:
    """A polygon of the grid's coordinate system, in longitude and latitude.

    Raises:
        OutOfReach: as above.
    """
    try:
        return transform_geom(grid.crs, _DEGREES, polygon, precision=7)
    except Exception as error:
        raise OutOfReach(str(error)) from error


def polygons_on(grid: Grid, polygons: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Polygons of longitude and latitude, in the grid's coordinate system.

    Raises:
        OutOfReach: as above.
    """
    try:
        return transform_geom(_DEGREES, grid.crs, polygons)
    except Exception as error:
        raise OutOfReach(str(error)) from error


def surroundings(grid: Grid) -> tuple[float, float, float, float] | None:
    """West, south, east and north of a rectangle in degrees with the grid well within it; east may be beyond 180.

    None where there is no such: around a pole, and for half the earth and more.
    """
    side = np.linspace(0, 1, _POINTS)
    zero, one = np.zeros(_POINTS), np.ones(_POINTS)
    try:
        longitudes, latitudes = in_degrees(
            grid, np.concatenate([side, one, side[::-1], zero]), np.concatenate([zero, side, one, side[::-1]])
        )
    except OutOfReach:
        return None
    longitudes = np.unwrap(longitudes, period=360)
    wide, high = np.ptp(longitudes), np.ptp(latitudes)
    if wide > 180 or abs(longitudes[-1] - longitudes[0]) > 180:
        return None
    across, down = (_MARGIN + _MARGIN_SHARE * size for size in (wide, high))
    return (
        float(longitudes.min() - across),
        float(latitudes.min() - down),
        float(longitudes.max() + across),
        float(latitudes.max() + down),
    )
