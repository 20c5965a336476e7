"""Computing indices block by block: memory is bounded by blocks, whatever the scene's size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from rasterio.windows import Window

from spectral import mask as masks
from spectral.grids import Grid, check_aligned, nearest
from spectral.indices import Index
from spectral.radiometry import SATURATED, Radiometry
from spectral.reading import Source

SCALE = 1e-4
PACKED_NODATA = -32768
PACKED_LARGEST = 32767
# Not NaN: STAC writes that as the text "nan", which rustac, and with it stac-geoparquet, can't read.
FLOAT_NODATA = -9999.0
BLOCK = 1024
# DN are counted at every fourth pixel of every fourth row: plenty for the darkest percent.
_SAMPLED = slice(None, None, 4)
# Below this a reflectance is zero but for rounding.
_SMALLEST_REFLECTANCE = 1e-9

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Band:
    """A band ready to read: where it is and what its DN mean."""

    symbol: str
    key: str  # the asset's
    source: Source
    radiometry: Radiometry


@dataclass
class Block:
    """What one window turns into: by index name its values, and what was left out."""

    window: Window
    values: dict[str, np.ndarray]
    clipped: dict[str, int]
    masked: int
    dark: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """All that a block's computation needs; holds no state, so any thread may compute any block."""

    grid: Grid
    bands: Mapping[str, Band]
    indices: tuple[Index, ...]
    mask: Source | None
    hidden: masks.Chosen | None  # the classes to leave out; None without a mask

    def compute(self, window: Window) -> Block:
        """The indices of one window.

        Values are int16 (× 0.0001, nodata −32768) for packed indices, float32 (nodata −9999) for others; a
        pixel has a value where every band of the formula holds data above zero reflectance, below
        saturation, where the mask leaves it, and where the formula is finite.
        """
        shape = (int(window.height), int(window.width))
        hidden = self._masked(window, shape)
        reflectance: dict[str, np.ndarray] = {}
        usable: dict[str, np.ndarray] = {}
        dark: dict[str, np.ndarray] = {}
        for symbol, band in self.bands.items():
            stored = self._pixels(band, window)
            holds_data = _holds_data(stored, band.radiometry.nodata)
            if stored.dtype == np.uint16:
                clear = (holds_data & ~hidden)[_SAMPLED, _SAMPLED]
                dark[symbol] = np.bincount(stored[_SAMPLED, _SAMPLED][clear], minlength=SATURATED + 1)
            # float64: near zero reflectance float32 would cost more than half a step of the packed index.
            reflectance[symbol] = stored * np.float64(band.radiometry.scale) + band.radiometry.offset
            usable[symbol] = holds_data & (reflectance[symbol] > _SMALLEST_REFLECTANCE)
        block = Block(window, {}, {}, int(np.count_nonzero(hidden)), dark)
        for index in self.indices:
            valid = ~hidden
            for symbol in index.bands:
                valid &= usable[symbol]
            values = index.formula({**index.constants, **{symbol: reflectance[symbol] for symbol in index.bands}})
            valid &= np.isfinite(values)
            block.values[index.name], block.clipped[index.name] = _stored(values, valid, packed=index.packed)
        return block

    def _pixels(self, band: Band, window: Window) -> np.ndarray:
        own = Grid.of(band.source.dataset)
        if own == self.grid:
            return band.source.read(window)
        outside = 0 if band.radiometry.nodata is None else band.radiometry.nodata
        return band.source.read_at(*nearest(self.grid, own, window), outside=outside)

    def _masked(self, window: Window, shape: tuple[int, int]) -> np.ndarray:
        if self.mask is None or self.hidden is None:
            return np.zeros(shape, dtype=bool)
        indices = nearest(self.grid, Grid.of(self.mask.dataset), window)
        return masks.masked(self.mask.read_at(*indices, outside=self.hidden.outside), self.hidden)


def common_grid(bands: Mapping[str, Band], mask: Source | None) -> Grid:
    """The grid of the finest band, after checking that everything else fits onto it.

    Raises:
        InputFailure: a band or the mask is on a grid that doesn't fit.
    """
    grids = {symbol: Grid.of(band.source.dataset) for symbol, band in bands.items()}
    finest = min(grids.values(), key=lambda grid: grid.pixel_size)
    for symbol, grid in grids.items():
        check_aligned(finest, grid, name=bands[symbol].source.name)
    if mask:
        check_aligned(finest, Grid.of(mask.dataset), name=mask.name)
    return finest


def in_order(pool: ThreadPoolExecutor, work: Callable[[T], R], things: Iterable[T], *, ahead: int) -> Iterator[R]:
    """The results in the order of `things`, at most `ahead` of them in the making: `map` with bounded memory."""
    waiting: deque = deque()
    try:
        for thing in things:
            waiting.append(pool.submit(work, thing))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _holds_data(stored: np.ndarray, nodata: float | None) -> np.ndarray:
    if np.issubdtype(stored.dtype, np.floating):
        holds = np.isfinite(stored)
    elif stored.dtype == np.uint16:
        holds = stored != SATURATED
    else:
        holds = np.ones(stored.shape, dtype=bool)
    return holds if nodata is None else holds & (stored != nodata)


def _stored(values: np.ndarray, valid: np.ndarray, *, packed: bool) -> tuple[np.ndarray, int]:
    """The values as the file holds them, and how many had to be clipped."""
    if not packed:
        with np.errstate(over="ignore", invalid="ignore"):
            narrowed = values.astype(np.float32)
        # A value that happens to be nodata moves by the smallest step there is.
        narrowed[narrowed == FLOAT_NODATA] = np.nextafter(np.float32(FLOAT_NODATA), np.float32(0))
        return np.where(valid & np.isfinite(narrowed), narrowed, np.float32(FLOAT_NODATA)), 0
    steps = np.rint(np.where(valid, values, 0.0) / SCALE)
    clipped = int(np.count_nonzero(np.abs(steps) > PACKED_LARGEST))
    steps = np.clip(steps, -PACKED_LARGEST, PACKED_LARGEST).astype(np.int16)
    steps[~valid] = PACKED_NODATA
    return steps, clipped
