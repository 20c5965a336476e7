"""Do a method's pixels mean what it says? Checked against plain float64 numpy before its time counts.

No two tools leave the same pixels out, so a method states its `Meaning`, and its output is held to that. What ours
and a peer's meaning share (the formula and the pixels that both keep) is thereby the same.
"""

from __future__ import annotations

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


@unique
class Meaning(StrEnum):
    """What a method's NDVI is of."""

    RAW = "raw"  # (nir − red) / (nir + red) of the DN; without value where both are nodata
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
    path: Path, scene: Scene, meaning: Meaning, *, loses_zeros: bool = False, area: dict[str, Any] | None = None
) -> Agreement:
    """Compare the raster at `path` with NDVI computed independently, pixel by pixel.

    The raster may reach beyond the scene on its right and lower side (odc-geo pads to whole blocks): there it must
    be empty. With `loses_zeros` pixels whose NDVI is exactly 0 must be empty too, with `area` (a GeoJSON polygon in
    degrees) those whose centre is outside of it.

    Raises:
        Disagreement: another grid, values further off than the tolerance, or a pixel that has a value in one
            and none in the other.
    """
    pixels, largest = 0, 0.0
    with rasterio.open(path) as found, rasterio.open(scene.band("red")) as red, rasterio.open(
        scene.band("nir")
    ) as nir, rasterio.open(scene.band("scl")) as scl:  # fmt: skip
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
                expected[: rows[1] - top, : scene.size] = _expected(red, nir, scl, rows, meaning)
            if area:
                place = found.transform @ rasterio.Affine.translation(0, top)
                expected[geometry_mask([transform_geom("EPSG:4326", found.crs, area)], expected.shape, place)] = np.nan
            if loses_zeros:
                expected[expected == 0] = np.nan
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


def _expected(red, nir, scl, rows: tuple[int, int], meaning: Meaning) -> np.ndarray:
    window = (rows, (0, red.width))
    dn = {"red": red.read(1, window=window), "nir": nir.read(1, window=window)}
    offset = OFFSET_DN if meaning is Meaning.PRODUCT else 0
    reflectance = {key: (numbers.astype(np.float64) - offset) / 10_000 for key, numbers in dn.items()}
    with np.errstate(invalid="ignore", divide="ignore"):
        ndvi = (reflectance["nir"] - reflectance["red"]) / (reflectance["nir"] + reflectance["red"])
    if meaning is Meaning.PRODUCT:
        ndvi[(reflectance["red"] <= 0) | (reflectance["nir"] <= 0)] = np.nan
    codes = scl.read(1, window=((rows[0] // 2, -(-rows[1] // 2)), (0, scl.width)))
    at_10_m = codes.repeat(2, axis=0)[: rows[1] - rows[0]].repeat(2, axis=1)[:, : red.width]
    ndvi[np.isin(at_10_m, _MASKED[meaning])] = np.nan
    return ndvi
