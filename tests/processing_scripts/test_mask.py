"""The mask hides what it should and nothing else: classes, alignment, odd sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin
from rasterio.windows import Window
from spectral.failures import InputFailure
from spectral.grids import Grid, check_aligned, nearest
from spectral.mask import DEFAULT, FMASK, QA_PIXEL, SCL, masked, parse_mask

from tests.processing_scripts.factory import Folder, write

CLEAR, CLOUD = 4, 9


def grid(width, height, size, *, west=600_000, north=4_280_000, crs=None):
    return Grid(width, height, from_origin(west, north, size, size), crs)


@pytest.mark.parametrize("shape", [(6, 8), (7, 9), (1, 1), (301, 299)])
def test_each_class_code_covers_exactly_two_by_two_pixels(folder: Folder, shape):
    height, width = shape
    scl = np.random.default_rng(3).choice([CLEAR, CLOUD], ((height + 1) // 2, (width + 1) // 2))
    folder.scene(red=np.full(shape, 2000), nir=np.full(shape, 4000), scl=scl)
    folder.run()
    hidden = np.repeat(np.repeat(scl == CLOUD, 2, axis=0), 2, axis=1)[:height, :width]
    np.testing.assert_array_equal(np.isnan(folder.values()), hidden)


def test_seams_of_blocks_do_not_shift_the_mask(folder: Folder):
    shape = (1031, 1029)
    scl = np.random.default_rng(4).choice([CLEAR, CLOUD], (516, 515))
    folder.scene(red=np.full(shape, 2000), nir=np.full(shape, 4000), scl=scl)
    folder.run()
    hidden = np.repeat(np.repeat(scl == CLOUD, 2, axis=0), 2, axis=1)[:1031, :1029]
    np.testing.assert_array_equal(np.isnan(folder.values()), hidden)


def test_pixels_past_the_masks_end_count_as_nodata(folder: Folder):
    folder.scene(red=np.full((5, 5), 2000), nir=np.full((5, 5), 4000), scl=np.full((2, 2), CLEAR))
    folder.run()
    expected = np.ones((5, 5), dtype=bool)
    expected[:4, :4] = False
    np.testing.assert_array_equal(np.isnan(folder.values()), expected)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [("default", {0, 1, 3, 8, 9, 10}), ("none", set()), (" None", set()), ("water,11", {6, 11})],
)
def test_the_classes_asked_for_are_hidden(folder: Folder, text, hidden):
    scl = np.arange(12).reshape(3, 4)
    folder.scene(red=np.full((6, 8), 2000), nir=np.full((6, 8), 4000), scl=scl)
    folder.run(mask=parse_mask(text))
    assert set(scl[np.isnan(folder.values())[::2, ::2]]) == hidden
    assert folder.item()["properties"]["geocadence:mask"]["applied"] is bool(hidden)


def test_a_scene_without_classification_is_processed_and_says_so(folder: Folder):
    folder.scene(red=np.full((4, 4), 2000), nir=np.full((4, 4), 4000))
    folder.run()
    assert not np.isnan(folder.values()).any()
    record = folder.item()["properties"]["geocadence:mask"]
    assert record == {"applied": False, "reason": "The scene has no scene classification (SCL)."}


def hidden_codes(scheme, text, codes=range(12)):
    """The codes that the scheme leaves out, of `codes`."""
    pixels = np.array(list(codes), dtype=np.uint16 if scheme is QA_PIXEL else np.uint8)
    return set(pixels[masked(pixels, scheme.choose(parse_mask(text)))].tolist())


def test_default_classes_are_those_that_hide_the_ground():
    assert SCL.choose((DEFAULT,)).names == (
        "nodata", "saturated", "cloud_shadow", "cloud_medium", "cloud_high", "cirrus",
    )  # fmt: skip
    assert QA_PIXEL.choose((DEFAULT,)).names == ("nodata", "dilated_cloud", "cirrus", "cloud", "cloud_shadow")
    assert FMASK.choose((DEFAULT,)).names == ("nodata", "cloud", "adjacent", "cloud_shadow")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("8,9", {8, 9}),
        ("clouds", {8, 9}),
        ("Cloud-High, cirrus", {9, 10}),
        ("default,water", {0, 1, 3, 6, 8, 9, 10}),
        ("nodata", {0}),
        ("none", set()),
    ],
)
def test_scl_classes_go_by_name_and_by_code(text, codes):
    assert hidden_codes(SCL, text) == codes


# Codes as they stand in scenes: one state and the confidences that go with it.
FILL, CLEAR_LAND, CLEAR_WATER, DILATED, CLOUDY, SHADOW, SNOW, CIRRUS = (
    1, 21824, 21952, 21826, 22280, 23888, 30048, 54596,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("default", {FILL, DILATED, CLOUDY, SHADOW, CIRRUS}),
        ("snow,nodata", {FILL, SNOW}),
        ("water", {CLEAR_WATER}),
        ("cloud-high", {CLOUDY}),
        ("cloud-medium", set()),
        ("cloud-shadow-high,snow-high,cirrus-high", {SHADOW, SNOW, CIRRUS}),
        ("none", set()),
    ],
)
def test_qa_pixel_hides_by_bits(text, codes):
    every = [FILL, CLEAR_LAND, CLEAR_WATER, DILATED, CLOUDY, SHADOW, SNOW, CIRRUS]
    assert hidden_codes(QA_PIXEL, text, every) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("default", {0b10, 0b100, 0b1000, 0b1110, 0b11001010, 255}),
        ("cloud", {0b10, 0b1110, 0b11001010}),  # fill has every bit set and is no cloud
        ("nodata", {255}),
        ("water,snow", {0b100000, 0b10000}),
        ("aerosol-high", {0b11000000, 0b11001010}),
    ],
)
def test_fmask_hides_by_bits(text, codes):
    some = [0, 0b1, 0b10, 0b100, 0b1000, 0b1110, 0b10000, 0b100000, 0b11000000, 0b01000000, 0b11001010, 255]
    assert hidden_codes(FMASK, text, some) == codes


@pytest.mark.parametrize("text", ["fog", "12", "-1", "", "8;9", "²"])
def test_an_unknown_class_is_refused_with_the_known_ones(text):
    with pytest.raises(ValueError, match=r"expected default, none, or of the scene class.* nodata, saturated"):
        parse_mask(text)


def test_a_class_of_another_sensor_is_named_not_guessed():
    assert QA_PIXEL.choose(parse_mask("cloud,vegetation,8")).unknown == ("vegetation", "8")
    assert SCL.choose(parse_mask("dilated-cloud")).unknown == ("dilated_cloud",)


def test_codes_that_mean_nothing_count_as_nodata():
    default, cloud = SCL.choose((DEFAULT,)), SCL.choose(("cloud_high",))
    codes = np.array([12, 255, 4], dtype=np.uint8)
    assert masked(codes, default).tolist() == [True, True, False]
    assert masked(codes, cloud).tolist() == [False, False, False]
    assert masked(np.array([-1, 300, 9], dtype=np.int16), default).tolist() == [True, True, True]
    assert masked(np.array([70000, 9], dtype=np.uint32), cloud).tolist() == [False, True]
    assert masked(np.array([-5, 21824], dtype=np.int32), QA_PIXEL.choose((DEFAULT,))).tolist() == [True, False]


@given(st.integers(0, 65535), st.lists(st.sampled_from(QA_PIXEL.names), min_size=1, max_size=4))
def test_any_quality_code_is_hidden_exactly_when_one_of_its_bits_is_asked_for(code, names):
    """Against bit arithmetic written here, by USGS's table of bits."""
    single = {"dilated_cloud": 1, "cirrus": 2, "cloud": 3, "cloud_shadow": 4, "snow": 5, "water": 7}
    double = {"cloud_medium": (8, 2), "cloud_high": (8, 3), "cloud_shadow_high": (10, 3), "snow_high": (12, 3),
              "cirrus_high": (14, 3)}  # fmt: skip
    fill = code % 2 == 1
    expected = fill and "nodata" in names
    for name in names:
        if name in single and not fill:
            expected |= bool(code >> single[name] & 1)
        elif name in double and not fill:
            low, value = double[name]
            expected |= (code >> low & 3) == value
    assert masked(np.array([code], dtype=np.uint16), QA_PIXEL.choose(tuple(names)))[0] == expected


@settings(max_examples=80, deadline=None)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    ratio=st.sampled_from([1, 2, 3, 6]),
    size=st.sampled_from([10, 0.1, 1 / 3, 8.983152841195215e-05]),
    data=st.data(),
)
def test_any_window_finds_the_pixel_that_lies_under_its_own(width, height, ratio, size, data):
    """Nearest neighbour by whole numbers: pixel i lies under pixel i // ratio of the coarser grid."""
    column, row = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    window = Window(column, row, width - column, height - row)
    corner = {"west": -7.943600123, "north": 38.66380345}
    coarse = grid(-(-width // ratio), -(-height // ratio), size * ratio, **corner)
    rows, columns = nearest(grid(width, height, size, **corner), coarse, window)
    np.testing.assert_array_equal(rows, np.arange(row, height) // ratio)
    np.testing.assert_array_equal(columns, np.arange(column, width) // ratio)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (grid(5, 5, 20, west=600_010), "begins at"),
        (grid(5, 5, 15), "whole multiple"),
        (grid(4, 5, 20), "4 × 5 pixels"),
        (grid(6, 5, 20), "6 × 5 pixels"),
        (Grid(5, 5, from_origin(600_000, 4_280_000, 20, 20) * from_origin(0, 0, 1, 1).rotation(5), None), "north-up"),
    ],
)
def test_grids_that_do_not_fit_are_refused(other, why):
    with pytest.raises(InputFailure, match=why):
        check_aligned(grid(10, 10, 10), other, name="Asset scl")


def test_a_mask_in_another_crs_is_refused(folder: Folder):
    item = folder.scene(red=np.full((4, 4), 2000), nir=np.full((4, 4), 4000), scl=np.full((2, 2), 4))
    write(folder.root / "imagery/S2X/scl.tif", np.full((2, 2), 4, np.uint8), pixel_size=20, crs="EPSG:32630")
    folder.run()
    assert item["id"] not in folder.products()
    assert "EPSG:32630" in folder.failures()["S2X"]["reason"]


def test_coarser_bands_come_onto_the_finest_grid_asked_for(folder: Folder):
    item = folder.scene(nir=np.full((5, 5), 4000), add=False)
    swir = np.array([[2000, 2500, 3000], [2100, 2600, 3100], [2200, 2700, 3200]], dtype=np.uint16)
    item["assets"]["swir16"] = {"href": str(write(folder.root / "swir.tif", swir, pixel_size=20))}
    folder.add(item)
    folder.run("NDMI")
    s1 = np.repeat(np.repeat(swir, 2, axis=0), 2, axis=1)[:5, :5] / 1e4 - 0.1
    np.testing.assert_allclose(folder.values(part="ndmi"), (0.3 - s1) / (0.3 + s1), atol=5.1e-5)
