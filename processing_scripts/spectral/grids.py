"""Pixel grids, and which pixel of one lies under which of the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.windows import Window

from spectral.failures import InputFailure

# Grids of one tile agree to the millimetre; 1/100 pixel allows for rounding in files.
_TOLERANCE = 0.01


@dataclass(frozen=True)
class Grid:
    """A north-up pixel grid: size in pixels, pixel size and origin in units of the CRS."""

    width: int
    height: int
    transform: Affine
    crs: CRS | None

    @classmethod
    def of(cls, dataset) -> Grid:
        """The grid of an open rasterio dataset."""
        return cls(dataset.width, dataset.height, dataset.transform, dataset.crs)

    @property
    def pixel_size(self) -> float:
        return abs(self.transform.a)

    @property
    def metres(self) -> float | None:
        """The pixel size in metres; None in degrees or without coordinate system."""
        if self.crs is None or not self.crs.is_projected:
            return None
        return self.pixel_size * self.crs.linear_units_factor[1]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north."""
        west, north = self.transform.c, self.transform.f
        return west, north + self.height * self.transform.e, west + self.width * self.transform.a, north

    def windows(self, size: int) -> list[Window]:
        """The whole grid in squares of `size` pixels, row by row; the last ones smaller."""
        return [
            Window(column, row, min(size, self.width - column), min(size, self.height - row))
            for row in range(0, self.height, size)
            for column in range(0, self.width, size)
        ]


def check_aligned(finest: Grid, other: Grid, *, name: str) -> None:
    """That `other` shows the same ground as `finest`, in pixels that are whole multiples of its own.

    Raises:
        InputFailure: another CRS, a rotated grid, a pixel size or origin that doesn't fit, or an extent
            that differs by a pixel of `other` or more.
    """
    if finest.crs != other.crs:
        raise InputFailure(f"{name} is in {_shown(other.crs)}, the other bands are in {_shown(finest.crs)}.")
    for grid in (finest, other):
        transform = grid.transform
        if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
            raise InputFailure(f"{name} is not on a north-up grid.")
    ratio = other.transform.a / finest.transform.a, other.transform.e / finest.transform.e
    if any(abs(value - round(value)) > _TOLERANCE or value < 1 - _TOLERANCE for value in ratio):
        raise InputFailure(
            f"{name} has pixels of {other.transform.a:g} × {-other.transform.e:g}, which are no whole multiple of "
            f"{finest.transform.a:g} × {-finest.transform.e:g}."
        )
    shift = (
        (other.transform.c - finest.transform.c) / finest.transform.a,
        (other.transform.f - finest.transform.f) / finest.transform.e,
    )
    if any(abs(value) > _TOLERANCE for value in shift):
        raise InputFailure(
            f"{name} begins at {other.transform.c:g}, {other.transform.f:g}, the other bands at "
            f"{finest.transform.c:g}, {finest.transform.f:g}: the grids don't match."
        )
    size = other.width * ratio[0] - finest.width, other.height * ratio[1] - finest.height
    if abs(size[0]) >= ratio[0] or abs(size[1]) >= ratio[1]:
        raise InputFailure(
            f"{name} has {other.width} × {other.height} pixels, the other bands have {finest.width} × "
            f"{finest.height}: the grids don't match."
        )


def nearest(finest: Grid, other: Grid, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """The rows and the columns of `other` under the pixel centres of `window` of `finest`.

    Class codes can't be interpolated, so nearest neighbour is the only way. For pixels of twice the size
    this repeats each code 2 × 2 times, also where the finer grid has an odd number of pixels. Where `other`
    ends a pixel early, the index is its size: one past its last pixel.
    """
    rows = window.row_off + np.arange(window.height) + 0.5
    columns = window.col_off + np.arange(window.width) + 0.5
    north = finest.transform.f + rows * finest.transform.e
    west = finest.transform.c + columns * finest.transform.a
    found_rows = np.floor((north - other.transform.f) / other.transform.e).astype(np.intp)
    found_columns = np.floor((west - other.transform.c) / other.transform.a).astype(np.intp)
    return np.clip(found_rows, 0, other.height), np.clip(found_columns, 0, other.width)


def spread(pixels: np.ndarray, rows: np.ndarray, columns: np.ndarray, *, outside: float) -> np.ndarray:
    """`pixels` at all pairs of `rows` and `columns` (ascending): shape (rows, columns).

    Rows and columns past the last pixel give `outside`.
    """
    height, width = pixels.shape
    # Across first, among the few rows there are; then whole rows are copied.
    across = np.take(pixels, columns, axis=1, mode="clip")
    found = np.take(across, rows, axis=0, mode="clip")
    found[np.searchsorted(rows, height) :] = outside
    found[:, np.searchsorted(columns, width) :] = outside
    return found


def _shown(crs: CRS | None) -> str:
    return crs.to_string() if crs else "no coordinate system"
