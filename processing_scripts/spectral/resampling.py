"""A source on the product's grid: coarser pixels are repeated; of finer ones bands are averaged, masks picked.

| the source's pixels | a band's value | a mask's code |
|---|---|---|
| the product's own | the pixel's | the pixel's |
| coarser | that of the pixel around the centre | the same |
| finer | the average of all pixels within that hold data; NaN where none does | that of the pixel at the centre |

Class codes can't be averaged. Reflectance of coarse pixels is not interpolated: it would make up what nobody measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from rasterio.windows import Window

from spectral.grids import Grid, factor, nearest, spread
from spectral.kernel import holds_data, without_data
from spectral.radiometry import Radiometry
from spectral.reading import Source


class OnGrid:
    """A source, read by windows of the product's grid."""

    def __init__(self, source: Source, grid: Grid) -> None:
        self.source = source
        self._grid = grid
        self._same = source.grid == grid
        self._finer = factor(source.grid, grid)  # 1 where it is not finer
        # Of a mask, whose codes are picked, pixels may be of any size.
        self._whole = math.isclose(self._finer * source.grid.pixel_size, grid.pixel_size, rel_tol=1e-3)
        self._turns: list[int] = []

    @property
    def how(self) -> str | None:
        """What becomes of a band's pixels, for people; None where nothing does."""
        if self._finer > 1:
            return f"average of {self._finer} × {self._finer}"
        size = self.source.grid.pixel_size / self._grid.pixel_size
        return None if math.isclose(size, 1, rel_tol=1e-3) else f"nearest of {size:.4g} times the size"

    @property
    def dtype(self) -> np.dtype:
        """Of what `band` gives."""
        return np.dtype(np.float64) if self._finer > 1 else self.source.dtype

    def plan(self, windows: Sequence[Window], memory: int) -> None:
        """Tell the source what will be read, in this order; see `reading.Source`."""
        wanted: list[Window] = []
        for window in windows:
            self._turns.append(len(wanted))
            wanted += [self._under(part) for part in self._parts(window)]
        self.source.plan(wanted, memory)

    def band(self, window: Window, turn: int, radiometry: Radiometry) -> np.ndarray:
        """The pixels of `window`, as stored; of finer ones the average (float64)."""
        if self._same:
            return self.source.read(window, turn)
        if self._finer == 1:
            return self.codes(window, turn, outside=without_data(self.dtype, radiometry.nodata))
        parts = enumerate(self._parts(window), start=self._turns[turn])
        return np.concatenate([self._average(part, number, radiometry.nodata) for number, part in parts])

    def codes(
        self, window: Window, turn: int, *, outside: float, convert: Callable[[np.ndarray], np.ndarray] = np.asarray
    ) -> np.ndarray:
        """The source's pixels at the centres of those of `window`, as `convert` has them; `outside` past its end."""
        found = []
        for number, part in enumerate(self._parts(window), start=self._turns[turn]):
            rows, columns = nearest(self._grid, self.source.grid, part)
            under = self._under(part)
            pixels = self.source.read(under, number)
            rows, columns = rows - under.row_off, columns - under.col_off
            # What is coarser is converted first, being the smaller of the two.
            if self._finer == 1:
                found.append(spread(convert(pixels), rows, columns, outside=outside))
                continue
            within = convert(pixels[np.ix_(rows[rows < pixels.shape[0]], columns[columns < pixels.shape[1]])])
            found.append(np.full((rows.size, columns.size), outside, within.dtype))
            found[-1][: within.shape[0], : within.shape[1]] = within
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _average(self, part: Window, turn: int, nodata: float | None) -> np.ndarray:
        pixels = self.source.read(self._under(part), turn)
        side = self._finer
        usable = np.zeros((part.height * side, part.width * side), bool)
        values = np.zeros(usable.shape, pixels.dtype)
        reached = tuple(map(slice, pixels.shape))
        usable[reached] = holds_data(pixels, nodata)
        np.copyto(values[reached], pixels, where=usable[reached])
        with np.errstate(invalid="ignore"):
            return _sums(values, side, np.float64) / _sums(usable, side, np.int32)

    def _parts(self, window: Window) -> Iterator[Window]:
        """The window in strips of about as many pixels of the source as it has itself."""
        rows = max(1, window.height // self._finer**2)
        for top in range(0, window.height, rows):
            yield Window(window.col_off, window.row_off + top, window.width, min(rows, window.height - top))

    def _under(self, window: Window) -> Window:
        """The source's pixels within a window of the product's grid, as far as it reaches."""
        if self._same:
            return window
        grid, side = self.source.grid, self._finer
        if side > 1 and self._whole:
            top, left = window.row_off * side, window.col_off * side
            bottom, right = top + window.height * side - 1, left + window.width * side - 1
        else:
            rows, columns = nearest(self._grid, grid, window)
            top, left, bottom, right = rows[0], columns[0], rows[-1], columns[-1]
        top, bottom = (min(int(row), grid.height - 1) for row in (top, bottom))
        left, right = (min(int(column), grid.width - 1) for column in (left, right))
        return Window(left, top, right - left + 1, bottom - top + 1)


def _sums(values: np.ndarray, side: int, dtype: type) -> np.ndarray:
    """The sums over squares of `side` pixels; rows first, since those lie one behind the other."""
    rows, columns = values.shape
    by_row = values.reshape(rows // side, side, columns).sum(axis=1, dtype=dtype)
    return by_row.reshape(rows // side, columns // side, side).sum(axis=2)
