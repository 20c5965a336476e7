"""Writing an index as a Cloud Optimized GeoTIFF."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.windows import Window

from spectral.engine import FLOAT_NODATA, PACKED_NODATA, SCALE
from spectral.grids import Grid
from spectral.indices import Index

_TILE = 512
# No power of two: of a pyramid with a level 512 wide, none is this wide.
_OTHER_TILE = 384
COMPRESSIONS = ("zstd", "deflate")


class CogWriter:
    """Takes an index's blocks as they come, then writes the COG in one go.

    Blocks go to a plain tiled GeoTIFF first: a COG begins with its smallest overview, so it can't be
    written until the last block is known.
    """

    def __init__(self, path: Path, index: Index, grid: Grid, *, compression: str, tags: dict[str, str]) -> None:
        """
        Args:
            path: where the COG goes.
            compression: `zstd` or `deflate`.
            tags: what the file says of itself (GDAL metadata).
        """
        self.path = path
        self._index = index
        self._grid = grid
        self._compression = compression
        self._draft = path.with_name(f"{path.stem}.draft.tif")
        self._dataset = rasterio.open(
            self._draft,
            "w",
            driver="GTiff",
            width=grid.width,
            height=grid.height,
            count=1,
            crs=grid.crs,
            transform=grid.transform,
            dtype="int16" if index.packed else "float32",
            nodata=PACKED_NODATA if index.packed else FLOAT_NODATA,
            tiled=True,
            blockxsize=_TILE,
            blockysize=_TILE,
            bigtiff="IF_SAFER",
        )
        self._dataset.set_band_description(1, index.name)
        self._dataset.update_tags(**tags)
        if index.packed:
            self._dataset.scales = (SCALE,)
            self._dataset.offsets = (0.0,)

    def write(self, window: Window, values: np.ndarray) -> None:
        """One block of stored values."""
        self._dataset.write(values, 1, window=window)

    def finish(self, *, threads: int) -> None:
        """Overviews, each the average of its valid pixels, and the COG itself."""
        self._dataset.close()
        levels = overview_factors(self._grid.width, self._grid.height)
        if levels:
            with rasterio.open(self._draft, "r+") as draft:
                draft.build_overviews(levels, Resampling.average)
        options = {
            "compress": self._compression,
            "level": "1" if self._compression == "zstd" else "6",
            "predictor": "STANDARD" if self._index.packed else "FLOATING_POINT",
        }
        rasterio.shutil.copy(
            self._draft,
            self.path,
            driver="COG",
            blocksize=tile_size(self._grid.width, self._grid.height),
            overviews="FORCE_USE_EXISTING" if levels else "NONE",
            bigtiff="IF_SAFER",
            num_threads=threads,
            **options,
        )
        self._draft.unlink()

    def abandon(self) -> None:
        """Close without finishing."""
        self._dataset.close()


def overview_factors(width: int, height: int) -> list[int]:
    """2, 4, 8, … until the smallest overview fits into one tile."""
    factors: list[int] = []
    while max(width, height) / (factors[-1] if factors else 1) > _TILE:
        factors.append(2 ** (len(factors) + 1))
    return factors


def tile_size(width: int, height: int) -> int:
    """512, or 384 where a level of the pyramid is exactly 512 wide and higher than that.

    Validators compare a level's width with its tiles' and would call such a level "not tiled".
    """
    factors = [1, *overview_factors(width, height)]
    levels = [(-(-width // factor), -(-height // factor)) for factor in factors]
    return _OTHER_TILE if any(across == _TILE and down > _TILE for across, down in levels) else _TILE


@cache
def has_compression(name: str) -> bool:
    """Whether this GDAL can write GeoTIFFs compressed so (some are built without zstd)."""
    try:
        with MemoryFile() as memory, memory.open(
            driver="GTiff", width=16, height=16, count=1, dtype="int16", compress=name,
            transform=rasterio.Affine(1, 0, 0, 0, -1, 16),
        ) as dataset:  # fmt: skip
            dataset.write(np.zeros((1, 16, 16), dtype=np.int16))
    except RasterioError:
        return False
    return True
