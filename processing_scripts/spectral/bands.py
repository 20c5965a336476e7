"""Finding a scene's bands: by common name, then by the asset's key."""

from __future__ import annotations

import re
from typing import Any

from spectral.failures import InputFailure
from spectral.json_values import finite, is_text
from spectral.sensors import Sensor

_JPEG2000 = "image/jp2"
_FORM = re.compile(r"([._](tiff?|jp2|cog|[0-9]+m))+$")


def find_band(item: dict[str, Any], symbol: str, sensor: Sensor) -> tuple[str, dict[str, Any]]:
    """The key and the asset of the band that formulas call `symbol`.

    Of several (the same band at 10, 20 and 60 m, as COG and as JPEG 2000) the finest, then the COG, then
    the first.

    Raises:
        InputFailure: the scene has no such band.
    """
    names, keys = sensor.names_of(symbol), sensor.keys_of(symbol)
    assets = {key: asset for key, asset in item["assets"].items() if is_text(key) and isinstance(asset, dict)}
    told_by_key = sensor.keys.get(symbol, ()) if symbol in sensor.by_key_first else ()
    found = (
        [(key, asset) for key, asset in assets.items() if not _forms(key).isdisjoint(told_by_key)]
        or [(key, asset) for key, asset in assets.items() if _common_name(asset) in names]
        or [(key, asset) for key, asset in assets.items() if not _forms(key).isdisjoint(keys)]
    )
    if not found:
        wanted = " or ".join(dict.fromkeys(keys)) or f"a band that {sensor.title} does not have"
        raise InputFailure(f"The scene has no band {symbol} (looked for {wanted} among {_listed(assets)}).")
    return min(found, key=_finest)


def find_mask(item: dict[str, Any], sensor: Sensor) -> tuple[str, dict[str, Any]] | None:
    """The key and the asset of the sensor's mask band, the finest there is; None without one."""
    if sensor.mask is None:
        return None
    assets = ((key, asset) for key, asset in item["assets"].items() if is_text(key) and isinstance(asset, dict))
    found = (pair for pair in assets if not _forms(pair[0]).isdisjoint(sensor.mask.keys))
    return min(found, key=_finest, default=None)


def raster_band(asset: dict[str, Any]) -> dict[str, Any]:
    """What the asset says of its first band's values: `scale`, `offset`, `nodata`, `spatial_resolution`.

    Reads STAC 1.0's `raster:bands`, STAC 1.1's `bands` with `raster:scale`, and the same fields on the
    asset itself, in this order of preference.
    """
    merged: dict[str, Any] = {}
    for source in (asset, _first(asset, "bands"), _first(asset, "raster:bands")):
        for name in ("scale", "offset", "nodata", "spatial_resolution"):
            for key in (f"raster:{name}", name):
                if key in source and not (source is asset and key == "offset"):
                    merged[name] = source[key]
                    break
    return merged


def resolution(asset: dict[str, Any]) -> float:
    """The asset's pixel size as its metadata has it, in its CRS's units; infinite when it says nothing."""
    transform = asset.get("proj:transform")
    first = finite(transform[0]) if isinstance(transform, list) and transform else None
    candidates = (
        finite(raster_band(asset).get("spatial_resolution")),
        finite(asset.get("gsd")),
        None if first is None else abs(first),
    )
    return next((value for value in candidates if value is not None and value > 0), float("inf"))


def _finest(pair: tuple[str, dict[str, Any]]) -> tuple[float, bool]:
    return resolution(pair[1]), pair[1].get("type") == _JPEG2000


def _common_name(asset: dict[str, Any]) -> str | None:
    """The common name of a single-band asset; a true-colour image has three bands and no one name."""
    for field, name in (("eo:bands", "common_name"), ("bands", "eo:common_name"), ("bands", "common_name")):
        bands = asset.get(field)
        if isinstance(bands, list) and len(bands) == 1 and isinstance(bands[0], dict) and bands[0].get(name):
            return bands[0][name]
    return asset.get("eo:common_name")


def _forms(key: str) -> set[str]:
    """The names that a key may go by: `B04_10m`, `red-jp2`, `SR_B4.TIF` → also `b04`, `red`, `sr_b4`.

    Only what tells of resolution and format is left off: `red_edge` is not red.
    """
    whole = key.lower().replace("-", "_")
    return {whole, _FORM.sub("", whole)}


def _first(asset: dict[str, Any], field: str) -> dict[str, Any]:
    bands = asset.get(field)
    return bands[0] if isinstance(bands, list) and bands and isinstance(bands[0], dict) else {}


def _listed(assets: dict[str, Any]) -> str:
    return ", ".join(sorted(assets)[:40]) or "no assets"
