"""Pixel grids, and which pixel of one lies under which of the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.windows import Window

from spectral.failures import InputFailure

# Grids of one tile agree to the millimetre; 1/100 pixel allows for rounding in files.
_TOLERANCE = 0.01
# Of a pixel's side, in metres or degrees: beyond lie damaged numbers only, whose ratio to others is none.
_SIZES = 1e-12, 1e12
# Ten times finer than any band is a hundred copies of each pixel: a slip rather than a wish.
_FINEST = 10
# Of the ratio of two pixel sizes, the largest number that it is made of.
_LARGEST_PART = 1000
# Sizes in degrees are written down with few digits; the grid itself is made of whole numbers of pixels.
_SLACK = 1e-5


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

    def at(self, size: float) -> Grid:
        """The same ground from the same corner in pixels of `size`, where those fit; the last may reach beyond.

        Raises:
            InputFailure: the size is neither a whole multiple nor a whole part of the pixels', or a tenth and less, or
                more than the whole scene's.
        """
        across, down = size / self.transform.a, size / -self.transform.e
        # Of a scene of few pixels a coarser band has pixels that are larger than all of it.
        if across > max(self.width, _FINEST) + 0.5 and down > max(self.height, _FINEST) + 0.5:
            raise InputFailure(
                f"Pixels of {size:.10g} are larger than the scene, which is {self.width * self.transform.a:.10g} × "
                f"{self.height * -self.transform.e:.10g}: --resolution is in the units of its coordinate system."
            )
        larger = round(across), round(down)
        smaller = round(self.transform.a / size), round(-self.transform.e / size)
        if _fits(size, self.transform, larger):
            transform = scaled(self.transform, *larger)
            return Grid(-(-self.width // larger[0]), -(-self.height // larger[1]), transform, self.crs)
        parts = scaled(self.transform, *(1 / max(1, count) for count in smaller))
        if max(smaller) <= _FINEST and _fits(size, parts, (1, 1)):
            return Grid(self.width * smaller[0], self.height * smaller[1], parts, self.crs)
        raise InputFailure(
            f"Pixels of {size:.10g} don't fit the scene's, which are {_pixels(self.transform)}: "
            f"--resolution takes whole multiples of these, or whole parts down to 1/{_FINEST}."
        )

    def windows(self, size: int) -> list[Window]:
        """The whole grid in squares of `size` pixels, row by row; the last ones smaller."""
        return [
            Window(column, row, min(size, self.width - column), min(size, self.height - row))
            for row in range(0, self.height, size)
            for column in range(0, self.width, size)
        ]


def scaled(transform: Affine, across: float, down: float) -> Affine:
    """The same corner, pixels so many times as wide and as high.

    Spelled out: affine 3 multiplies by `@`, which affine 2, the companion of older rasterios, does not know.
    """
    return Affine(
        transform.a * across, transform.b * down, transform.c, transform.d * across, transform.e * down, transform.f
    )


def moved(transform: Affine, columns: int, rows: int) -> Affine:
    """The same pixels from another corner, so many columns and rows away."""
    west = transform.a * columns + transform.b * rows + transform.c
    north = transform.d * columns + transform.e * rows + transform.f
    return Affine(transform.a, transform.b, west, transform.d, transform.e, north)


def check_aligned(grid: Grid, other: Grid, *, name: str, any_size: bool = False) -> None:
    """That `other` shows the same ground as `grid`, in pixels that are whole multiples or whole parts of its own.

    Args:
        any_size: pixels may be of any size: of class codes, of which one is picked.

    Raises:
        InputFailure: another CRS, a grid that lies nowhere, a rotated grid, a pixel size or origin that doesn't fit, or
            an extent that differs by a pixel of the coarser one or more.
    """
    if grid.crs != other.crs:
        raise InputFailure(f"{name} is in {_shown(other.crs)}, the other bands are in {_shown(grid.crs)}.")
    for one in (grid, other):
        transform = one.transform
        if not all(map(math.isfinite, (*list(transform)[:6], *one.bounds))):
            raise InputFailure(f"{name} lies nowhere: its position or its pixels' size is no number.")
        if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
            raise InputFailure(f"{name} is not on a north-up grid.")
        if not all(_SIZES[0] <= side <= _SIZES[1] for side in (transform.a, -transform.e)):
            raise InputFailure(f"{name} lies nowhere: it has pixels of {_pixels(transform)}.")
    fine, coarse = (grid, other) if grid.pixel_size <= other.pixel_size else (other, grid)
    ratio = coarse.transform.a / fine.transform.a, coarse.transform.e / fine.transform.e
    expected = ratio[0] if any_size else round(ratio[0])
    if any(abs(value - expected) > _TOLERANCE for value in ratio):
        raise InputFailure(
            f"{name} has pixels of {_pixels(other.transform)}, which are no whole multiple and no "
            f"whole part of {_pixels(grid.transform)}."
        )
    shift = (
        (other.transform.c - grid.transform.c) / fine.transform.a,
        (other.transform.f - grid.transform.f) / fine.transform.e,
    )
    if any(abs(value) > _TOLERANCE for value in shift):
        raise InputFailure(
            f"{name} begins at {_corner(other.transform)}, the other bands at "
            f"{_corner(grid.transform)}: the grids don't match."
        )
    size = coarse.width * ratio[0] - fine.width, coarse.height * ratio[1] - fine.height
    if abs(size[0]) >= ratio[0] or abs(size[1]) >= ratio[1]:
        raise InputFailure(
            f"{name} has {other.width} × {other.height} pixels, the other bands have {grid.width} × "
            f"{grid.height}: the grids don't match."
        )


def factor(finer: Grid, coarser: Grid) -> int:
    """How many pixels of `finer` a pixel of `coarser` is wide; 1 where it is none the coarser of the two."""
    return max(1, round(coarser.pixel_size / finer.pixel_size))


def nearest(grid: Grid, other: Grid, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """The rows and the columns of `other` under the pixel centres of `window` of `grid`.

    Class codes can't be interpolated, so nearest neighbour is the only way. For pixels of twice the size
    this repeats each code 2 × 2 times, also where the finer grid has an odd number of pixels; of 2 × 2 pixels
    that all touch the centre it takes the lower right one. Where `other` ends a pixel early, the index is its size:
    one past its last pixel.
    """
    ratio = Fraction(other.pixel_size / grid.pixel_size).limit_denominator(_LARGEST_PART)
    rows = window.row_off + np.arange(window.height)
    columns = window.col_off + np.arange(window.width)
    # The centre of pixel i is at (2i + 1) / 2 of its own size: in whole numbers, so that no rounding decides.
    rows, columns = ((2 * places + 1) * ratio.denominator // (2 * ratio.numerator) for places in (rows, columns))
    return np.minimum(rows, other.height), np.minimum(columns, other.width)


def spread(pixels: np.ndarray, rows: np.ndarray, columns: np.ndarray, *, outside: float) -> np.ndarray:
    """`pixels` at all pairs of `rows` and `columns` (ascending): shape (rows, columns).

    Rows and columns past the last pixel give `outside`.
    """
    height, width = pixels.shape
    # Across first, among the few rows there are; then whole rows are copied.
    across = _in_pairs(pixels, columns) if pixels.itemsize == 1 else None
    if across is None:
        across = np.take(pixels, columns, axis=1, mode="clip")
    found = np.take(across, rows, axis=0, mode="clip")
    found[np.searchsorted(rows, height) :] = outside
    found[:, np.searchsorted(columns, width) :] = outside
    return found


def _in_pairs(pixels: np.ndarray, columns: np.ndarray) -> np.ndarray | None:
    """`pixels` (of one byte) at `columns` where those are neighbours, each twice, as 10 m on 20 m are; else None."""
    first, count = int(columns[0]), columns.size // 2
    pairs = np.arange(first, first + count).repeat(2)
    if columns[-1] >= pixels.shape[1] or not np.array_equal(columns, pairs):
        return None
    # Two equal bytes are one number of two, which is five times as fast as picking bytes.
    once = pixels[:, first : first + count].view(np.uint8).astype(np.uint16)
    return (once * np.uint16(0x0101)).view(pixels.dtype)


def _fits(size: float, transform: Affine, times: tuple[int, int]) -> bool:
    """Whether pixels of `size` are so many times those of `transform`, all over a large grid."""
    sides = transform.a * times[0], -transform.e * times[1]
    return all(side > 0 and abs(size / side - 1) < _SLACK for side in sides)


def _pixels(transform: Affine) -> str:
    return f"{transform.a:.10g} × {-transform.e:.10g}"


def _corner(transform: Affine) -> str:
    """All of its digits: grids that differ by a metre are to look as if they did."""
    return f"{transform.c:.10g}, {transform.f:.10g}"


def _shown(crs: CRS | None) -> str:
    return crs.to_string() if crs else "no coordinate system"
