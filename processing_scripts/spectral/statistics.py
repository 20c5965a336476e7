"""Statistics of an index: of the numbers as they are stored, which is what STAC's raster extension means by them.

Viewers stretch their colours by them, and they read the file's pixels: of a packed index integers, values × 10,000.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from spectral import loops
from spectral.values import FLOAT_NODATA, PACKED_NODATA

PERCENTILES = (2, 25, 50, 75, 98)
_BUCKETS = 40
# Of the tables that one thread counts into; and how many values those hold, being of 32 bits.
COUNTS_BYTES = loops.TABLES * 65536 * 4
_MOST_KEYS = 2**32 - 1
_ROWS = 512
_VALUES = 1 << 17
# The upper half of a float32's bits is its sign, exponent and seven binary digits: 65536 cells, each at most 1/128 of
# its value wide, whose middle is here in the lower half.
_MIDDLE = 0x8000


class Tally(NamedTuple):
    """What one block adds to the statistics where the order of blocks matters."""

    pixels: int
    sums: tuple[int, float, float] = (0, 0.0, 0.0)  # of float32 values: how many, their sum, the sum of their squares
    range: tuple[float, float] = (np.inf, -np.inf)


class Statistics:
    """Takes the blocks' values, and their tallies in order; the result doesn't depend on the number of threads."""

    def __init__(self, *, packed: bool) -> None:
        self.pixels = 0
        self.clipped = 0
        self._packed = packed
        self._counts = _Counts()
        self._sums = [0, 0.0, 0.0]
        self._range = [np.inf, -np.inf]

    def tally(self, values: np.ndarray) -> Tally:
        """Count one block's stored values (int16 or float32); any thread may, in any order."""
        if self._packed:
            # int16 has 65536 values only: their counts hold every statistic exactly.
            with self._counts.tables(values.size) as tables:
                if not loops.count(values, tables):
                    _count(values.view(np.uint16), tables, step=_ROWS)
            return Tally(values.size)
        held = values[values != FLOAT_NODATA]
        with self._counts.tables(held.size) as tables:
            _count((held.view(np.uint32) >> 16).astype(np.uint16), tables, step=_VALUES)
        valid = held.astype(np.float64)
        return Tally(
            values.size,
            (valid.size, float(valid.sum()), float((valid**2).sum())),
            (float(valid.min()), float(valid.max())) if valid.size else (np.inf, -np.inf),
        )

    def add(self, part: Tally, clipped: int) -> None:
        """Take in one block."""
        self.pixels += part.pixels
        self.clipped += clipped
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
        counts = np.roll(self._counts.total(), 32768)  # from uint16's order to that of int16
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
        cells, counts = _in_order(self._counts.total())
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


class _Counts:
    """How often each of 65536 keys occurs: packed values in uint16's order, or the upper 16 bits of float32.

    Each thread adds to tables that no other has at the moment: new ones for each block cost a third of the counting.
    """

    def __init__(self) -> None:
        self._free: deque[tuple[np.ndarray, int]] = deque()  # with how many keys they hold
        self._full: list[np.ndarray] = []

    @contextmanager
    def tables(self, keys: int) -> Iterator[np.ndarray]:
        """Tables as `loops.count` wants them, to add so many keys to."""
        try:
            tables, held = self._free.pop()
        except IndexError:
            tables, held = _no_counts(), 0
        if held + keys > _MOST_KEYS:
            self._full.append(tables)
            tables, held = _no_counts(), 0
        yield tables
        self._free.append((tables, held + keys))

    def total(self) -> np.ndarray:
        """All that was counted, when no thread counts any more: int64 (65536)."""
        every = (*self._full, *(tables for tables, _ in self._free))
        return sum((tables.sum(axis=0, dtype=np.int64) for tables in every), np.zeros(65536, np.int64))


def _no_counts() -> np.ndarray:
    return np.zeros((loops.TABLES, 65536), np.uint32)


def _count(keys: np.ndarray, tables: np.ndarray, *, step: int) -> None:
    # In parts: bincount makes eight bytes of each value, which are to stay in the cache.
    for top in range(0, keys.shape[0], step):
        found = np.bincount(keys[top : top + step].reshape(-1), minlength=65536)
        np.add(tables[0], found, out=tables[0], casting="unsafe")


def _in_order(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of float32's cells that hold anything, in the order of their values: the middle, and how many values."""
    (keys,) = np.nonzero(counts)
    middles = ((keys.astype(np.uint32) << 16) | _MIDDLE).view(np.float32).astype(np.float64)
    order = np.argsort(middles)
    return middles[order], counts[keys][order]
