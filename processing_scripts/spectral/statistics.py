"""Statistics of an index: of the values as stored, so that they hold for whoever reads the file."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectral.values import FLOAT_NODATA, PACKED_NODATA, SCALE

PERCENTILES = (2, 25, 50, 75, 98)
_BUCKETS = 40
# Every how many rows and columns a float32 index is sampled for its percentiles.
_STEP = 8
_ROWS = 128


class Tally(NamedTuple):
    """What one block adds to the statistics; any thread may count it."""

    pixels: int
    counts: np.ndarray | None  # of packed values, by value in uint16's order
    sums: tuple[int, float, float]  # of float32 values: how many, their sum, the sum of their squares
    range: tuple[float, float]
    sample: np.ndarray


def tally(values: np.ndarray) -> Tally:
    """Count one block's stored values (int16 or float32)."""
    if values.dtype == np.int16:
        # int16 has 65536 values only: their counts hold every statistic exactly.
        return Tally(values.size, _counts(values), (0, 0.0, 0.0), (np.inf, -np.inf), values[:0])
    valid = values[values != FLOAT_NODATA].astype(np.float64)
    sample = values[::_STEP, ::_STEP]
    return Tally(
        values.size,
        None,
        (valid.size, float(valid.sum()), float((valid**2).sum())),
        (float(valid.min()), float(valid.max())) if valid.size else (np.inf, -np.inf),
        sample[sample != FLOAT_NODATA],
    )


class Statistics:
    """Takes the tallies of blocks in their order; the result doesn't depend on the number of threads."""

    def __init__(self, *, packed: bool) -> None:
        self.pixels = 0
        self.clipped = 0
        self._packed = packed
        self._counts = np.zeros(65536, dtype=np.int64)
        self._sample: list[np.ndarray] = []
        self._sums = [0, 0.0, 0.0]
        self._range = [np.inf, -np.inf]

    def add(self, part: Tally, clipped: int) -> None:
        """Take in one block."""
        self.pixels += part.pixels
        self.clipped += clipped
        if part.counts is not None:
            self._counts += part.counts
            return
        self._sums = [known + more for known, more in zip(self._sums, part.sums, strict=True)]
        self._range = [min(self._range[0], part.range[0]), max(self._range[1], part.range[1])]
        self._sample.append(part.sample)

    def add_nodata(self, pixels: int) -> None:
        """Take in pixels that were never computed, being outside of the area."""
        self.pixels += pixels

    def result(self) -> dict:
        """STAC's `statistics` of a band (minimum, maximum, mean, stddev, count, valid_percent), with
        `percentiles` and, for packed indices, `histogram`; without pixels only the last two of the former."""
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
            "minimum": _rounded(low * SCALE),
            "maximum": _rounded(high * SCALE),
            "mean": _rounded(mean * SCALE),
            "stddev": _rounded(variance**0.5 * SCALE),
            **result,
            "percentiles": {
                f"p{p}": _rounded(int(steps[place]) * SCALE) for p, place in zip(PERCENTILES, places, strict=True)
            },
            "histogram": {
                "count": _BUCKETS,
                "min": _rounded(low * SCALE),
                "max": _rounded((high + 1) * SCALE),
                "buckets": [int(bucket) for bucket in buckets],
            },
        }

    def _of_floats(self) -> dict:
        count, total, squares = self._sums
        result = self._shares(int(count))
        if not count:
            return result
        mean = total / count
        sample = np.concatenate(self._sample)
        sample = sample if sample.size else np.array([mean])
        places = np.percentile(sample.astype(np.float64), PERCENTILES)
        return {
            "minimum": float(self._range[0]),
            "maximum": float(self._range[1]),
            "mean": float(mean),
            "stddev": float(max(squares / count - mean**2, 0.0) ** 0.5),
            **result,
            "percentiles": {f"p{p}": float(place) for p, place in zip(PERCENTILES, places, strict=True)},
        }

    def _shares(self, count: int) -> dict:
        return {"count": count, "valid_percent": round(100 * count / self.pixels, 4) if self.pixels else 0.0}


def _rounded(value: float) -> float:
    return round(float(value), 6)


def _counts(values: np.ndarray) -> np.ndarray:
    # In parts: bincount makes eight bytes of each value, which are to stay in the cache.
    counts = np.zeros(65536, dtype=np.int64)
    for top in range(0, values.shape[0], _ROWS):
        counts += np.bincount(values[top : top + _ROWS].reshape(-1).view(np.uint16), minlength=65536)
    return counts
