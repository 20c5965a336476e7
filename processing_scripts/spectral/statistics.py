"""Statistics of an index: of the numbers as they are stored, which is what STAC's raster extension means by them.

Viewers stretch their colours by them, and they read the file's pixels: of a packed index integers, values × 10,000.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectral import loops
from spectral.values import FLOAT_NODATA, PACKED_NODATA

PERCENTILES = (2, 25, 50, 75, 98)
_BUCKETS = 40
_ROWS = 512
_VALUES = 1 << 17
# The upper half of a float32's bits is its sign, exponent and seven binary digits: 65536 cells, each at most 1/128 of
# its value wide, whose middle is here in the lower half.
_MIDDLE = 0x8000


class Tally(NamedTuple):
    """What one block adds to the statistics; any thread may count it."""

    pixels: int
    counts: np.ndarray  # packed: by value in uint16's order; float32: by the value's upper 16 bits, nodata left out
    sums: tuple[int, float, float]  # of float32 values: how many, their sum, the sum of their squares
    range: tuple[float, float]


def tally(values: np.ndarray) -> Tally:
    """Count one block's stored values (int16 or float32)."""
    if values.dtype == np.int16:
        # int16 has 65536 values only: their counts hold every statistic exactly.
        counts = loops.counts(values)
        if counts is None:
            counts = _counts(values.view(np.uint16), step=_ROWS)
        return Tally(values.size, counts, (0, 0.0, 0.0), (np.inf, -np.inf))
    held = values[values != FLOAT_NODATA]
    valid = held.astype(np.float64)
    return Tally(
        values.size,
        _counts((held.view(np.uint32) >> 16).astype(np.uint16), step=_VALUES),
        (valid.size, float(valid.sum()), float((valid**2).sum())),
        (float(valid.min()), float(valid.max())) if valid.size else (np.inf, -np.inf),
    )


class Statistics:
    """Takes the tallies of blocks in their order; the result doesn't depend on the number of threads."""

    def __init__(self, *, packed: bool) -> None:
        self.pixels = 0
        self.clipped = 0
        self._packed = packed
        self._counts = np.zeros(65536, dtype=np.int64)
        self._sums = [0, 0.0, 0.0]
        self._range = [np.inf, -np.inf]

    def add(self, part: Tally, clipped: int) -> None:
        """Take in one block."""
        self.pixels += part.pixels
        self.clipped += clipped
        self._counts += part.counts
        self._sums = [known + more for known, more in zip(self._sums, part.sums, strict=True)]
        self._range = [min(self._range[0], part.range[0]), max(self._range[1], part.range[1])]

    def add_nodata(self, pixels: int) -> None:
        """Take in pixels that were never computed, being outside of the area."""
        self.pixels += pixels

    def result(self) -> dict:
        """STAC's `statistics` of a band (minimum, maximum, mean, stddev, count, valid_percent), with `percentiles`
        and `histogram`, all in stored numbers; without pixels only the last two of the former.

        Exact for packed indices. Of float32 the percentiles are exact to 0.4 %, and the histogram, for want of
        bounds, reaches from the lowest to the highest percentile.
        """
        if not self._packed:
            return self._of_floats()
        counts = np.roll(self._counts, 32768)  # from uint16's order to that of int16
        counts[0] = 0  # nodata
        steps = np.arange(PACKED_NODATA, 32768)
        count = int(counts.sum())
        result = self._shares(count)
        if not count:
            return result
        (present,) = np.nonzero(counts)
        low, high = int(steps[present[0]]), int(steps[present[-1]])
        mean = float((counts * steps).sum()) / count
        variance = float((counts * (steps - mean) ** 2).sum()) / count
        places = np.searchsorted(np.cumsum(counts), [max(1, np.ceil(count * p / 100)) for p in PERCENTILES])
        edges = np.linspace(low, high + 1, _BUCKETS + 1)
        buckets = np.histogram(steps[present], bins=edges, weights=counts[present])[0]
        return {
            "minimum": low,
            "maximum": high,
            "mean": round(mean, 2),
            "stddev": round(variance**0.5, 2),
            **result,
            "percentiles": {f"p{p}": int(steps[place]) for p, place in zip(PERCENTILES, places, strict=True)},
            "histogram": {
                "count": _BUCKETS,
                "min": low,
                "max": high + 1,
                "buckets": [int(bucket) for bucket in buckets],
            },
        }

    def _of_floats(self) -> dict:
        count, total, squares = self._sums
        result = self._shares(int(count))
        if not count:
            return result
        mean = total / count
        cells, counts = _in_order(self._counts)
        places = np.searchsorted(np.cumsum(counts), [max(1, np.ceil(count * p / 100)) for p in PERCENTILES])
        # The extremes are known exactly, and no cell's middle may lie beyond them.
        found = [float(np.clip(cells[place], *self._range)) for place in places]
        low, high = found[0], found[-1]
        result = {
            "minimum": float(self._range[0]),
            "maximum": float(self._range[1]),
            "mean": float(mean),
            "stddev": float(max(squares / count - mean**2, 0.0) ** 0.5),
            **result,
            "percentiles": {f"p{p}": value for p, value in zip(PERCENTILES, found, strict=True)},
        }
        if low < high:
            buckets = np.histogram(np.clip(cells, *self._range), _BUCKETS, (low, high), weights=counts)[0]
            result["histogram"] = {"count": _BUCKETS, "min": low, "max": high, "buckets": [int(n) for n in buckets]}
        return result

    def _shares(self, count: int) -> dict:
        return {"count": count, "valid_percent": round(100 * count / self.pixels, 4) if self.pixels else 0.0}


def _counts(keys: np.ndarray, *, step: int) -> np.ndarray:
    # In parts: bincount makes eight bytes of each value, which are to stay in the cache.
    counts = np.zeros(65536, dtype=np.int64)
    for top in range(0, keys.shape[0], step):
        counts += np.bincount(keys[top : top + step].reshape(-1), minlength=65536)
    return counts


def _in_order(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of float32's cells that hold anything, in the order of their values: the middle, and how many values."""
    (keys,) = np.nonzero(counts)
    middles = ((keys.astype(np.uint32) << 16) | _MIDDLE).view(np.float32).astype(np.float64)
    order = np.argsort(middles)
    return middles[order], counts[keys][order]
