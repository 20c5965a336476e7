"""The rasters are valid COGs, for rio-cogeo's strict rules and for what GDAL itself says of them."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rio_cogeo import cog_info, cog_validate
from spectral import tiff
from spectral.cog import overview_factors, tile_size

from tests.processing_scripts.factory import Folder, random_dn
from tools.setup import ROOT, node_folder

pytestmark = pytest.mark.usefixtures("libraries")


# With tiles of 512: below one tile, exactly one, levels that are exactly one tile wide, odd ones.
@pytest.mark.parametrize(
    "shape",
    [
        *((200, 300), (512, 512), (600, 512), (513, 700), (1024, 1024), (2100, 1024), (1201, 1333)),
        *((2000, 2), (2000, 3), (1, 2000), (2, 2000)),
    ],
)
def test_every_size_makes_a_valid_cog(folder: Folder, shape):
    folder.scene(red=random_dn(shape, seed=1), nir=random_dn(shape, seed=2))
    folder.run()
    valid, errors, warnings = cog_validate(folder.product(), strict=True, quiet=True)
    assert valid, (errors, warnings)
    with rasterio.open(folder.product()) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert bool(dataset.overviews(1)) == (max(shape) > 512)


def test_a_single_column_is_a_valid_cog_without_overviews(folder: Folder):
    """rio-cogeo recommends some, and refuses them: by its width no level of it is smaller."""
    folder.scene(red=random_dn((2000, 1), seed=1), nir=random_dn((2000, 1), seed=2))
    folder.run()
    valid, errors, warnings = cog_validate(folder.product(), quiet=True)
    assert (valid, errors, len(warnings)) == (True, [], 1)
    assert "recommended to include internal overviews" in warnings[0]
    assert np.isfinite(folder.values()).all()


def test_the_file_says_what_its_numbers_mean(folder: Folder):
    folder.scene(red=random_dn((64, 64)), nir=random_dn((64, 64), seed=2))
    folder.run()
    with rasterio.open(folder.product()) as dataset:
        assert dataset.dtypes == ("int16",)
        assert (dataset.nodata, dataset.scales, dataset.offsets) == (-32768, (0.0001,), (0.0,))
        assert dataset.descriptions == ("NDVI",)
        assert dataset.tags()["FORMULA"] == "(N - R)/(N + R)"
        assert dataset.crs.to_epsg() == 32629
        assert dataset.transform[:6] == (10, 0, 600_000, 0, -10, 4_280_000)


@pytest.mark.parametrize(("compression", "found"), [("zstd", "ZSTD"), ("deflate", "DEFLATE")])
def test_compression_is_as_asked(folder: Folder, compression, found):
    folder.scene(red=random_dn((64, 64)), nir=random_dn((64, 64), seed=2))
    folder.run(compression=compression)
    info = cog_info(folder.product())
    assert info.Compression == found
    with rasterio.open(folder.product()) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "2"


def levels(path: Path) -> list[np.ndarray]:
    """The full resolution and all overviews in float64, nodata as NaN."""
    with rasterio.open(path) as dataset:
        count = len(dataset.overviews(1))
    found = []
    for level in range(-1, count):
        with rasterio.open(path, **({} if level < 0 else {"OVERVIEW_LEVEL": level})) as dataset:
            found.append(dataset.read(1, masked=True).astype(float).filled(np.nan))
    return found


@pytest.mark.parametrize("name", ["NDVI", "SR"])
@pytest.mark.parametrize("shape", [(600, 640), (1301, 2333)])
def test_overviews_average_the_valid_pixels(folder: Folder, shape, name):
    """Against numpy's mean over 2 × 2, 4 × 4, … pixels of the full resolution; nodata must not bleed into it."""
    red, nir = random_dn(shape, seed=1), random_dn(shape, seed=2)
    red[np.random.default_rng(5).random(shape) < 0.4] = 0
    red[100:116, 96:112] = 0
    folder.scene(red=red, nir=nir)
    folder.run(name)
    full, *overviews = levels(folder.product(part=name.lower()))
    assert overviews
    for level, overview in enumerate(overviews, start=1):
        side = 2**level
        padded = np.full([-(-size // side) * side for size in shape], np.nan)
        padded[: shape[0], : shape[1]] = full
        squares = padded.reshape(padded.shape[0] // side, side, padded.shape[1] // side, side)
        valid = np.sum(~np.isnan(squares), axis=(1, 3))
        with np.errstate(invalid="ignore"):
            expected = np.nansum(squares, axis=(1, 3)) / valid
        np.testing.assert_array_equal(np.isnan(overview), valid == 0)
        half_a_step = 0.5 if name == "NDVI" else 1e-6 * np.nanmax(expected)
        assert np.nanmax(np.abs(overview - expected)) <= half_a_step
        if side <= 16:
            assert np.isnan(overview[100 // side + (side < 16), 96 // side])


def test_an_average_that_readers_would_take_for_nodata_stands_beside_it(folder: Folder):
    """-9998 and -10000 in turns: at every level their average is -9999, and GDAL masks its neighbours too."""
    nir = np.full((1200, 1200), 4000, np.uint16)
    nir[:, ::2] = 5000
    nir[700:, 800:] = 0
    folder.scene(red=np.full_like(nir, 3000), nir=nir)
    folder.run("NEAR=0-9998-(N-0.3)*20")
    full, *overviews = levels(folder.product(part="near"))
    np.testing.assert_array_equal(np.unique(full[~np.isnan(full)]), [-10000, -9998])
    for overview, side in zip(overviews, (2, 4), strict=True):
        np.testing.assert_array_equal(np.isnan(overview), np.isnan(full[::side, ::side]))
        assert np.nanmax(np.abs(overview + 9999)) < 0.011


def test_every_tile_stands_between_its_size_and_its_last_bytes(folder: Folder):
    """As the file promises in its first bytes; GDAL relies on it to read a tile by one request."""
    folder.scene(red=random_dn((1201, 1333), seed=1), nir=random_dn((1201, 1333), seed=2))
    folder.run()
    content = folder.product().read_bytes()
    assert content[8:51] == b"GDAL_STRUCTURAL_METADATA_SIZE=000140 bytes\n"
    assert content[51 : 51 + 140].endswith(b"KNOWN_INCOMPATIBLE_EDITION=NO\n ")
    end = len(content)
    places = []
    for level, shape in ((-1, (3, 3)), (0, (2, 2)), (1, (1, 1))):
        with rasterio.open(folder.product(), **({} if level < 0 else {"OVERVIEW_LEVEL": level})) as dataset:
            for row in range(shape[0]):
                for column in range(shape[1]):
                    first, size = (
                        int(dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=1))
                        for what in ("OFFSET", "SIZE")
                    )
                    assert struct.unpack("<I", content[first - 4 : first]) == (size,)
                    assert content[first + size : first + size + 4] == content[first + size - 4 : first + size]
                    places.append((level, first - 4, first + size + 4))
    # Row by row, the smallest overview first, and not a byte between.
    ordered = sorted(places, key=lambda place: place[1])
    assert [level for level, _, _ in ordered] == [1] + [0] * 4 + [-1] * 9
    assert [first for _, first, _ in ordered[1:]] == [last for _, _, last in ordered[:-1]]
    assert ordered[-1][2] == end


def test_a_file_beyond_four_gigabytes_is_a_bigtiff(folder: Folder, monkeypatch):
    monkeypatch.setattr(tiff, "_CLASSIC_LIMIT", 0)
    folder.scene(red=random_dn((600, 700), seed=1), nir=random_dn((600, 700), seed=2))
    folder.run()
    assert folder.product().read_bytes()[:4] == b"II+\0"
    valid, errors, warnings = cog_validate(folder.product(), strict=True, quiet=True)
    assert valid, (errors, warnings)
    big = levels(folder.product())
    monkeypatch.undo()
    folder.run()
    for one, other in zip(big, levels(folder.product()), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("tile", "signature"), [(1 << 21, b"II*\0"), (1 << 22, b"II+\0")])
def test_places_that_32_bits_do_not_hold_make_it_one(tile: int, signature: bytes):
    """2.3 and 4.6 GB of tiles."""
    content, (places,) = tiff.header({}, [tiff.Image(5120, 56_320, 512, np.full((110, 10), tile))])
    assert content.startswith(signature)
    assert places[-1, -1] + tile + 4 == len(content) + 1100 * (tile + 8)


@pytest.mark.parametrize(("compression", "indices"), [("zstd", "NDVI"), ("deflate", "NDVI"), ("zstd", "SR")])
def test_browsers_read_it(folder: Folder, compression, indices):
    """geotiff.js, which web maps use, sees what GDAL sees, in every level."""
    folder.scene(red=random_dn((601, 702), seed=1), nir=random_dn((601, 702), seed=2))
    folder.run(indices, compression=compression)
    path = folder.product(part=indices.lower())
    program = """
        const {fromFile} = await import("geotiff");
        const tiff = await fromFile(process.argv[1]);
        const found = [];
        for (let number = 0; number < await tiff.getImageCount(); number++) {
            const image = await tiff.getImage(number);
            const [pixels] = await image.readRasters();
            found.push({
                size: [image.getHeight(), image.getWidth()], sum: pixels.reduce((sum, pixel) => sum + pixel, 0),
                nodata: image.getGDALNoData(), origin: number ? null : image.getOrigin().slice(0, 2),
            });
        }
        console.log(JSON.stringify(found));
    """
    command = [node_folder() / "node", "--input-type=module", "-e", program, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    with rasterio.open(path) as dataset:
        assert found[0]["origin"] == [600_000, 4_280_000]
        assert {one["nodata"] for one in found} == {dataset.nodata}
        nodata = dataset.nodata
    expected = [np.nan_to_num(level, nan=nodata) for level in levels(path)]
    assert [one["size"] for one in found] == [list(level.shape) for level in expected]
    assert [one["sum"] for one in found] == pytest.approx([level.sum() for level in expected], rel=1e-9)


def test_the_pyramid_ends_in_one_tile():
    assert overview_factors(512, 512) == []
    assert overview_factors(513, 10) == [2]
    assert overview_factors(1, 5000) == []
    assert overview_factors(10980, 10980) == [2, 4, 8, 16, 32]


def test_tiles_are_of_another_size_where_a_level_would_look_untiled():
    assert tile_size(10980, 10980) == 512
    assert tile_size(512, 600) == 384
    assert tile_size(1024, 2100) == 384
    assert tile_size(1024, 1024) == 512
