"""Tiles are packed as GDAL reads them and unpacked as GDAL wrote them, with imagecodecs and without."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from spectral import codecs

from tests.processing_scripts.factory import SCRIPTS

pytestmark = pytest.mark.usefixtures("libraries")


def packed_by_gdal(path: Path, pixels: np.ndarray, predictor: int) -> bytes:
    """The first tile of a file that GDAL made of `pixels`."""
    with rasterio.open(
        path, "w", driver="GTiff", width=64, height=64, count=1, dtype=pixels.dtype.name, tiled=True, blockxsize=64,
        blockysize=64, compress="deflate", predictor=predictor, transform=rasterio.Affine(1, 0, 0, 0, -1, 64),
    ) as dataset:  # fmt: skip
        dataset.write(pixels, 1)
    with rasterio.open(path) as dataset:
        first, size = (int(dataset.get_tag_item(f"BLOCK_{what}_0_0", "TIFF", bidx=1)) for what in ("OFFSET", "SIZE"))
    return path.read_bytes()[first : first + size]


@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_what_gdal_packed_is_unpacked(tmp_path: Path, dtype, predictor):
    pixels = np.random.default_rng(1).integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (64, 64), dtype, endpoint=True)
    packed = packed_by_gdal(tmp_path / "x.tif", pixels, predictor)
    found = np.empty_like(pixels)
    codecs.inflate(packed, found, differences=predictor == 2)
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda packed: packed[:-1],
        lambda packed: packed[: len(packed) // 2],
        lambda packed: b"",
        lambda packed: packed[:50] + bytes(8) + packed[58:],
        lambda packed: packed[:-4] + bytes(4),  # the checksum
        lambda packed: zlib.compress(bytes(64 * 64 * 2 - 1)),
        lambda packed: zlib.compress(bytes(64 * 64 * 2 + 1)),
        lambda packed: zlib.compress(bytes(1 << 24)),
    ],
)
def test_damage_is_noticed(spoil):
    packed = zlib.compress(np.random.default_rng(1).integers(0, 9, (64, 64), np.uint16).tobytes())
    with pytest.raises(codecs.DamagedTile):
        codecs.inflate(spoil(packed), np.empty((64, 64), np.uint16), differences=True)


def test_without_imagecodecs_the_script_runs_all_the_same(tmp_path: Path):
    """In a process where the import fails, as it does where no wheel fits."""
    (tmp_path / "imagecodecs.py").write_text("raise ImportError('no such library here')")
    done = subprocess.run(
        [sys.executable, "-c", "from spectral import codecs; print(codecs.FAST)"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(SCRIPTS)])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
