"""Tiles read straight are what GDAL reads; what is no plain case is left to GDAL."""

from __future__ import annotations

import struct
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

from tests.processing_scripts.factory import Folder, random_dn


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


def with_first_number(path: Path, code: int, value: int) -> Path:
    """A BigTIFF whose list `code` (of nine numbers, say) begins with another one, in 64 bits."""
    content = bytearray(path.read_bytes())
    (start,) = struct.unpack_from("<Q", content, 8)
    for place in range(start + 8, start + 8 + 20 * struct.unpack_from("<Q", content, start)[0], 20):
        found, kind, count, at = struct.unpack_from("<HHQQ", content, place)
        if found == code:
            numbers = struct.unpack_from(f"<{count}{ {3: 'H', 4: 'I', 16: 'Q'}[kind] }", content, at)
            struct.pack_into("<HHQQ", content, place, code, 16, count, len(content))
            content += struct.pack(f"<{count}Q", value, *numbers[1:])
            path.write_bytes(content)
            return path
    raise AssertionError("no such list")


@pytest.mark.parametrize("code", [324, 325], ids=["offset", "size"])
@pytest.mark.parametrize("value", [2**50, 2**62, 2**63, 2**64 - 1])
def test_a_directory_that_names_more_than_any_memory_holds_is_that_scenes_failure(folder: Folder, code, value):
    """To ask for so much memory would have been an instance with too little: the end of all scenes."""
    good = {"red": random_dn((300, 300)), "nir": random_dn((300, 300), seed=2)}
    folder.scene("GOOD", **good)
    item = folder.scene("BAD", **good)
    path = write(Path(item["assets"]["nir"]["href"]), random_dn((600, 600)), BIGTIFF="YES")
    write(Path(item["assets"]["red"]["href"]), random_dn((600, 600)))
    with_first_number(path, code, value)
    folder.run()
    assert folder.products() == {"GOOD"}
    assert folder.failures()["BAD"]["class"] == "input"
    assert "Asset nir" in folder.failures()["BAD"]["reason"]


def test_a_tile_that_claims_to_be_larger_than_unpacked_is_gdals_to_refuse(tmp_path: Path):
    """As large as the file is, or as a server says it is: so much memory would be asked for."""
    path = write(tmp_path / "x.tif", random_dn((600, 600)), BIGTIFF="YES")
    assert isinstance(open_source(str(path), "Asset red", nobody), TileSource)
    with_first_number(path, 325, 300 << 20)
    with path.open("r+b") as file:
        file.truncate(400 << 20)
    assert isinstance(open_source(str(path), "Asset red", nobody), GdalSource)


def test_with_every_read_the_next_ones_may_be_fetched(tmp_path: Path, monkeypatch):
    """Without a word of how far work has come, each tile of a far file would be waited for."""
    seen: list[int] = []
    monkeypatch.setattr("spectral.ranges.LocalFile.reached", lambda self, turn: seen.append(turn))
    source = open_source(str(write(tmp_path / "x.tif", random_dn((600, 600)))), "Asset red", nobody)
    windows = [Window(0, 0, 256, 256), Window(256, 0, 300, 256), Window(0, 256, 600, 300)]
    source.plan(windows, memory=1 << 20)
    for turn, window in enumerate(windows):
        source.read(window, turn)
    assert seen == [0, 1, 2]
