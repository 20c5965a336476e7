"""The rasters are valid COGs, for rio-cogeo's strict rules and for what GDAL itself says of them."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rio_cogeo import cog_info, cog_validate
from spectral.cog import overview_factors, tile_size

from tests.processing_scripts.factory import Folder, random_dn


# With tiles of 512: below one tile, exactly one, levels that are exactly one tile wide, odd ones.
@pytest.mark.parametrize(
    "shape", [(200, 300), (512, 512), (600, 512), (513, 700), (1024, 1024), (2100, 1024), (1201, 1333)]
)
def test_every_size_makes_a_valid_cog(folder: Folder, shape):
    folder.scene(red=random_dn(shape, seed=1), nir=random_dn(shape, seed=2))
    folder.run()
    valid, errors, warnings = cog_validate(folder.product(), strict=True, quiet=True)
    assert valid, (errors, warnings)
    with rasterio.open(folder.product()) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert bool(dataset.overviews(1)) == (max(shape) > 512)


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


def test_overviews_average_the_valid_pixels(folder: Folder):
    """Against numpy's nanmean over 2 × 2 pixels; nodata must not bleed into it."""
    shape = (600, 640)
    red, nir = random_dn(shape, seed=1), random_dn(shape, seed=2)
    red[np.random.default_rng(5).random(shape) < 0.4] = 0
    red[100:102, 100:102] = 0
    folder.scene(red=red, nir=nir)
    folder.run()
    full = folder.values()
    with rasterio.open(folder.product(), OVERVIEW_LEVEL=0) as dataset:
        overview = dataset.read(1, masked=True).astype(float).filled(np.nan) * 1e-4
    with np.testing.suppress_warnings() as quiet:
        quiet.filter(RuntimeWarning)
        expected = np.nanmean(full.reshape(300, 2, 320, 2), axis=(1, 3))
    np.testing.assert_array_equal(np.isnan(overview), np.isnan(expected))
    assert np.isnan(overview[50, 50])
    assert np.nanmax(np.abs(overview - expected)) <= 1e-4


def test_the_pyramid_ends_in_one_tile():
    assert overview_factors(512, 512) == []
    assert overview_factors(513, 10) == [2]
    assert overview_factors(10980, 10980) == [2, 4, 8, 16, 32]


def test_tiles_are_of_another_size_where_a_level_would_look_untiled():
    assert tile_size(10980, 10980) == 512
    assert tile_size(512, 600) == 384
    assert tile_size(1024, 2100) == 384
    assert tile_size(1024, 1024) == 512
