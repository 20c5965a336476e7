"""The preview is readable: even steps of value are even steps of lightness, and nodata is transparent."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from spectral.preview import COLOURS, HOLE, paint, ramp

from tests.processing_scripts.factory import Folder


def seen(picture: rasterio.DatasetReader) -> np.ndarray:
    """What a browser shows of a PNG with a palette: RGBA (rows, columns, 4)."""
    palette = picture.colormap(1)
    return np.array([palette[place] for place in range(256)], np.uint8)[picture.read(1)]


def lightness(rgb: np.ndarray) -> np.ndarray:
    """CIE L* of 8-bit sRGB: another model than the one that the ramps are made in."""
    encoded = rgb / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)


@pytest.mark.parametrize("domain", ["vegetation", "water", "own"])
def test_lightness_changes_evenly_and_in_one_direction(domain):
    steps = np.diff(lightness(ramp(domain))[::15])
    assert np.all(steps < 0) or np.all(steps > 0)
    assert np.abs(steps).max() < 2 * np.abs(steps).min()


def test_values_and_nodata_become_colours_and_holes():
    values = np.array([[-1.0, 0.0, 0.45, 0.9, 5.0, np.nan, 0.45]])
    valid = np.array([[True, True, True, True, True, False, False]])
    last = COLOURS - 1
    assert paint(values, valid, low=0.0, high=0.9).tolist() == [[0, 0, last // 2, last, last, HOLE, HOLE]]


@pytest.mark.parametrize("shape", [(300, 200), (1030, 600), (700, 3), (1, 1)])
def test_it_is_at_most_512_pixels_and_keeps_the_proportions(folder: Folder, shape):
    red = np.full(shape, 2000)
    red[: shape[0] // 2] = 0
    folder.scene(red=red, nir=np.full(shape, 4000))
    folder.run()
    (path,) = folder.output.glob("*/*/S2X/S2X_preview.png")
    with rasterio.open(path) as picture:
        assert max(picture.shape) == min(512, max(shape))
        alpha = seen(picture)[..., 3]
        assert picture.height / picture.width == pytest.approx(shape[0] / shape[1], rel=0.2)
        if shape[0] > 1:
            assert alpha[0].max() == 0
        assert alpha[-1].min() == 255
    assert sorted(file.suffix for file in path.parent.iterdir()) == [".json", ".png", ".tif"]


def colours_of(folder: Folder) -> np.ndarray:
    """Of each pixel of the preview, its place in the ramp from 0 to 1, by lightness."""
    (path,) = folder.output.glob("*/*/S2X/S2X_preview.png")
    with rasterio.open(path) as picture:
        shown = lightness(seen(picture)[..., :3])
    ends = lightness(ramp("water"))[[0, -1]]
    return (shown - ends[0]) / (ends[1] - ends[0])


def test_the_wettest_pixel_of_dry_land_does_not_look_like_water(folder: Folder):
    """NDWI from -0.7 to -0.3 is land: a stretch to what the scene holds would paint its upper end deep blue."""
    green = np.tile(np.linspace(1529, 2615, 40).astype(int), (40, 1))  # beside nir 0.3
    folder.scene(green=green, nir=np.full((40, 40), 4000))
    folder.run("NDWI")
    assert colours_of(folder).max() < 0.25
    folder.scene(green=np.full((40, 40), 1800), nir=np.full((40, 40), 1200))
    folder.run("NDWI")
    assert colours_of(folder).min() > 0.9


@pytest.mark.parametrize("name", ["GCC", "WDRVI", "NDTI", "SR", "X=N-R"])
def test_an_index_of_another_range_than_ndvis_uses_the_whole_ramp(folder: Folder, name):
    """GCC lies between 0.3 and 0.5, WDRVI mostly below zero: on NDVI's scale they would be one colour."""
    random = np.random.default_rng(4)
    bands = {key: random.integers(1300, 2300, (60, 60)) for key in ("blue", "green", "red")}
    folder.scene(nir=random.integers(3000, 5000, (60, 60)), **bands)
    folder.run(name)
    (path,) = folder.output.glob("*/*/S2X/S2X_preview.png")
    with rasterio.open(path) as picture:
        shown = lightness(seen(picture)[..., :3])
    assert np.ptp(shown) > 55


def test_it_averages_what_it_has_no_room_for(folder: Folder):
    """Columns of NDVI 0.1 and 0.7 by turns, 700 of them on 512 pixels: most pixels see some of both."""
    shape = (700, 700)
    nir = np.where(np.arange(700) % 2, 2222, 6667) * np.ones((700, 1), dtype=int)
    folder.scene(red=np.full(shape, 2000), nir=nir)
    folder.run()
    (path,) = folder.output.glob("*/*/S2X/S2X_preview.png")
    with rasterio.open(path) as picture:
        shown = seen(picture)[..., :3].reshape(-1, 3)
    assert len(np.unique(shown, axis=0)) > 10


@pytest.mark.parametrize(("name", "ends"), [("NDVI", [0.0, 0.9]), ("X=N-R", None)])
def test_the_item_tells_which_colour_is_which_value(folder: Folder, name: str, ends: list[float] | None):
    """The picture read back by the Item's legend alone gives the values of the file, as far as 256 colours can."""
    nir = np.tile(np.linspace(2100, 9000, 64).astype(int), (64, 1))
    folder.scene(red=np.full((64, 64), 2000), nir=nir)
    folder.run(name)
    legend = folder.item()["assets"]["preview"]["geocadence:legend"]
    assert legend["index"] == name.partition("=")[0]
    assert ends is None or [legend["minimum"], legend["maximum"]] == ends
    anchors = np.array([[int(colour[place : place + 2], 16) for place in (1, 3, 5)] for colour in legend["colours"]])
    values = np.linspace(legend["minimum"], legend["maximum"], 1001)
    at = np.linspace(0, 1000, len(anchors))
    scale = np.stack([np.interp(np.arange(1001), at, channel) for channel in anchors.T], axis=1)
    (path,) = folder.output.glob("*/*/S2X/S2X_preview.png")
    with rasterio.open(path) as picture:
        shown = seen(picture)[..., :3][0].astype(float)
    read = values[np.argmin(((shown[:, np.newaxis] - scale) ** 2).sum(axis=2), axis=1)]
    expected = np.clip(folder.values(part=name.partition("=")[0].lower())[0], legend["minimum"], legend["maximum"])
    assert np.abs(read - expected).max() < 0.03 * (legend["maximum"] - legend["minimum"])
