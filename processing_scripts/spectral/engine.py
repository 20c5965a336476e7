"""Computing indices block by block: memory is bounded by blocks, whatever the scene's size."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from rasterio.windows import Window

from spectral import llvm
from spectral import mask as masks
from spectral.area import Clip
from spectral.cog import CogWriter
from spectral.fused import BLOCK, FusedKernel
from spectral.grids import Grid, check_aligned
from spectral.indices import Index
from spectral.kernel import Kernel, holds_data
from spectral.radiometry import Radiometry
from spectral.reading import Source
from spectral.resampling import OnGrid
from spectral.statistics import COUNTS_BYTES, Statistics, Tally
from spectral.values import FLOAT_NODATA, PACKED_NODATA

# DN are counted at every fourth pixel of every fourth row: plenty for the darkest percent.
_SAMPLED = slice(None, None, 4)

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Band:
    """A band ready to read: where it is and what its DN mean."""

    symbol: str
    key: str  # the asset's
    source: Source
    radiometry: Radiometry


@dataclass(frozen=True)
class Unit:
    """One square of work: its number in the order of work, its place among the units, and its pixels."""

    number: int
    row: int
    column: int
    window: Window


@dataclass
class Block:
    """What one unit turns into besides packed tiles: by index name its part of the deeper overviews and its tally; and
    of its pixels, how many the mask left out, and how many are in the area."""

    unit: Unit
    squares: dict[str, list[np.ndarray]]
    tallies: dict[str, Tally]
    clipped: dict[str, int]
    masked: int
    inside: int
    dark: dict[str, np.ndarray] = field(default_factory=dict)


class _Workspace(threading.local):
    """A thread's own buffers: asking the system for megabytes per block costs as much as the arithmetic."""

    kernel: Kernel | FusedKernel | None = None
    stored: dict[str, np.ndarray]


class Job:
    """All that a block's computation needs; any thread may compute any block."""

    def __init__(
        self,
        grid: Grid,
        bands: Mapping[str, Band],
        indices: tuple[Index, ...],
        mask: Source | None,
        hidden: masks.Chosen | None,
        clip: Clip | None,
    ) -> None:
        """
        Args:
            hidden: the classes of the mask to leave out; None without a mask.
            clip: the area outside of which nothing is computed; None for the whole scene.
        """
        self.grid = grid
        self.bands = bands
        self.indices = indices
        self.hidden = hidden
        self.clip = clip
        self._on_grid = {symbol: OnGrid(band.source, grid) for symbol, band in bands.items()}
        self._mask = OnGrid(mask, grid) if mask and hidden else None
        self._radiometries = {symbol: band.radiometry for symbol, band in bands.items()}
        self._fused: FusedKernel | None = None
        self._own = _Workspace()

    @property
    def _sources(self) -> list[OnGrid]:
        return [*self._on_grid.values(), *([self._mask] if self._mask else [])]

    def plan(self, units: list[Unit], *, memory: int) -> None:
        """Get ready for `units`: compile where that pays, tell every source what will be read, and in which order.

        Args:
            memory: bytes that may be fetched ahead, for all sources together.
        """
        llvm.plan(len(units) * len(self.indices))
        if llvm.pays(BLOCK):
            dtypes = {symbol: source.dtype for symbol, source in self._on_grid.items()}
            self._fused = FusedKernel.of(self.indices, self._radiometries, dtypes)
        sources = self._sources
        for source in sources:
            source.plan([unit.window for unit in units], memory // len(sources))

    def working_bytes(self, size: int) -> int:
        """About what a unit of `size` × `size` pixels takes while it is computed."""
        # Of a band the stored pixels, packed and unpacked; of an index the values and their counts; of the one that is
        # just packed its overviews' sums and compressed tiles; of float32 numpy's copies in float64.
        of_bands = sum(2 * one.source.dtype.itemsize for one in self._sources)
        of_indices = sum(2 if index.packed else 4 for index in self.indices)
        of_one = max(5 if index.packed else 20 for index in self.indices)
        return size**2 * (of_bands + of_indices + of_one) + len(self.indices) * COUNTS_BYTES

    def result_bytes(self, size: int) -> int:
        """About what such a unit takes afterwards, until it is its turn: overviews from the second on."""
        return sum(size**2 // (6 if index.packed else 3) for index in self.indices)

    def compute(self, unit: Unit, writers: Mapping[str, CogWriter], statistics: Mapping[str, Statistics]) -> Block:
        """The indices of one unit, packed by `writers` and counted by `statistics`.

        Raises:
            InputFailure, TransientFailure: with the reason.
            OSError: the disk is full.
        """
        window = unit.window
        shown = self._shown(unit)
        masked = 0 if shown is None else shown.size - int(np.count_nonzero(shown))
        inside = window.height * window.width
        if self.clip:
            within = self.clip.inside(window)
            inside = int(np.count_nonzero(within))
            masked = 0 if shown is None else inside - int(np.count_nonzero(shown & within))
            shown = within if shown is None else shown & within
        bands = {symbol: self._pixels(band, unit) for symbol, band in self.bands.items()}
        values = self._values(window, bands, shown, unit=next(iter(writers.values())).unit)
        rows, columns = slice(window.height), slice(window.width)
        squares, tallies = {}, {}
        # One index after the other: what has just been counted is in the cache when it is packed.
        for name, (array, _) in values.items():
            tallies[name] = statistics[name].tally(array[rows, columns])
            squares[name] = writers[name].pack(unit.row, unit.column, array)
        return Block(
            unit,
            squares=squares,
            tallies=tallies,
            clipped={name: clipped for name, (_, clipped) in values.items()},
            masked=masked,
            inside=inside,
            dark=self._dark(bands, shown),
        )

    def close(self) -> None:
        """Let go of the threads' buffers: nothing is computed any more."""
        self._own = _Workspace()

    def _values(
        self, window: Window, bands: Mapping[str, np.ndarray], shown: np.ndarray | None, *, unit: int
    ) -> dict[str, tuple[np.ndarray, int]]:
        """By index name the stored values (unit, unit), nodata beyond the grid, and how many were clipped."""
        if self._own.kernel is None:
            self._own.kernel = self._fused or Kernel(self.indices, self._radiometries)
            self._own.stored = {
                index.name: np.empty((unit, unit), np.int16 if index.packed else np.float32) for index in self.indices
            }
        stored = self._own.stored
        if (window.height, window.width) != (unit, unit):
            for index in self.indices:
                stored[index.name][:] = PACKED_NODATA if index.packed else FLOAT_NODATA
        inside = {name: array[: window.height, : window.width] for name, array in stored.items()}
        clipped = self._own.kernel(bands, shown, inside)
        return {name: (stored[name], clipped[name]) for name in stored}

    def _pixels(self, band: Band, unit: Unit) -> np.ndarray:
        return self._on_grid[band.symbol].band(unit.window, unit.number, band.radiometry)

    def _shown(self, unit: Unit) -> np.ndarray | None:
        if self._mask is None or self.hidden is None:
            return None
        # At the mask's own resolution first: it has a quarter of the pixels.
        hidden = self.hidden
        outside = not hidden.table[hidden.outside]
        return self._mask.codes(
            unit.window, unit.number, outside=outside, convert=lambda codes: ~masks.masked(codes, hidden)
        )

    def _dark(self, bands: Mapping[str, np.ndarray], shown: np.ndarray | None) -> dict[str, np.ndarray]:
        """Of each band of uint16, how often each DN up to the largest one occurs among sampled clear pixels."""
        found = {}
        for symbol, stored in bands.items():
            if self.bands[symbol].source.dtype == np.uint16:
                sampled = np.ascontiguousarray(stored[_SAMPLED, _SAMPLED])
                clear = holds_data(sampled, self.bands[symbol].radiometry.nodata)
                if shown is not None:
                    clear &= shown[_SAMPLED, _SAMPLED]
                # Averages of finer pixels are no whole numbers.
                found[symbol] = np.bincount(sampled[clear].astype(np.uint16, copy=False))
        return found


def units(grid: Grid, size: int, touched: np.ndarray | None = None) -> list[Unit]:
    """The grid in squares of `size` pixels, row by row: all, or those that are `touched` (rows, columns)."""
    places = ((window, window.row_off // size, window.col_off // size) for window in grid.windows(size))
    wanted = [place for place in places if touched is None or touched[place[1:]]]
    return [Unit(number, row, column, window) for number, (window, row, column) in enumerate(wanted)]


def common_grid(bands: Mapping[str, Band], mask: Source | None, resolution: float | None = None) -> Grid:
    """The grid of the finest band, or that of `resolution` from the same corner; everything else fits onto it.

    Args:
        resolution: pixel size in units of the bands' CRS.

    Raises:
        InputFailure: a band or the mask is on a grid that doesn't fit.
    """
    sources = [band.source for band in bands.values()]
    finest = min(sources, key=lambda source: source.grid.pixel_size)
    check_aligned(finest.grid, finest.grid, name=finest.name)
    grid = finest.grid if resolution is None else finest.grid.at(resolution)
    for source in sources:
        check_aligned(grid, source.grid, name=source.name)
    if mask:
        check_aligned(grid, mask.grid, name=mask.name, any_size=True)
    return grid


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
        # What is running may use what the caller is about to close.
        wait([future for future in waiting if not future.cancel()])
