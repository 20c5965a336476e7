"""Writing an index as a Cloud Optimized GeoTIFF, tile by tile as they are computed.

A COG begins with its directories and its smallest overview, so nothing of it can be written before the last
tile is known. Packed tiles wait in a draft; `write` puts them behind the header in their final order, so the order
in which they came leaves no trace.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np
import rasterio
from rasterio.io import MemoryFile

from spectral import codecs, pyramid, tiff
from spectral.draft import FRAME, Draft, framed
from spectral.gdal_errors import GDAL_ERRORS
from spectral.grids import Grid
from spectral.indices import Index
from spectral.values import FLOAT_NODATA, PACKED_NODATA, SCALE

_TILE = 512
# No power of two: of a pyramid with a level 512 wide, none is this wide.
_OTHER_TILE = 384
COMPRESSIONS = {"zstd": codecs.ZSTD, "deflate": codecs.DEFLATE}
_CHUNK = 1 << 20


@dataclass
class _Level:
    """One resolution: its size, and where its tiles are in the draft."""

    width: int
    height: int
    tile: int
    places: np.ndarray = field(init=False)
    sizes: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        shape = -(-self.height // self.tile), -(-self.width // self.tile)
        self.places = np.full(shape, -1, np.int64)
        self.sizes = np.zeros(shape, np.int64)


class CogWriter:
    """Takes an index's units as they come; when it is `complete`, `write` and `digest` may go on at the same time.

    A unit is a square of `unit` pixels, two tiles wide: it fills four tiles of the full resolution and one of
    the first overview. Units that never come are nodata.
    """

    def __init__(self, path: Path, index: Index, grid: Grid, *, compression: str, tags: dict[str, str]) -> None:
        """
        Args:
            path: where the COG goes.
            compression: `zstd` or `deflate`.
            tags: what the file says of itself (GDAL metadata).
        """
        self.path = path
        self._dtype = "int16" if index.packed else "float32"
        self._nodata = PACKED_NODATA if index.packed else FLOAT_NODATA
        self._tile = tile_size(grid.width, grid.height)
        self._tags = tiff.template(
            tags=tags,
            description=index.name,
            scale=SCALE if index.packed else None,
            crs=grid.crs,
            transform=grid.transform,
            dtype=self._dtype,
            nodata=self._nodata,
            blockxsize=self._tile,
            blockysize=self._tile,
            compress=compression,
            predictor=codecs.predictor(self._dtype),
        )
        self._encode = codecs.encoder(COMPRESSIONS[compression], self._dtype, self._tile)
        self._levels = [
            _Level(-(-grid.width // factor), -(-grid.height // factor), self._tile)
            for factor in (1, *overview_factors(grid.width, grid.height))
        ]
        self._deeper = [
            pyramid.Rows(self._tile, self._dtype, self._nodata, partial(self._take, level))
            for level in range(2, len(self._levels))
        ]
        self._empty = b"".join(framed(self._encode(np.full((self._tile, self._tile), self._nodata, self._dtype))))
        self._draft = Draft(path.with_name(f"{path.stem}.draft"))
        self._head = b""

    @property
    def unit(self) -> int:
        """The side of a unit in pixels."""
        return 2 * self._tile

    def pack(self, row: int, column: int, values: np.ndarray) -> list[np.ndarray]:
        """Pack the unit at (row, column) of units and keep its tiles; any thread may, in any order.

        Args:
            values: stored values (unit, unit; int16 or float32), nodata beyond the grid.

        Returns:
            Its part of the deeper levels, from the second overview on: what `add` wants.

        Raises:
            OSError: the disk is full.
        """
        # Before the tiles are packed, which takes all of the cache.
        squares = pyramid.reduced(values, self._nodata, len(self._levels) - 1)
        if squares:
            self._keep(1, row, column, squares.pop(0))
        for down in range(2):
            for across in range(2):
                place = 2 * row + down, 2 * column + across
                if all(p < n for p, n in zip(place, self._levels[0].sizes.shape, strict=True)):
                    top, left = down * self._tile, across * self._tile
                    self._keep(0, *place, values[top : top + self._tile, left : left + self._tile])
        return squares

    def add(self, row: int, column: int, squares: list[np.ndarray]) -> None:
        """Take in a unit's part of the deeper levels; units come row by row.

        Raises:
            OSError: the disk is full.
        """
        for rows, square in zip(self._deeper, squares, strict=True):
            rows.put(row * square.shape[0], column * square.shape[1], square)

    def complete(self) -> None:
        """No unit comes any more.

        Raises:
            OSError: the disk is full.
        """
        for rows in self._deeper:
            rows.flush()
        self._deeper.clear()  # the scene that is computed meanwhile has rows of its own
        empty = len(self._empty) - FRAME
        images = [
            tiff.Image(level.width, level.height, level.tile, np.where(level.places < 0, empty, level.sizes))
            for level in self._levels
        ]
        self._head, _ = tiff.header(self._tags, images)

    def write(self) -> None:
        """Write the COG.

        Raises:
            OSError: the disk is full.
        """
        with self.path.open("wb", buffering=0) as file:
            for content in self._content():
                _write(file, content)

    def digest(self) -> str:
        """The SHA-256 of what `write` writes, in hexadecimal digits."""
        digest = hashlib.sha256()
        for content in self._content():
            digest.update(content)
        return digest.hexdigest()

    def close(self) -> None:
        """Remove the draft."""
        self._draft.close()

    def _content(self):
        yield self._head
        buffer = bytearray(_CHUNK)
        for level in reversed(self._levels):
            yield from self._in_order(level, buffer)

    def _keep(self, level: int, row: int, column: int, pixels: np.ndarray) -> None:
        tile = self._encode(pixels)
        self._levels[level].places[row, column] = self._draft.add(tile)
        self._levels[level].sizes[row, column] = len(tile)

    def _take(self, level: int, row: int, column: int, pixels: np.ndarray) -> None:
        # Most of a scene cut to an area is empty, and looking is cheaper than packing.
        if (pixels != self._nodata).any():
            self._keep(level, row, column, pixels)

    def _in_order(self, level: _Level, buffer: bytearray):
        """The level's framed tiles, those that lie one behind the other in the draft in one go."""
        start = end = empty = 0
        for place, size in zip(level.places.flat, level.sizes.flat, strict=True):
            if place < 0:
                yield from self._draft.read(start, end, buffer)
                start = end = 0
                empty += 1
                continue
            if empty:
                yield self._empty * empty
                empty = 0
            if place != end:
                yield from self._draft.read(start, end, buffer)
                start = end = int(place)
            end += int(size) + FRAME
        yield from self._draft.read(start, end, buffer)
        yield self._empty * empty


def overview_factors(width: int, height: int) -> list[int]:
    """2, 4, …: each level half of the last, until one tile holds everything.

    None of a single column: readers tell a level's factor by widths (rasterio, hence rio-cogeo), and refuse one of 1.
    """
    return pyramid.factors(width, height, _TILE) if width > 1 else []


def tile_size(width: int, height: int) -> int:
    """512, unless a level of the pyramid would be exactly one tile wide and longer than that.

    Readers that compare the tile's width to the level's (rasterio, hence rio-cogeo) would take it for untiled.
    """
    levels = [(-(-width // factor), -(-height // factor)) for factor in (1, *overview_factors(width, height))]
    return _OTHER_TILE if any(across == _TILE and down > _TILE for across, down in levels) else _TILE


@cache
def has_compression(name: str) -> bool:
    """Whether this GDAL knows GeoTIFFs compressed so (some are built without zstd)."""
    # At its usual level zstd sets 10 MB of memory to zero beforehand, for a tile of 16 pixels too.
    level = {"zstd_level": codecs.LEVEL} if name == "zstd" else {}
    try:
        with MemoryFile() as memory, memory.open(
            driver="GTiff", width=16, height=16, count=1, dtype="int16", compress=name,
            transform=rasterio.Affine(1, 0, 0, 0, -1, 16), **level,
        ) as dataset:  # fmt: skip
            dataset.write(np.zeros((1, 16, 16), dtype=np.int16))
    except GDAL_ERRORS:
        return False
    return True


def _write(file, content: bytes | memoryview) -> None:
    """All of it: an unbuffered file may take less at a time."""
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]
