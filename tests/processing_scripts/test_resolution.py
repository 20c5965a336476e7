"""Bands of 10, 20 and 60 m come onto one grid: the finest, or the one asked for.

Expected values are plain float64 numpy over the stored DN, never the project's code.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin
from spectral.cli import main
from spectral.failures import InputFailure
from spectral.grids import Grid

from tests.processing_scripts.factory import NORTH, WEST, Folder, random_dn, write

CLEAR, CLOUD = 4, 9
TOLERANCE = 5.1e-5


def ceil(size: int, by: int) -> int:
    return -(-size // by)


def reflectance(dn: np.ndarray) -> np.ndarray:
    """Of DN of baseline 04.00 and later; NaN where there are none. What is below zero still counts in averages."""
    return np.where((dn == 0) | (dn == 65535), np.nan, dn * 1e-4 - 0.1)


def averaged(values: np.ndarray, side: int) -> np.ndarray:
    """The mean over squares of the values that are some, also where the last squares are cut off."""
    shape = ceil(values.shape[0], side), ceil(values.shape[1], side)
    padded = np.full((shape[0] * side, shape[1] * side), np.nan)
    padded[: values.shape[0], : values.shape[1]] = values
    squares = padded.reshape(shape[0], side, shape[1], side)
    with np.errstate(invalid="ignore"):
        return np.nansum(squares, axis=(1, 3)) / np.sum(~np.isnan(squares), axis=(1, 3))


def repeated(values: np.ndarray, side: int, shape: tuple[int, int]) -> np.ndarray:
    return np.repeat(np.repeat(values, side, axis=0), side, axis=1)[: shape[0], : shape[1]]


def normalized(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    usable = (first > 0) & (second > 0)
    with np.errstate(all="ignore"):
        return np.where(usable, (first - second) / (first + second), np.nan)


def add_scene(folder: Folder, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Near infrared at 10 m, short-wave at 20 m, coastal at 60 m and SCL at 20 m, with holes and saturated pixels."""
    random = np.random.default_rng(11)
    sizes = {"nir": 10, "swir16": 20, "coastal": 60}
    pixels = {
        key: random_dn((ceil(shape[0], size // 10), ceil(shape[1], size // 10)), low=950, seed=size)
        for key, size in sizes.items()
    }
    for dn in pixels.values():
        dn[random.random(dn.shape) < 0.2] = 0
        dn[random.random(dn.shape) < 0.05] = 65535
    pixels["scl"] = random.choice([CLEAR, CLEAR, CLOUD], pixels["swir16"].shape).astype(np.uint8)
    item = folder.scene(scl=pixels["scl"], add=False)
    for key, size in sizes.items():
        path = write(folder.root / "imagery" / f"{key}.tif", pixels[key], pixel_size=size)
        item["assets"][key] = {"href": str(path), "eo:bands": [{"common_name": key}]}
    folder.add(item)
    return pixels


def assert_values(folder: Folder, part: str, expected: np.ndarray) -> None:
    found = folder.values(part=part)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    assert np.nanmax(np.abs(found - expected), initial=0) <= TOLERANCE


# Of several blocks, with odd sizes, and of a single pixel; with tiles read straight and by GDAL.
@pytest.mark.parametrize("shape", [(2311, 2105), (65, 63), (1, 1)])
def test_at_20_m_finer_bands_are_averaged_and_coarser_ones_repeated(folder: Folder, libraries: str, shape):
    pixels = add_scene(folder, shape)
    folder.run("NDMI,SWIR=(S1-A)/(S1+A)", resolution=20.0)
    half = ceil(shape[0], 2), ceil(shape[1], 2)
    nir, swir = averaged(reflectance(pixels["nir"]), 2), reflectance(pixels["swir16"])
    coastal = repeated(reflectance(pixels["coastal"]), 3, half)
    clear = pixels["scl"] == CLEAR
    assert_values(folder, "ndmi", np.where(clear, normalized(nir, swir), np.nan))
    expected = np.where(clear, normalized(swir, coastal), np.nan).astype(np.float32)
    np.testing.assert_allclose(folder.values(part="swir"), expected, rtol=1e-6)
    with rasterio.open(folder.product(part="ndmi")) as dataset:
        assert (dataset.shape, dataset.transform) == (half, from_origin(WEST, NORTH, 20, 20))
    properties = folder.item()["properties"]
    assert properties["gsd"] == 20
    assert properties["geocadence:resampling"] == {"nir": "average of 2 × 2", "coastal": "nearest of 3 times the size"}


@pytest.mark.parametrize("shape", [(2311, 2105), (13, 11)])
def test_at_60_m_the_mask_is_the_code_at_the_centre(folder: Folder, shape):
    """Of 3 × 3 codes that is the middle one: class codes can't be averaged."""
    pixels = add_scene(folder, shape)
    folder.run("X=(N-A)/(N+A)", resolution=60.0)
    nir, coastal = averaged(reflectance(pixels["nir"]), 6), reflectance(pixels["coastal"])
    scl = np.zeros((coastal.shape[0] * 3, coastal.shape[1] * 3), int)  # past its end: no data
    scl[: pixels["scl"].shape[0], : pixels["scl"].shape[1]] = pixels["scl"]
    clear = scl[1::3, 1::3] == CLEAR
    expected = np.where(clear, normalized(nir, coastal), np.nan)
    np.testing.assert_allclose(folder.values(part="x"), expected, rtol=1e-6)
    assert folder.item()["properties"]["geocadence:resampling"] == {"nir": "average of 6 × 6", "scl": "nearest"}


@pytest.mark.parametrize("shape", [(2311, 2105), (16, 14)])
@pytest.mark.parametrize("size", [30, 70])
def test_a_mask_fits_any_size(folder: Folder, shape, size):
    """Landsat's 30 m, say, into which the classification's 20 m do not go: its code at the centre all the same."""
    pixels = add_scene(folder, shape)
    folder.run("X=N", resolution=float(size))
    values = averaged(reflectance(pixels["nir"]), size // 10)
    rows, columns = (np.floor((np.arange(count) + 0.5) * size / 20).astype(int) for count in values.shape)
    scl = np.zeros((rows[-1] + 1, columns[-1] + 1), int)  # past its end: no data
    height, width = (min(pair) for pair in zip(scl.shape, pixels["scl"].shape, strict=True))
    scl[:height, :width] = pixels["scl"][:height, :width]
    expected = np.where((scl[np.ix_(rows, columns)] == CLEAR) & (values > 0), values, np.nan)
    np.testing.assert_allclose(folder.values(part="x"), expected, rtol=1e-6)
    assert folder.item()["properties"]["geocadence:resampling"]["scl"] == "nearest"


@pytest.mark.parametrize("size", [20, 25])
def test_a_coarser_mask_fits_any_size_too(folder: Folder, size):
    codes = np.random.default_rng(5).choice([CLEAR, CLOUD], (200, 240)).astype(np.uint8)
    nir = random_dn((600, 720), low=1500)
    item = folder.scene(nir=nir, add=False)
    item["assets"]["scl"] = {"href": str(write(folder.root / "scl.tif", codes, pixel_size=size))}
    nir = nir[: 200 * size // 10, : 240 * size // 10]
    write(Path(item["assets"]["nir"]["href"]), nir)
    folder.add(item)
    folder.run("X=N")
    rows, columns = ((np.arange(count) * 10 + 5) // size for count in nir.shape)
    expected = np.where(codes[np.ix_(rows, columns)] == CLEAR, nir * 1e-4 - 0.1, np.nan)
    np.testing.assert_allclose(folder.values(part="x"), expected, rtol=1e-6)
    assert folder.item()["properties"]["geocadence:resampling"] == {"scl": "nearest"}


def test_bands_coarser_than_the_mask_only_are_no_reason_to_fail(folder: Folder):
    """Coastal aerosol and water vapour come at 60 m, their classification at 20 m."""
    coastal, vapour = random_dn((4, 3), seed=1), random_dn((4, 3), seed=2)
    scl = np.random.default_rng(3).choice([CLEAR, CLOUD], (12, 9))
    item = folder.scene(scl=scl, add=False)
    for key, dn in (("coastal", coastal), ("nir09", vapour)):
        item["assets"][key] = {"href": str(write(folder.root / f"{key}.tif", dn, pixel_size=60))}
    folder.add(item)
    folder.run("X=A/WV")
    expected = np.where(scl[1::3, 1::3] == CLEAR, reflectance(coastal) / reflectance(vapour), np.nan)
    np.testing.assert_allclose(folder.values(part="x"), expected, rtol=1e-6)


def test_a_finer_grid_than_any_band_repeats_pixels(folder: Folder):
    """So that products of 20 m bands alone lie on the same grid as those of 10 m bands."""
    pixels = add_scene(folder, (13, 12))
    folder.run("X=(S1-A)/(S1+A)", resolution=10.0)
    shape = (14, 12)  # that of the 20 m band
    swir, coastal = (repeated(reflectance(pixels[key]), side, shape) for key, side in (("swir16", 2), ("coastal", 6)))
    clear = repeated(pixels["scl"], 2, shape) == CLEAR
    expected = np.where(clear, normalized(swir, coastal), np.nan)
    np.testing.assert_allclose(folder.values(part="x"), expected, rtol=1e-6)


def test_the_dark_pixel_check_sees_averages_too(folder: Folder):
    shape = (300, 300)
    folder.scene(red=random_dn(shape, low=300, high=700), nir=random_dn(shape, low=3000))
    folder.run(resolution=20.0)
    assert folder.item()["properties"]["geocadence:offset"]["plausible"] is False


def test_an_area_is_cut_on_the_grid_asked_for(folder: Folder):
    pixels = random_dn((80, 80), seed=1)
    item = folder.scene(red=pixels, nir=random_dn((80, 80), seed=2), add=False)
    item["geocadence:area"] = {"type": "Polygon", "coordinates": [[[-9, 37], [-9, 40], [-5, 40], [-5, 37], [-9, 37]]]}
    folder.add(item)
    folder.run(resolution=40.0)
    assert folder.values().shape == (20, 20)
    assert folder.item()["properties"]["geocadence:area_percent"] == 100


@pytest.mark.parametrize("size", [15.0, 25.0, 0.9, 1e-9, 10.01])
def test_a_size_that_fits_no_band_is_that_scenes_failure(folder: Folder, size):
    folder.scene(red=random_dn((8, 8)), nir=random_dn((8, 8)))
    folder.run(resolution=size)
    (failure,) = folder.failures().values()
    assert failure["class"] == "input"
    assert "which are 10 × 10" in failure["reason"]


@pytest.mark.parametrize("size", [130.0, 1e6, 1e18, 1e300, 1.7e308])
def test_pixels_larger_than_the_scene_are_told_as_such(folder: Folder, size):
    folder.scene(red=random_dn((11, 12)), nir=random_dn((11, 12)))
    folder.run(resolution=size)
    told = f"Pixels of {size:.10g} are larger than the scene, which is 120 × 110: --resolution is in the units of its"
    assert folder.failures()["S2X"]["reason"].startswith(told)


def test_a_pixel_may_be_as_large_as_the_scene(folder: Folder):
    folder.scene(red=random_dn((11, 12)), nir=random_dn((11, 12)))
    folder.run(resolution=120.0)
    assert folder.values().shape == (1, 1)


def test_a_band_that_the_size_cuts_through_is_named(folder: Folder):
    add_scene(folder, (12, 12))
    folder.run("X=N/A", resolution=40.0)
    assert folder.failures()["S2X"]["reason"].startswith("Asset coastal has pixels of 60 × 60, which are no whole")


@pytest.mark.parametrize("size", ["0", "-20", "nan", "inf", "twenty"])
def test_what_is_no_size_is_refused_with_the_arguments(size, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--indices", "NDVI", "--check", f"--resolution={size}"])
    assert ended.value.code == 2
    assert "--resolution" in capsys.readouterr().err


def test_the_command_line_takes_it(folder: Folder):
    folder.scene(red=random_dn((9, 8)), nir=random_dn((9, 8), seed=2))
    given = ["--input", str(folder.input), "--output", str(folder.output), "--indices", "NDVI", "--resolution", "20"]
    assert main(given) == 0
    assert json.loads(json.dumps(folder.item()["properties"]["proj:shape"])) == [5, 4]


@settings(max_examples=200)
@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    pixel=st.sampled_from([10.0, 30.0, 0.1, 8.983152841195215e-05, 2.777777777777778e-4]),
    times=st.sampled_from([1 / 10, 1 / 7, 1 / 3, 1 / 2, 1, 2, 3, 6, 50]),
)
def test_a_grid_of_whole_multiples_or_parts_covers_the_same_ground(width, height, pixel, times):
    assume(times <= max(width, height, 10))
    grid = Grid(width, height, from_origin(WEST, NORTH, pixel, pixel), None)
    # As people write it down.
    found = grid.at(float(f"{pixel * times:.7g}"))
    assert (found.transform.c, found.transform.f) == (WEST, NORTH)
    assert found.pixel_size == pytest.approx(pixel * times, rel=1e-12)
    assert found.width == ceil(width, round(times)) if times >= 1 else width * round(1 / times)
    assert found.height == ceil(height, round(times)) if times >= 1 else height * round(1 / times)


def test_a_slip_of_the_pen_does_not_fill_the_disk():
    with pytest.raises(InputFailure, match="down to 1/10"):
        Grid(10980, 10980, from_origin(WEST, NORTH, 10, 10), None).at(0.5)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
@pytest.mark.parametrize("nodata", [-9999, 70_000, 1e300, 0.5, 0, None])
@pytest.mark.usefixtures("libraries")
def test_where_a_coarser_band_ends_a_pixel_early_there_is_no_value_whatever_its_nodata(folder: Folder, dtype, nodata):
    """Items name numbers that the type of their band can't hold, and offsets that make reflectance of a zero."""
    item = folder.scene(red=random_dn((31, 41)).astype(dtype), add=False, properties={"platform": "other"})
    nir = write(folder.root / "nir.tif", random_dn((15, 20), seed=2).astype(dtype), pixel_size=20)
    item["assets"]["nir"] = {"href": str(nir), "eo:bands": [{"common_name": "nir"}]}
    for asset in item["assets"].values():
        asset["raster:bands"] = [{"scale": 1e-4, "offset": 0.05, "nodata": nodata}]
    folder.add(item)
    folder.run(mask=())
    assert folder.failures() == {}
    has_value = ~np.isnan(folder.values())
    assert has_value[:30, :40].all()
    assert not has_value[30].any()
    assert not has_value[:, 40].any()
