"""Tiles read straight are what GDAL reads; what is no plain case is left to GDAL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window
from spectral.failures import InputFailure
from spectral.grids import Grid
from spectral.opening import open_source
from spectral.reading import GdalSource
from spectral.tiles import TileSource

from tests.processing_scripts.factory import random_dn


def nobody() -> NoReturn:
    raise AssertionError("what is near needs no connections")


def write(path: Path, pixels: np.ndarray, **options) -> Path:
    """A GeoTIFF of tiles of 256, deflated, unless `options` say otherwise."""
    given = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", **options}
    with rasterio.open(
        path, "w", driver="GTiff", width=pixels.shape[1], height=pixels.shape[0], count=1, dtype=pixels.dtype.name,
        crs="EPSG:32629", transform=rasterio.Affine(10, 0, 600_000, 0, -10, 4_280_000), **given,
    ) as dataset:  # fmt: skip
        if pixels.any():
            dataset.write(pixels, 1)
    return path


@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize(
    ("tile", "block"), [((256, 256), 512), ((512, 256), 512), ((256, 256), 384), ((512, 512), 256)]
)
def test_every_window_is_as_gdal_reads_it(tmp_path: Path, tile, block, dtype, predictor):
    pixels = random_dn((1030, 777), low=0, high=65535).astype(dtype)
    path = write(tmp_path / "x.tif", pixels, blockysize=tile[0], blockxsize=tile[1], predictor=predictor)
    source = open_source(str(path), "Asset red", nobody)
    assert isinstance(source, TileSource)
    windows = Grid(777, 1030, None, None).windows(block)
    source.plan(windows, memory=1 << 20)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda numbered: source.read(numbered[1], numbered[0]).copy(), enumerate(windows)))
    with rasterio.open(path) as dataset:
        for window, part in zip(windows, found, strict=True):
            np.testing.assert_array_equal(part, dataset.read(1, window=window))
    assert not source._unpacked, "what nobody needs any more is kept"
    source.close()


def test_tiles_that_were_never_written_are_nodata(tmp_path: Path):
    path = write(tmp_path / "x.tif", np.zeros((300, 300), np.uint16), sparse_ok=True, nodata=7)
    source = open_source(str(path), "Asset red", nobody)
    assert isinstance(source, TileSource)
    source.plan([Window(0, 0, 300, 300)], memory=1 << 20)
    assert (source.read(Window(0, 0, 300, 300), 0) == 7).all()


@pytest.mark.parametrize(
    "options",
    [
        {"compress": "zstd"},
        {"compress": "lzw"},
        {"compress": None},
        {"tiled": False, "blockxsize": None, "blockysize": None},
        {"ENDIANNESS": "BIG"},
        {"NBITS": 12},
        {"blockxsize": 16, "blockysize": 16},
    ],
)
def test_other_kinds_are_read_by_gdal(tmp_path: Path, options):
    pixels = random_dn((300, 300), high=4000)
    source = open_source(str(write(tmp_path / "x.tif", pixels, **options)), "Asset red", nobody)
    assert isinstance(source, GdalSource)
    np.testing.assert_array_equal(source.read(Window(10, 20, 100, 50), 0), pixels[20:70, 10:110])
    source.close()


def test_a_damaged_tile_is_named(tmp_path: Path):
    path = write(tmp_path / "x.tif", random_dn((300, 300)))
    with rasterio.open(path) as dataset:
        first = int(dataset.get_tag_item("BLOCK_OFFSET_1_0", "TIFF", bidx=1))
    content = bytearray(path.read_bytes())
    content[first + 500 : first + 600] = bytes(100)
    path.write_bytes(content)
    source = open_source(str(path), "Asset red", nobody)
    source.plan([Window(0, 0, 300, 300)], memory=1 << 20)
    with pytest.raises(InputFailure, match=r"Asset red .* is damaged: tile 0, 1"):
        source.read(Window(0, 0, 300, 300), 0)


def test_a_truncated_file_is_named(tmp_path: Path):
    path = write(tmp_path / "x.tif", random_dn((900, 900)))
    path.write_bytes(path.read_bytes()[:-5000])
    source = open_source(str(path), "Asset red", nobody)
    source.plan([Window(0, 0, 900, 900)], memory=1 << 20)
    with pytest.raises(InputFailure, match="truncated"):
        source.read(Window(0, 0, 900, 900), 0)
