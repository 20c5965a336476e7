"""Overviews made while the full resolution streams by: each pixel is the average of the valid ones under it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spectral import loops
from spectral.values import BESIDE_FLOAT_NODATA, LIKE_FLOAT_NODATA, PACKED_NODATA

# A value above its type's smallest needs 16 bits, four of them 18; the number of valid ones goes above.
_BITS = 18
_ROWS = 32
# From the level on that sums 4^8 values, 32 bits are too few.
_WIDER = 7


def factors(width: int, height: int, tile: int) -> list[int]:
    """Each level half of the last, until one tile holds everything.

    A level ends where a unit of two tiles has become less than a pixel: after half a million pixels.
    """
    found: list[int] = []
    while -(-max(width, height) // (2 ** len(found))) > tile and (2 * tile) % (2 ** (len(found) + 1)) == 0:
        found.append(2 ** (len(found) + 1))
    return found


def reduced(values: np.ndarray, nodata: float, depth: int) -> list[np.ndarray]:
    """The averages over 2 × 2, 4 × 4, … 2^depth × 2^depth pixels of `values` (int16 or float32), each exact but
    for its own rounding; `nodata` where no pixel is valid.

    Args:
        values: rows and columns are multiples of 2^depth.
        nodata: that of `values.PACKED_NODATA` or `values.FLOAT_NODATA` which goes with their type.
    """
    packed = values.dtype == np.int16 and nodata == PACKED_NODATA
    if packed and (found := loops.averages(values, depth)) is not None:
        return found
    levels: list[np.ndarray] = []
    if not depth:
        return levels
    sums, counts = _first(values, nodata)
    for level in range(depth):
        if level == _WIDER and sums.dtype == np.int32:
            sums = sums.astype(np.int64)
        if level:
            sums, counts = _halved(sums), _halved(counts)
        levels.append(_averages(sums, counts, values.dtype, nodata, exact=np.float64 if level else np.float32))
    return levels


class Rows:
    """One level, growing downwards by small squares; hands over the tiles of a row when it is complete."""

    def __init__(self, tile: int, dtype: str, nodata: float, take: Callable[[int, int, np.ndarray], None]):
        """
        Args:
            take: gets a tile's row and column among the level's tiles and its pixels, which it must not keep.
        """
        self._tile = tile
        self._dtype = dtype
        self._nodata = nodata
        self._take = take
        self._row = 0
        self._begun: dict[int, np.ndarray] = {}  # by column
        self._blank: list[np.ndarray] = []  # to be used again

    def put(self, top: int, left: int, square: np.ndarray) -> None:
        """Squares, of which a whole number fills a tile, come row by row; those that don't come are nodata."""
        row, column = top // self._tile, left // self._tile
        if row != self._row:
            self.flush()
            self._row = row
        if column not in self._begun:
            shape = self._tile, self._tile
            self._begun[column] = self._blank.pop() if self._blank else np.full(shape, self._nodata, self._dtype)
        top, left = top % self._tile, left % self._tile
        self._begun[column][top : top + square.shape[0], left : left + square.shape[1]] = square

    def flush(self) -> None:
        """Hand over what has come."""
        for column, pixels in self._begun.items():
            self._take(self._row, column, pixels)
            pixels[:] = self._nodata
            self._blank.append(pixels)
        self._begun.clear()


def _first(values: np.ndarray, nodata: float) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts of the valid ones among 2 × 2; integers count from their type's smallest value."""
    rows, columns = values.shape
    if values.dtype.kind == "f":
        valid = values != nodata
        return _halved(np.where(valid, values, 0).astype(np.float64)), _halved(valid.astype(np.int32))
    both = np.empty((rows // 2, columns // 2), np.int32)
    strip, invalid = np.empty((_ROWS, columns), np.int32), np.empty((_ROWS, columns), bool)
    for top in range(0, rows, _ROWS):
        pixels = values[top : top + _ROWS]
        some, none = strip[: len(pixels)], invalid[: len(pixels)]
        np.add(pixels, np.int32(32768 + (1 << _BITS)), out=some)
        np.equal(pixels, nodata, out=none)
        np.copyto(some, 0, where=none)
        pairs = some[0::2]
        pairs += some[1::2]
        np.add(pairs[:, 0::2], pairs[:, 1::2], out=both[top // 2 : (top + _ROWS) // 2])
    return both & ((1 << _BITS) - 1), both >> _BITS


def _halved(values: np.ndarray) -> np.ndarray:
    pairs = values[0::2] + values[1::2]
    return pairs[:, 0::2] + pairs[:, 1::2]


def _averages(sums: np.ndarray, counts: np.ndarray, dtype: np.dtype, nodata: float, *, exact: type) -> np.ndarray:
    """
    Args:
        exact: the type to divide integers in; float32 holds sums of four values exactly.
    """
    with np.errstate(all="ignore"):
        if dtype.kind == "f":
            found = (sums / counts).astype(dtype)
            # A value that readers would take for nodata moves beside it, as at full resolution.
            found[(found >= LIKE_FLOAT_NODATA[0]) & (found <= LIKE_FLOAT_NODATA[1])] = BESIDE_FLOAT_NODATA
            found[counts == 0] = nodata
            return found
        means = np.divide(sums, counts, dtype=exact)
        means -= exact(32768)
        found = np.rint(means, out=means).astype(dtype)
    np.copyto(found, dtype.type(nodata), where=counts == 0)
    return found
