"""Do a method's pixels mean what it says? Checked against plain float64 numpy before its time counts.

No two tools leave the same pixels out, so a method states its `Meaning`, and its output is held to that. What ours
and a peer's meaning share (the formula and the pixels that both keep) is thereby the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.features import geometry_mask
from rasterio.warp import transform_geom

from benchmarks.scene import BLOCK, OFFSET_DN, Scene

# Half a step of int16 × 0.0001 and what rounding adds; float32 near 1.
PACKED_TOLERANCE = 5.1e-5
FLOAT_TOLERANCE = 1e-6
# What int16 × 0.0001 holds: values beyond are clipped.
_LARGEST_PACKED = 3.2767
# By index its bands and its published formula.
_FORMULAS = {
    "NDVI": (("nir", "red"), lambda n, r: (n - r) / (n + r)),
    "GNDVI": (("nir", "green"), lambda n, g: (n - g) / (n + g)),
    "NDWI": (("green", "nir"), lambda g, n: (g - n) / (g + n)),
    "SAVI": (("nir", "red"), lambda n, r: 1.5 * (n - r) / (n + r + 0.5)),
    "OSAVI": (("nir", "red"), lambda n, r: (n - r) / (n + r + 0.16)),
    "MSAVI": (("nir", "red"), lambda n, r: (2 * n + 1 - np.sqrt((2 * n + 1) ** 2 - 8 * (n - r))) / 2),
    "EVI": (("nir", "red", "blue"), lambda n, r, b: 2.5 * (n - r) / (n + 6 * r - 7.5 * b + 1)),
    "EVI2": (("nir", "red"), lambda n, r: 2.5 * (n - r) / (n + 2.4 * r + 1)),
}


@unique
class Meaning(StrEnum):
    """What a method's index is of."""

    RAW = "raw"  # of the DN, which for NDVI is that of reflectance; without value where both bands are nodata
    CLOUDLESS = "cloudless"  # the same, without SCL's shadow, clouds and cirrus
    PRODUCT = "product"  # of reflectance above 0, offset applied, without SCL 0, 1, 3, 8, 9, 10


_MASKED = {Meaning.RAW: (), Meaning.CLOUDLESS: (3, 8, 9, 10), Meaning.PRODUCT: (0, 1, 3, 8, 9, 10)}


class Disagreement(Exception):
    """A method's output is not what it is said to be: its time means nothing."""


@dataclass(frozen=True)
class Agreement:
    """What the comparison saw."""

    pixels: int  # with a value in both
    largest_error: float


def check(
    path: Path,
    scene: Scene,
    meaning: Meaning,
    *,
    index: str = "NDVI",
    loses_zeros: bool = False,
    area: dict[str, Any] | None = None,
) -> Agreement:
    """Compare the raster at `path` with its index computed independently, pixel by pixel.

    The raster may reach beyond the scene on its right and lower side (odc-geo pads to whole blocks): there it must
    be empty. With `loses_zeros` pixels whose index is exactly 0 must be empty too, with `area` (a GeoJSON polygon in
    degrees) those whose centre is outside of it.

    Raises:
        Disagreement: another grid, values further off than the tolerance, or a pixel that has a value in one
            and none in the other.
    """
    pixels, largest = 0, 0.0
    with ExitStack() as opened:
        found = opened.enter_context(rasterio.open(path))
        keys = {"red", "scl", *_FORMULAS[index][0]}
        bands = {key: opened.enter_context(rasterio.open(scene.band(key))) for key in keys}
        red = bands["red"]
        if found.crs != red.crs or not found.transform.almost_equals(red.transform, 1e-6):
            raise Disagreement(f"{path.name} lies elsewhere: {found.transform!r} in {found.crs}")
        if found.width < red.width or found.height < red.height:
            raise Disagreement(f"{path.name} has {found.width} × {found.height} pixels")
        tolerance = PACKED_TOLERANCE if found.dtypes[0] == "int16" else FLOAT_TOLERANCE
        for top in range(0, found.height, BLOCK):
            bottom = min(top + BLOCK, found.height)
            expected = np.full((bottom - top, found.width), np.nan)
            if top < scene.size:
                rows = (top, min(bottom, scene.size))
                expected[: rows[1] - top, : scene.size] = _expected(bands, rows, meaning, index)
            if area:
                place = found.transform @ rasterio.Affine.translation(0, top)
                expected[geometry_mask([transform_geom("EPSG:4326", found.crs, area)], expected.shape, place)] = np.nan
            if loses_zeros:
                expected[expected == 0] = np.nan
            if found.dtypes[0] == "int16":
                expected = np.clip(expected, -_LARGEST_PACKED, _LARGEST_PACKED)
            values = _values(found, (top, bottom))
            if np.any(np.isnan(values) != np.isnan(expected)):
                more = np.count_nonzero(~np.isnan(values) & np.isnan(expected))
                fewer = np.count_nonzero(np.isnan(values) & ~np.isnan(expected))
                raise Disagreement(f"{path.name}, rows {top} to {bottom}: {more} values too many, {fewer} missing")
            kept = ~np.isnan(expected)
            pixels += int(np.count_nonzero(kept))
            largest = max(largest, float(np.max(np.abs(values - expected)[kept], initial=0)))
    if largest > tolerance:
        raise Disagreement(f"{path.name} is off by up to {largest:.3g} (allowed: {tolerance:g})")
    return Agreement(pixels, largest)


def _values(dataset: rasterio.DatasetReader, rows: tuple[int, int]) -> np.ndarray:
    """Values in float64, NaN where there is none."""
    stored = dataset.read(1, window=(rows, (0, dataset.width)), masked=True)
    values = stored.astype(np.float64).filled(np.nan) * dataset.scales[0] + dataset.offsets[0]
    values[~np.isfinite(values)] = np.nan
    return values


def _expected(
    bands: Mapping[str, rasterio.DatasetReader], rows: tuple[int, int], meaning: Meaning, index: str
) -> np.ndarray:
    keys, formula = _FORMULAS[index]
    width, scl = bands["red"].width, bands["scl"]
    offset = OFFSET_DN if meaning is Meaning.PRODUCT else 0
    dn = [bands[key].read(1, window=(rows, (0, width))).astype(np.float64) for key in keys]
    reflectances = [(numbers - offset) / 10_000 for numbers in dn]
    with np.errstate(invalid="ignore", divide="ignore"):
        values = formula(*reflectances)
    values[~np.isfinite(values) | np.all([numbers == 0 for numbers in dn], axis=0)] = np.nan
    if meaning is Meaning.PRODUCT:
        values[np.any([reflectance <= 0 for reflectance in reflectances], axis=0)] = np.nan
    codes = scl.read(1, window=((rows[0] // 2, -(-rows[1] // 2)), (0, scl.width)))
    at_10_m = codes.repeat(2, axis=0)[: rows[1] - rows[0]].repeat(2, axis=1)[:, :width]
    values[np.isin(at_10_m, _MASKED[meaning])] = np.nan
    return values
