"""Nothing is timed that computes something else: each kind of wrong output is noticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from benchmarks.agreement import Disagreement, Meaning, check
from benchmarks.scene import Scene
from benchmarks.suites.area import area_of


@pytest.fixture
def ndvi(small_scene: Scene) -> np.ndarray:
    """NDVI of the DN in float32, NaN where there is no data."""
    with rasterio.open(small_scene.band("red")) as red, rasterio.open(small_scene.band("nir")) as nir:
        low, high = red.read(1).astype(np.float32), nir.read(1).astype(np.float32)
    with np.errstate(invalid="ignore"):
        return (high - low) / (high + low)


@pytest.fixture
def written(small_scene: Scene, tmp_path: Path):
    """Writes values as a GeoTIFF on the scene's grid, changed by keywords."""

    def write(values: np.ndarray, **changes) -> Path:
        with rasterio.open(small_scene.band("red")) as like:
            profile = {"crs": like.crs, "transform": like.transform, "nodata": np.nan, "dtype": values.dtype.name}
        path = tmp_path / "ndvi.tif"
        with rasterio.open(
            path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, **{**profile, **changes}
        ) as dataset:
            dataset.write(values, 1)
        return path

    return write


def test_the_right_values_agree(small_scene, ndvi, written):
    seen = check(written(ndvi), small_scene, Meaning.RAW)
    assert seen.pixels == np.count_nonzero(~np.isnan(ndvi))
    assert seen.largest_error < 1e-6


def test_one_pixel_with_another_value_is_noticed(small_scene, ndvi, written):
    ndvi[700, 1090] += 2e-6
    with pytest.raises(Disagreement, match="is off by up to 2"):
        check(written(ndvi), small_scene, Meaning.RAW)


def test_one_missing_pixel_is_noticed(small_scene, ndvi, written):
    ndvi[1099, 1099] = np.nan
    with pytest.raises(Disagreement, match="0 values too many, 1 missing"):
        check(written(ndvi), small_scene, Meaning.RAW)


def test_one_value_where_there_is_no_data_is_noticed(small_scene, ndvi, written):
    ndvi[0, 0] = 0.5
    with pytest.raises(Disagreement, match="1 values too many, 0 missing"):
        check(written(ndvi), small_scene, Meaning.RAW)


def test_a_grid_half_a_pixel_off_is_noticed(small_scene, ndvi, written):
    with rasterio.open(small_scene.band("red")) as red:
        moved = red.transform * rasterio.Affine.translation(0.5, 0.5)
    with pytest.raises(Disagreement, match="lies elsewhere"):
        check(written(ndvi, transform=moved), small_scene, Meaning.RAW)


def test_values_without_mask_are_no_product(small_scene, ndvi, written):
    with pytest.raises(Disagreement, match="too many"):
        check(written(ndvi), small_scene, Meaning.PRODUCT)


def test_padding_must_be_empty(small_scene, ndvi, written):
    padded = np.pad(ndvi, ((0, 4), (0, 4)), constant_values=np.nan)
    check(written(padded), small_scene, Meaning.RAW)
    padded[1101, 3] = 0.1
    with pytest.raises(Disagreement, match="1 values too many"):
        check(written(padded), small_scene, Meaning.RAW)


def test_lost_zeros_are_excused_only_where_they_are_known_of(small_scene, ndvi, written):
    path = written(np.nan_to_num(ndvi, nan=0), nodata=0)
    check(path, small_scene, Meaning.RAW, loses_zeros=True)
    with pytest.raises(Disagreement, match="missing"):
        check(path, small_scene, Meaning.RAW)


def test_another_index_is_held_to_its_own_formula(small_scene, ndvi, written):
    with rasterio.open(small_scene.band("red")) as red, rasterio.open(small_scene.band("nir")) as nir:
        total = (red.read(1).astype(np.float64) + nir.read(1)) / 10_000
    savi = (1.5 * ndvi * total / (total + 0.5)).astype(np.float32)
    assert check(written(savi), small_scene, Meaning.RAW, index="SAVI").pixels == np.count_nonzero(~np.isnan(ndvi))
    with pytest.raises(Disagreement, match="is off by up to"):
        check(written(savi), small_scene, Meaning.RAW, index="OSAVI")


def test_an_area_must_be_cut_to_the_pixel(small_scene, ndvi, written):
    area = area_of(small_scene, 1)
    with pytest.raises(Disagreement, match="too many"):
        check(written(ndvi), small_scene, Meaning.RAW, area=area)
    cut = np.full_like(ndvi, np.nan)
    cut[8:1016, 8:1016] = ndvi[8:1016, 8:1016]
    assert check(written(cut), small_scene, Meaning.RAW, area=area).pixels == np.count_nonzero(~np.isnan(cut))
    cut[8, 8] = np.nan if np.isfinite(cut[8, 8]) else 0.5
    with pytest.raises(Disagreement):
        check(written(cut), small_scene, Meaning.RAW, area=area)
