"""A sample catalogue that behaves like the real thing: a real Sentinel-2 patch on several dates.

The pixels start from the patch that the package `spyndex` ships (B02, B03, B04, B08; 300 × 300 pixels of
10 m; Sentinel-2 L2A surface reflectance, MIT licence). Everything around it is made up, from fixed seeds:

- the patch is mirrored and bent to the size of a scene and put into the Alentejo, where it was not taken;
- fields follow the year (cereals and pasture green in spring, some irrigated in summer), woods stay green;
- clouds with their shadows and thin rims, a nodata wedge as at the edge of a swath, sensor noise;
- an SCL band at 20 m that says so.

The scenes' metadata have what makes real catalogues hard: DN with the offset of baseline 04.00 and later,
DN without it from before, and an item whose `raster:bands` contradict `earthsearch:boa_offset_applied`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from sample.items import ASSETS, CRS, Shot, item_of
from sample.land import ground
from sample.weather import Clouds, clouds_over, swath_edge

SEED = 20261122
OFFSET_DN = 1000
# Class codes of the scene classification.
_NODATA, _SHADOW, _VEGETATION, _BARE, _WATER, _CLOUD_MEDIUM, _CLOUD_HIGH, _CIRRUS = 0, 3, 4, 5, 6, 8, 9, 10


@dataclass(frozen=True)
class Plan:
    """What one date looks like."""

    shot: Shot
    cloudiness: float  # share of the scene, roughly
    wedge: float = 0.0  # share of the rows that the swath's edge cuts into


_MAIN = {"tile": "29SNC", "west": 592_000, "north": 4_280_000, "width": 800, "height": 800}
# An odd number of pixels, as cut-outs have.
_EAST = {"tile": "29SPC", "west": 600_000, "north": 4_280_000, "width": 555, "height": 555}

PLANS = (
    Plan(Shot("S2A", "2021-05-12T11:21:11.024Z", baseline="03.00", offset=None, **_MAIN), 0.04),
    Plan(Shot("S2B", "2026-02-05T11:21:09.024Z", baseline="05.11", **_MAIN), 0.12),
    Plan(Shot("S2C", "2026-03-17T11:21:21.025Z", baseline="05.11", **_MAIN), 0.03),
    Plan(Shot("S2C", "2026-03-17T11:21:18.025Z", baseline="05.11", **_EAST), 0.05),
    Plan(Shot("S2B", "2026-04-26T11:21:09.024Z", baseline="05.11", **_MAIN), 0.28, 0.5),
    Plan(Shot("S2A", "2026-06-30T11:21:31.024Z", baseline="05.11", offset_applied=True, **_MAIN), 0.0),
    Plan(Shot("S2C", "2026-08-24T11:21:21.025Z", baseline="05.12", **_MAIN), 0.08, 0.3),
)


def make_sample(folder: Path, *, href_prefix: str) -> list[dict[str, Any]]:
    """Write the sample's rasters and return its STAC Items; the same bytes every time.

    Args:
        folder: gets `<item-id>/<band>.tif`, Cloud Optimized GeoTIFFs, about 25 MB in all.
        href_prefix: what the assets' hrefs start with instead of `folder`, e.g. `s3://bucket/imagery/`.
    """
    prefix = href_prefix if href_prefix.endswith("/") else f"{href_prefix}/"
    items = []
    for number, plan in enumerate(PLANS):
        rasters, shares = _scene(plan, np.random.default_rng([SEED, number]))
        target = folder / plan.shot.id
        target.mkdir(parents=True, exist_ok=True)
        for key, pixels in rasters.items():
            _write_cog(target / ASSETS[key].file, pixels, plan.shot, pixel_size=ASSETS[key].pixel_size)
        items.append(item_of(plan.shot, href_prefix=prefix, **shares))
    return items


def _scene(plan: Plan, random: np.random.Generator) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """All bands (uint16, 10 m), the SCL (uint8, 20 m), and the percentages that the Item tells."""
    shot = plan.shot
    shape = shot.height, shot.width
    land = ground(west=shot.west // 10, north=shot.north // 10, shape=shape, month=int(shot.moment[5:7]))
    clouds = clouds_over(shape, plan.cloudiness, random)
    outside = swath_edge(shape, plan.wedge)
    classes = _classes(land, clouds)
    classes[outside] = _NODATA
    illumination = 1 + 0.03 * random.standard_normal()
    rasters = {
        key: _digital_numbers(reflectance * illumination, clouds, outside, shot=shot, random=random)
        for key, reflectance in land.items()
    }
    rasters["scl"] = classes[::2, ::2]
    seen = ~outside
    cloudy = np.isin(classes, (_CLOUD_MEDIUM, _CLOUD_HIGH, _CIRRUS)) & seen
    return rasters, {
        "cloud_cover": round(100 * np.count_nonzero(cloudy) / np.count_nonzero(seen), 6),
        "nodata_percentage": round(100 * np.count_nonzero(outside) / outside.size, 6),
    }


def _classes(land: dict[str, np.ndarray], clouds: Clouds) -> np.ndarray:
    red, nir = land["red"], land["nir"]
    ndvi = (nir - red) / (nir + red)
    classes = np.where(ndvi > 0.35, _VEGETATION, np.where(nir < 0.05, _WATER, _BARE)).astype(np.uint8)
    classes[clouds.shadow] = _SHADOW
    classes[clouds.thickness > 0.05] = _CIRRUS
    classes[clouds.thickness > 0.25] = _CLOUD_MEDIUM
    classes[clouds.thickness > 0.6] = _CLOUD_HIGH
    return classes


def _digital_numbers(
    reflectance: np.ndarray, clouds: Clouds, outside: np.ndarray, *, shot: Shot, random: np.random.Generator
) -> np.ndarray:
    lit = np.where(clouds.shadow, 0.45 * reflectance, reflectance)
    seen = lit * (1 - clouds.thickness) + clouds.thickness * (0.55 + 0.3 * clouds.thickness)
    numbers = np.rint(seen * 10_000 + random.normal(0, 6, seen.shape)) + (OFFSET_DN if shot.offset_in_pixels else 0)
    numbers = np.clip(numbers, 1, 65_534).astype(np.uint16)
    numbers[outside] = 0
    return numbers


def _write_cog(path: Path, pixels: np.ndarray, shot: Shot, *, pixel_size: int) -> None:
    profile = {
        "driver": "GTiff",
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "count": 1,
        "dtype": pixels.dtype.name,
        "nodata": 0,
        "crs": rasterio.CRS.from_string(CRS),
        "transform": from_origin(shot.west, shot.north, pixel_size, pixel_size),
    }
    is_classes = pixels.dtype == np.uint8
    with MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.write(pixels, 1)
            dataset.build_overviews([2, 4], Resampling.nearest if is_classes else Resampling.average)
        rasterio.shutil.copy(
            memory.name,
            path,
            driver="COG",
            compress="deflate",
            predictor="standard",
            blocksize=256,
            overviews="FORCE_USE_EXISTING",
        )
