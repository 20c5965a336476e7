"""Reading the tiles of a tiled GeoTIFF straight: each is fetched and unpacked once, into memory that is used again.

GDAL reads the directory (where the tiles are, what they hold); here only bytes are fetched and unpacked. What is
no plain case (other compressions, strips, several bands, other byte order) is left to `reading.GdalSource`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from rasterio.io import DatasetReader
from rasterio.windows import Window

from spectral import codecs
from spectral.failures import InputFailure
from spectral.grids import Grid
from spectral.ranges import Ranges

_DTYPES = ("uint8", "uint16", "int16")
# A block cut into many tiny tiles, or one of which a tile would fill the memory, is GDAL's.
_SIDES = range(128, 4097)
# Deflate makes nothing much larger than it is: a tile that claims to be would fill the memory, and is GDAL's to refuse.
_LARGEST_GROWTH, _SPARE = 2, 1 << 16


@dataclass(frozen=True)
class Layout:
    """Where a band's tiles are in the file and what they hold.

    Attributes:
        tile: rows and columns of one.
        places: (rows, columns of tiles, 2): first byte and number of bytes; zero bytes where a tile is left out.
        differences: whether the tiles hold horizontal differences (predictor 2).
        nodata: as the file has it; a tile that is left out is full of it, or of 0.
    """

    grid: Grid
    dtype: np.dtype
    tile: tuple[int, int]
    places: np.ndarray
    differences: bool
    nodata: float | None

    @classmethod
    def of(cls, dataset: DatasetReader, start: bytes) -> Layout | None:
        """The layout of an open GeoTIFF; None where it is no plain case.

        Args:
            start: the file's first four bytes.
        """
        structure = dataset.tags(ns="IMAGE_STRUCTURE")
        down, across = dataset.block_shapes[0]
        plain = (
            start in (b"II*\0", b"II+\0")
            and dataset.count == 1
            and dataset.dtypes[0] in _DTYPES
            and structure.get("COMPRESSION") == "DEFLATE"
            and structure.get("PREDICTOR", "1") in ("1", "2")
            and "NBITS" not in dataset.tags(1, ns="IMAGE_STRUCTURE")
            and dataset.profile.get("tiled")
            and down in _SIDES
            and across in _SIDES
        )
        if not plain:
            return None
        shape = -(-dataset.height // down), -(-dataset.width // across)
        places = np.zeros((*shape, 2), np.int64)
        for row in range(shape[0]):
            for column in range(shape[1]):
                for what, name in enumerate(("OFFSET", "SIZE")):
                    value = dataset.get_tag_item(f"BLOCK_{name}_{column}_{row}", "TIFF", bidx=1)
                    places[row, column, what] = int(value or 0)
        dtype = np.dtype(dataset.dtypes[0])
        if places[..., 1].max() > _LARGEST_GROWTH * down * across * dtype.itemsize + _SPARE:
            return None
        return cls(
            grid=Grid.of(dataset),
            dtype=dtype,
            tile=(down, across),
            places=places,
            differences=structure.get("PREDICTOR") == "2",
            nodata=dataset.nodata,
        )


class TileSource:
    """A band whose tiles are read straight."""

    def __init__(self, path: str, name: str, layout: Layout, ranges: Ranges) -> None:
        self.path = path
        self.name = name
        self.grid = layout.grid
        self.nodata = layout.nodata
        self.dtype = layout.dtype
        self._layout = layout
        self._ranges = ranges
        self._own = threading.local()
        self._lock = threading.Lock()
        self._uses: dict[tuple[int, int], int] = {}
        self._unpacked: dict[tuple[int, int], Future[np.ndarray]] = {}

    def plan(self, windows: Sequence[Window], memory: int) -> None:
        """Count how often each tile is needed, and say in which order."""
        wanted: dict[tuple[int, int], int] = {}
        for turn, window in enumerate(windows):
            for tile in self._tiles(window):
                wanted.setdefault(tile, turn)
                self._uses[tile] = self._uses.get(tile, 0) + 1
        places = self._layout.places
        needed = [(turn, *map(int, places[tile])) for tile, turn in wanted.items() if places[tile][1]]
        self._ranges.plan(needed, memory)

    def read(self, window: Window, turn: int) -> np.ndarray:
        """The pixels of `window`; see `reading.Source`."""
        self._ranges.reached(turn)
        tiles = self._tiles(window)
        down, across = self._layout.tile
        shape = int(window.height), int(window.width)
        if len(tiles) == 1:
            ((row, column),) = tiles
            top, left = int(window.row_off) - row * down, int(window.col_off) - column * across
            # Nobody else needs it: it may live in this thread's own memory.
            if self._uses.get(tiles[0]) == 1 and tiles[0] not in self._unpacked:
                pixels = self._unpack(tiles[0], self._buffer("tile", (down, across)))
            else:
                pixels = self._shared(tiles[0])
            return pixels[top : top + shape[0], left : left + shape[1]]
        found = self._buffer("window", shape)
        for row, column in tiles:
            pixels = self._shared((row, column))
            top, left = row * down - int(window.row_off), column * across - int(window.col_off)
            target = found[max(0, top) : top + down, max(0, left) : left + across]
            source = pixels[max(0, -top) :, max(0, -left) :]
            target[:] = source[: target.shape[0], : target.shape[1]]
        return found

    def close(self) -> None:
        """Let go of the file and of all memory."""
        self._ranges.close()
        self._unpacked.clear()
        self._own = threading.local()

    def _tiles(self, window: Window) -> list[tuple[int, int]]:
        down, across = self._layout.tile
        top, left = int(window.row_off), int(window.col_off)
        return [
            (row, column)
            for row in range(top // down, (top + int(window.height) - 1) // down + 1)
            for column in range(left // across, (left + int(window.width) - 1) // across + 1)
        ]

    def _buffer(self, name: str, shape: tuple[int, int]) -> np.ndarray:
        """This thread's own memory, the same every time."""
        size = shape[0] * shape[1]
        buffer = getattr(self._own, name, None)
        if buffer is None or buffer.size < size:
            buffer = np.empty(size, self._layout.dtype)
            setattr(self._own, name, buffer)
        return buffer[:size].reshape(shape)

    def _shared(self, tile: tuple[int, int]) -> np.ndarray:
        """A tile that several windows need: unpacked by the first who asks, kept until the last has it."""
        with self._lock:
            future = self._unpacked.get(tile)
            first = future is None
            if first:
                future = self._unpacked[tile] = Future()
            self._uses[tile] -= 1
            if not self._uses[tile]:
                del self._unpacked[tile]
        if first:
            try:
                future.set_result(self._unpack(tile, np.empty(self._layout.tile, self._layout.dtype)))
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()

    def _unpack(self, tile: tuple[int, int], into: np.ndarray) -> np.ndarray:
        start, size = map(int, self._layout.places[tile])
        if not size:
            into[:] = self.nodata or 0
            return into
        try:
            codecs.inflate(self._ranges.read(start, size), into, differences=self._layout.differences)
        except codecs.DamagedTile as error:
            row, column = tile
            raise InputFailure(f"{self.name} ({self.path}) is damaged: tile {row}, {column}: {error}.") from error
        return into
