"""From digital numbers to reflectance: which scale and offset a band has, and why.

The item comes first, what is known of the sensor (`sensors`) second. For Sentinel-2 that is not enough: since
processing baseline 04.00 L2A has `reflectance = (DN - 1000) / 10000`; before, the 1000 was missing. And catalogues
disagree with their own pixels: items of Earth Search carry `raster:bands[0].offset = -0.1` beside
`earthsearch:boa_offset_applied = true`, where the pixels no longer hold the 1000
(https://github.com/Element84/earth-search/issues/66 and /71: and the flag itself is wrong at times). Therefore, in
this order:

| given | offset | source |
|---|---|---|
| an override in the arguments | that | `argument` |
| Sentinel-2: `earthsearch:boa_offset_applied` true | 0 | `boa_offset_applied` |
| an offset in the asset's `raster:bands` (or STAC 1.1's `bands`) | that | `raster:bands` |
| Landsat, HLS | the sensor's | `sensor` |
| Sentinel-2: processing baseline ≥ 04.00 | −0.1 | `processing_baseline` |
| Sentinel-2: processing baseline < 04.00 | 0 | `processing_baseline` |
| none of these | 0 | `unknown` |

What was decided, and why, is written into the product's Item, whatever it was. The dark-pixel check
(`plausible`) never changes the decision: it only warns.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from spectral.bands import raster_band
from spectral.failures import InputFailure
from spectral.json_values import finite
from spectral.scenes import SEARCH_RASTER
from spectral.sensors import OTHER, SENTINEL2, Sensor

BASELINE_OFFSET = -0.1
OFFSET_SINCE = (4, 0)
SATURATED = 65535

# The dark-pixel check works on the DN under which 1 % of a band's clear pixels lie.
DARK_PERCENT = 1
_ENOUGH_PIXELS = 1000
# With the 1000 still in the pixels, dark surfaces lie just above it; atmospheric correction overshoots by
# 100 or 200 at most. Beyond 1600 the scene has no dark surface, and nothing can be told.
_DARK_WITH_OFFSET = (750, 1600)


@dataclass(frozen=True)
class Radiometry:
    """How one band's DN become reflectance (or kelvin): `DN * scale + offset`, DN equal to `nodata` being none."""

    scale: float
    offset: float
    nodata: float | None
    source: str
    reason: str


def decide(
    item: dict[str, Any],
    asset: dict[str, Any],
    *,
    sensor: Sensor,
    symbol: str,
    override: float | None = None,
    shape: str = "",
) -> Radiometry:
    """The radiometry of the band that formulas call `symbol`, by the policy above.

    Raises:
        InputFailure: the item gives a scale of zero or below, or a scale or offset that is NaN or infinite (unless the
            offset is overridden).
    """
    given = raster_band(asset)
    for name in ("scale", "offset") if override is None or symbol in sensor.thermal else ("scale",):
        if isinstance(given.get(name), float) and finite(given[name]) is None:
            raise InputFailure(f"raster:bands gives the {name} {given[name]}, by which no pixel has a value.")
    scale, nodata = finite(given.get("scale")), finite(given.get("nodata"))
    if scale is not None and scale <= 0:
        raise InputFailure(f"raster:bands gives the scale {scale:g}; a scale is above zero.")
    in_asset = finite(given.get("offset"))
    if symbol in sensor.thermal:
        known_scale, known_offset = sensor.thermal[symbol]
        offset, source, reason = in_asset, "raster:bands", f"The asset's raster:bands give {in_asset}."
        if in_asset is None:
            offset, source, reason = known_offset, "sensor", f"Surface temperature of {sensor.title} is in kelvin."
    else:
        known_scale = sensor.scale
        offset, source, reason = _offset(item.get("properties", {}), in_asset, override, shape, sensor)
    if scale is None and sensor.title == OTHER.title:
        reason += f" No scale given, and the sensor is unknown: {known_scale:g} assumed."
    return Radiometry(
        scale=known_scale if scale is None else scale,
        offset=offset,
        nodata=sensor.nodata if nodata is None else nodata,
        source=source,
        reason=reason,
    )


def _offset(
    properties: dict[str, Any], in_asset: float | None, override: float | None, shape: str, sensor: Sensor
) -> tuple[float, str, str]:
    if override is not None:
        return override, "argument", f"The argument --offset {override:g} overrides the item's metadata."
    flag = _applied_flag(properties) if sensor is SENTINEL2 else None
    if flag:
        contradiction = f", though raster:bands gives {in_asset:g}" if in_asset else ""
        return 0.0, "boa_offset_applied", f"{flag} is true: the offset is in the pixels already{contradiction}."
    if in_asset is not None:
        return in_asset, "raster:bands", f"The asset's raster:bands give the offset {in_asset:g}."
    if sensor.offset is not None:
        return sensor.offset, "sensor", f"The offset of {sensor.title} is {sensor.offset:g}; the item gives none."
    baseline = _baseline(properties) if sensor is SENTINEL2 else None
    if baseline is not None:
        version = f"{baseline[0]:02d}.{baseline[1]:02d}"
        if baseline >= OFFSET_SINCE:
            reason = f"Processing baseline {version} is 04.00 or later: DN hold 1000 more."
            return BASELINE_OFFSET, "processing_baseline", reason
        return 0.0, "processing_baseline", f"Processing baseline {version} is before 04.00: DN hold no offset."
    if shape == SEARCH_RASTER:
        why = "Items of SearchRasterDataCollection carry neither offset nor processing baseline"
    else:
        why = "The item gives neither offset nor processing baseline"
    remedy = "-0.1" if sensor is SENTINEL2 else "with its value"
    return 0.0, "unknown", f"{why}: no offset applied. If the pixels hold one, give --offset {remedy}."


def _applied_flag(properties: dict[str, Any]) -> str | None:
    flags = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
    return next((flag for flag in flags if properties.get(flag) is True), None)


def _baseline(properties: dict[str, Any]) -> tuple[int, int] | None:
    for field in ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version"):
        found = re.fullmatch(r"N?0*([0-9]{1,9})\.([0-9]{1,9})", str(properties.get(field, "")).strip())
        if found:
            return int(found[1]), int(found[2])
    return None


def dark_dn(histogram: np.ndarray) -> int | None:
    """The DN under which `DARK_PERCENT` of the counted pixels lie.

    Args:
        histogram: counts by DN, of clear pixels that hold data.

    Returns:
        None when there are too few pixels to say anything.
    """
    total = int(histogram.sum())
    if total < _ENOUGH_PIXELS:
        return None
    return int(np.searchsorted(np.cumsum(histogram), total * DARK_PERCENT / 100))


def plausible(*, dark: int | None, offset: float, scale: float, sensor: Sensor) -> tuple[bool | None, str]:
    """Whether a Sentinel-2 scene's darkest pixels agree with the offset, and a sentence; None where they can't tell.

    | DN of the darkest 1 % | offset −0.1 applied | no offset applied |
    |---|---|---|
    | below 750 | implausible: it was removed before | plausible |
    | 750 to 999 | plausible | plausible |
    | 1000 to 1600 | plausible | implausible: it is still in the pixels |
    | above, or too few pixels | can't tell | can't tell |
    """
    if sensor is not SENTINEL2 or not math.isclose(scale, SENTINEL2.scale) or offset not in (0.0, BASELINE_OFFSET):
        return None, "The dark-pixel check knows Sentinel-2's scale and offset only."
    if dark is None:
        return None, "Too few clear pixels for the dark-pixel check."
    low, high = _DARK_WITH_OFFSET
    found = f"1 % of the clear pixels lie below DN {dark}"
    if dark > high:
        return None, f"{found}: no dark surface in sight, so the check can't tell."
    if offset and dark < low:
        return False, f"{found}: it looks as if the offset had been removed from the pixels before."
    if not offset and dark >= 1000:
        return False, f"{found}: it looks as if the offset of 1000 was still in the pixels."
    return True, f"{found}, as expected."
