"""The arithmetic of one block, in strips that stay in the processor's cache.

In float64: near zero reflectance float32 would cost more than half a step of the packed index.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from spectral.indices import Index
from spectral.program import Program
from spectral.radiometry import SATURATED, Radiometry
from spectral.values import (
    BESIDE_FLOAT_NODATA,
    FLOAT_NODATA,
    LIKE_FLOAT_NODATA,
    PACKED_LARGEST,
    PACKED_NODATA,
    SCALE,
)

# A strip's size: with more pixels its arrays leave the cache, with fewer numpy's calls take longer than its loops.
_PIXELS = 1 << 16
# Below this a reflectance is zero but for rounding.
_SMALLEST_REFLECTANCE = 1e-9


class Kernel:
    """Computes indices of blocks; holds buffers, so each thread has one of its own."""

    def __init__(self, indices: tuple[Index, ...], radiometries: Mapping[str, Radiometry]) -> None:
        """
        Args:
            radiometries: of the bands, by symbol.
        """
        self._indices = indices
        self._radiometries = radiometries
        self._programs: dict[str, Program] = {one.name: one.formula.program(one.constants) for one in indices}
        count = max(program.scratch for program in self._programs.values()) + 1
        self._scratch = [np.empty(_PIXELS) for _ in range(count)]
        self._reflectance = {symbol: np.empty(_PIXELS) for symbol in radiometries}
        self._usable = {symbol: np.empty(_PIXELS, bool) for symbol in radiometries}
        self._valid, self._spare = np.empty(_PIXELS, bool), np.empty(_PIXELS, bool)

    def __call__(
        self, bands: Mapping[str, np.ndarray], shown: np.ndarray | None, out: Mapping[str, np.ndarray]
    ) -> dict[str, int]:
        """Compute all indices of a block.

        A pixel has a value where every band of the formula holds data above zero reflectance, below saturation,
        where the mask shows it, and where the formula is finite.

        Args:
            bands: DN by band symbol (rows, columns).
            shown: False where the mask hides a pixel (rows, columns); None without a mask.
            out: by index name, gets the stored values (rows, columns): int16 (× 0.0001, nodata −32768) of packed
                indices, float32 (nodata −9999) of others.

        Returns:
            By index name, how many values had to be clipped.
        """
        height, width = next(iter(bands.values())).shape
        clipped = dict.fromkeys(out, 0)
        step = max(1, _PIXELS // width)
        with np.errstate(all="ignore"):
            for top in range(0, height, step):
                rows = slice(top, min(top + step, height))
                strip = {symbol: pixels[rows] for symbol, pixels in bands.items()}
                some = None if shown is None else shown[rows]
                for name, count in self._strip(strip, some, {name: array[rows] for name, array in out.items()}):
                    clipped[name] += count
        return clipped

    def _strip(self, bands, shown, out):
        shape = next(iter(bands.values())).shape

        def view(buffer: np.ndarray) -> np.ndarray:
            return buffer[: shape[0] * shape[1]].reshape(shape)

        reflectance = {symbol: view(self._reflectance[symbol]) for symbol in bands}
        usable = {symbol: view(self._usable[symbol]) for symbol in bands}
        valid, spare, scratch = view(self._valid), view(self._spare), [view(buffer) for buffer in self._scratch]
        for symbol, stored in bands.items():
            radiometry = self._radiometries[symbol]
            np.multiply(stored, np.float64(radiometry.scale), out=reflectance[symbol])
            np.add(reflectance[symbol], np.float64(radiometry.offset), out=reflectance[symbol])
            _mark_usable(stored, reflectance[symbol], radiometry, out=usable[symbol], spare=spare)
        for index in self._indices:
            np.copyto(valid, usable[index.bands[0]])
            for symbol in index.bands[1:]:
                np.logical_and(valid, usable[symbol], out=valid)
            if shown is not None:
                np.logical_and(valid, shown, out=valid)
            values = self._programs[index.name](reflectance, scratch[1:])
            store = _pack if index.packed else _narrow
            yield index.name, store(values, valid, out=out[index.name], steps=scratch[0], spare=spare)


def holds_data(stored: np.ndarray, nodata: float | None) -> np.ndarray:
    """Where DN are neither nodata nor saturated, nor NaN."""
    if np.issubdtype(stored.dtype, np.floating):
        holds = np.isfinite(stored)
    elif stored.dtype == np.uint16:
        holds = stored != SATURATED
    else:
        holds = np.ones(stored.shape, dtype=bool)
    return holds if nodata is None else holds & (stored != nodata)


def without_data(dtype: np.dtype, nodata: float | None) -> float:
    """A stored number that is taken for no data: `nodata` where the type holds it."""
    if dtype.kind == "f":
        return np.nan
    ends = np.iinfo(dtype)
    if nodata is not None and ends.min <= nodata <= ends.max and nodata == int(nodata):
        return int(nodata)
    return SATURATED if dtype == np.uint16 else ends.min


@cache
def usable_range(dtype: np.dtype, radiometry: Radiometry) -> tuple[int, int] | None:
    """The first and the last DN that can be used, where all between them can be too; else None.

    Args:
        dtype: of integers of 8 or 16 bits.
    """
    every = np.arange(np.iinfo(dtype).min, np.iinfo(dtype).max + 1).astype(dtype)
    good = holds_data(every, radiometry.nodata)
    good &= every * np.float64(radiometry.scale) + radiometry.offset > _SMALLEST_REFLECTANCE
    (places,) = np.nonzero(good)
    if not places.size or places[-1] - places[0] + 1 != places.size:
        return None
    return int(every[places[0]]), int(every[places[-1]])


def _mark_usable(
    stored: np.ndarray, reflectance: np.ndarray, radiometry: Radiometry, *, out: np.ndarray, spare: np.ndarray
) -> None:
    small = stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2
    found = usable_range(stored.dtype, radiometry) if small else None
    if found is None:
        np.greater(reflectance, _SMALLEST_REFLECTANCE, out=out)
        np.logical_and(out, holds_data(stored, radiometry.nodata), out=out)
        return
    np.greater_equal(stored, stored.dtype.type(found[0]), out=out)
    np.less_equal(stored, stored.dtype.type(found[1]), out=spare)
    np.logical_and(out, spare, out=out)


def _pack(values: np.ndarray, valid: np.ndarray, *, out: np.ndarray, steps: np.ndarray, spare: np.ndarray) -> int:
    """The values as steps of int16, and how many had to be clipped."""
    np.multiply(values, 1 / SCALE, out=steps)
    np.rint(steps, out=steps)
    # False for NaN too.
    np.less_equal(steps, PACKED_LARGEST, out=spare)
    np.logical_and(spare, np.greater_equal(steps, -PACKED_LARGEST), out=spare)
    clipped = 0
    if np.greater(valid, spare).any():
        np.logical_and(valid, np.isfinite(values), out=valid)
        clipped = int(np.count_nonzero(valid & ~spare))
        np.clip(steps, -PACKED_LARGEST, PACKED_LARGEST, out=steps)
    np.copyto(out, steps, casting="unsafe")
    np.logical_not(valid, out=spare)
    np.copyto(out, PACKED_NODATA, where=spare)
    return clipped


def _narrow(values: np.ndarray, valid: np.ndarray, *, out: np.ndarray, steps: np.ndarray, spare: np.ndarray) -> int:
    """The values as float32; those beyond its range are nodata, none is clipped."""
    np.copyto(out, values, casting="unsafe")
    # A value that readers would take for nodata moves beside it.
    np.greater_equal(out, LIKE_FLOAT_NODATA[0], out=spare)
    np.logical_and(spare, np.less_equal(out, LIKE_FLOAT_NODATA[1]), out=spare)
    np.copyto(out, BESIDE_FLOAT_NODATA, where=spare)
    np.isfinite(out, out=spare)
    np.logical_and(spare, valid, out=spare)
    np.logical_not(spare, out=spare)
    np.copyto(out, FLOAT_NODATA, where=spare)
    return 0
