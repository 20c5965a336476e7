"""A small picture of an index: even steps of value are even steps to the eye, nodata is transparent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

from spectral.indices import Index
from spectral.values import SCALE

LARGEST = 512
# A palette has room for 256: behind the ramp's colours comes that of what isn't there.
COLOURS = 255
HOLE = COLOURS
# Straight lines between so many colours of a ramp look like the ramp.
_LEGEND_COLOURS = 9

# Colour ramps as (lightness, chroma, hue in degrees) in OKLCh, lowest value first. Lightness changes
# evenly and in one direction, which is what makes a ramp readable, in grey and to colour-blind eyes too.
_RAMPS = {
    "vegetation": ((0.955, 0.025, 85), (0.80, 0.11, 108), (0.645, 0.145, 130), (0.49, 0.12, 145), (0.335, 0.075, 155)),
    "water": ((0.955, 0.02, 90), (0.75, 0.08, 210), (0.545, 0.12, 240), (0.34, 0.12, 262)),
    "any": ((0.27, 0.10, 300), (0.44, 0.10, 265), (0.61, 0.11, 205), (0.78, 0.14, 145), (0.95, 0.14, 105)),
}
# kNDVI and its like are of vegetation.
_RAMPS["kernel"] = _RAMPS["vegetation"]
_GREENNESS = ("NDVI", "NDVI705", "GNDVI", "BNDVI", "NDREI", "EVI", "EVI2", "SAVI", "OSAVI", "MSAVI", "ATSAVI", "kNDVI")
# Of indices whose values everybody reads the same way, the same colours mean the same on every date and in every
# place: bare soil 0.1, dense crops 0.9; and no scene has water just because it has a wettest pixel.
_FIXED_RANGE = {
    **dict.fromkeys(_GREENNESS, (0.0, 0.9)),
    **dict.fromkeys(("NDWI", "MNDWI"), (-0.5, 0.5)),
    "NDMI": (-0.4, 0.6),
    "NBR": (-0.5, 0.9),
    "NDSI": (-0.5, 0.9),
}


def write_preview(cog: Path, target: Path, index: Index, statistics: dict) -> dict[str, Any]:
    """Paint `cog` (an index as written) into `target`, a PNG with a palette, of at most 512 × 512 pixels.

    Returns:
        Its legend: the index, the values at both ends of the colour ramp, and colours at even steps between (#rrggbb).
    """
    low, high = _range(index, statistics)
    colours = ramp(index.domain)
    steps = colours[np.linspace(0, len(colours) - 1, _LEGEND_COLOURS).round().astype(int)]
    with rasterio.open(cog) as dataset:
        shrink = max(1.0, max(dataset.width, dataset.height) / LARGEST)
        shape = (max(1, round(dataset.height / shrink)), max(1, round(dataset.width / shrink)))
        # Not as a masked array, for which rasterio would read everything twice.
        pixels = dataset.read(1, out_shape=shape, resampling=Resampling.average)
        values = pixels * np.float64(dataset.scales[0]) + dataset.offsets[0]
        valid = pixels != dataset.nodata
    painted = paint(values, valid, low=low, high=high)
    with MemoryFile() as memory:
        with memory.open(
            driver="PNG", width=shape[1], height=shape[0], count=1, dtype="uint8", zlevel=3,
            transform=rasterio.Affine(1, 0, 0, 0, -1, shape[0]),
        ) as picture:  # fmt: skip
            picture.write(painted, 1)
            picture.write_colormap(
                1, {**{place: (*colour, 255) for place, colour in enumerate(colours.tolist())}, HOLE: (0, 0, 0, 0)}
            )
        # Written by Python, which says so when the disk is full.
        target.write_bytes(memory.getbuffer())
    return {
        "index": index.name,
        "minimum": low,
        "maximum": high,
        "colours": [f"#{bytes(colour).hex()}" for colour in steps],
    }


def paint(values: np.ndarray, valid: np.ndarray, *, low: float, high: float) -> np.ndarray:
    """The place in the ramp (rows, columns; uint8) of `values` (rows, columns); `HOLE` where not `valid`."""
    painted = np.full(values.shape, HOLE, np.uint8)
    last = COLOURS - 1
    painted[valid] = np.nan_to_num(np.clip(np.rint((values[valid] - low) / (high - low) * last), 0, last))
    return painted


def ramp(domain: str) -> np.ndarray:
    """The colours (`COLOURS`, 3; uint8 sRGB) for indices of a domain, straight lines in OKLab between the anchors."""
    anchors = np.array(_RAMPS.get(domain, _RAMPS["any"]))
    lightness, chroma, hue = anchors[:, 0], anchors[:, 1], np.radians(anchors[:, 2])
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)
    at = np.linspace(0, len(anchors) - 1, COLOURS)
    return _srgb(np.stack([np.interp(at, np.arange(len(anchors)), channel) for channel in lab.T], axis=1))


def _srgb(lab: np.ndarray) -> np.ndarray:
    """OKLab to 8-bit sRGB (https://bottosson.github.io/posts/oklab/)."""
    to_lms = np.array([[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]])  # fmt: skip # noqa: E501
    to_rgb = np.array([[4.0767416621, -3.3077115913, 0.2309699292], [-1.2684380046, 2.6097574011, -0.3413193965], [-0.0041960863, -0.7034186147, 1.7076147010]])  # fmt: skip # noqa: E501
    linear = np.clip((lab @ to_lms.T) ** 3 @ to_rgb.T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(encoded * 255).astype(np.uint8)


def _range(index: Index, statistics: dict) -> tuple[float, float]:
    if index.domain != "own" and index.name in _FIXED_RANGE:
        return _FIXED_RANGE[index.name]
    if "percentiles" not in statistics:
        return 0.0, 1.0
    low, high = statistics["percentiles"]["p2"], statistics["percentiles"]["p98"]
    if index.packed:
        low, high = round(low * SCALE, 4), round(high * SCALE, 4)
    return (low, high) if high > low else (low, low + 1.0)
