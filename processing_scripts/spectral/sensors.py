"""What is known of a sensor's products, for where an item doesn't say it itself.

| sensor | asset keys | reflectance | nodata | mask band |
|---|---|---|---|---|
| Sentinel-2 | `red`, `B04`, `B04_10m`, … | DN × 0.0001; the offset by `radiometry`'s policy | 0 | SCL |
| Landsat 8 and 9, Collection 2 Level 2 | `red`, `SR_B4`, … | DN × 0.0000275 − 0.2 | 0 | QA_PIXEL |
| Landsat 4, 5 and 7, Collection 2 Level 2 | `red`, `SR_B3`, … | DN × 0.0000275 − 0.2 | 0 | QA_PIXEL |
| HLS S30, version 2 | `B04`, `B8A`, … | DN × 0.0001 | −9999 | Fmask |
| HLS L30, version 2 | `B04`, `B05`, … | DN × 0.0001 | −9999 | Fmask |
| any other | `red`, `nir`, … | DN × 0.0001, unless the item says better | the file's | as the item classifies it |

Thermal bands of Landsat are surface temperature in kelvin. Sources: Landsat Collection 2 Level 2 science product
guides (LSDS-1618, LSDS-1619); HLS user guide, version 2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from spectral.classification import scheme_of
from spectral.failures import InputFailure
from spectral.mask import FMASK, QA_PIXEL, SCL, Scheme
from spectral.symbols import BANDS, THERMAL


@dataclass(frozen=True, eq=False)
class Sensor:
    """One sensor's conventions.

    Attributes:
        title: what products and messages call it.
        keys: asset keys by band symbol, in lower case, besides the common names, which often are keys too.
        common_names: by band symbol, where a band goes by other common names than usual.
        by_key_first: bands whose key tells more than their common name.
        scale, offset: of reflectance; no offset where a policy decides.
        thermal: (scale, offset) to kelvin of the bands that are no reflectance.
        nodata: the DN of pixels without data; None where only the file can tell.
        mask: the scheme of its mask band.
    """

    title: str
    keys: Mapping[str, tuple[str, ...]]
    scale: float = 1e-4
    offset: float | None = None
    nodata: float | None = None
    mask: Scheme | None = None
    common_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    by_key_first: frozenset[str] = frozenset()
    thermal: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def names_of(self, symbol: str) -> tuple[str, ...]:
        """The common names of the band that formulas call `symbol`; none when the sensor has no such band."""
        if symbol in THERMAL and symbol not in self.thermal:
            return ()
        return self.common_names.get(symbol, BANDS.get(symbol, ()))

    def keys_of(self, symbol: str) -> tuple[str, ...]:
        """The asset keys of the band."""
        return (*self.names_of(symbol), *self.keys.get(symbol, ()))


def _numbered(prefix: str, symbols: str) -> dict[str, tuple[str, ...]]:
    """`A=1 B=2` → `sr_b1`, `b1`, `b01` for A, and so on."""
    pairs = (pair.split("=") for pair in symbols.split())
    return {symbol: (f"{prefix}b{number}", f"b{number}", f"b{number:0>2}") for symbol, number in pairs}


_RED_EDGE_KEYS = {"RE1": "rededge1", "RE2": "rededge2", "RE3": "rededge3"}
_MSI = {
    symbol: (*keys, *([_RED_EDGE_KEYS[symbol]] if symbol in _RED_EDGE_KEYS else []))
    for symbol, keys in _numbered("", "A=1 B=2 G=3 R=4 RE1=5 RE2=6 RE3=7 N=8 N2=8a WV=9 S1=11 S2=12").items()
}
SENTINEL2 = Sensor(title="Sentinel-2", keys=_MSI, nodata=0, mask=SCL)
# Collection 2 calls near infrared nir08 on every Landsat; only that of OLI is as narrow as N2.
_LANDSAT: dict[str, Any] = {"scale": 2.75e-5, "offset": -0.2, "nodata": 0, "mask": QA_PIXEL}
_KELVIN = (0.00341802, 149.0)
LANDSAT_OLI = Sensor(
    title="Landsat 8-9 Collection 2 Level 2",
    keys={**_numbered("sr_", "A=1 B=2 G=3 R=4 N=5 N2=5 S1=6 S2=7"), "T1": ("st_b10",)},
    common_names={"N": ("nir08", "nir")},
    thermal={"T1": _KELVIN},
    **_LANDSAT,
)
LANDSAT_TM = Sensor(
    title="Landsat 4-7 Collection 2 Level 2",
    keys={**_numbered("sr_", "B=1 G=2 R=3 N=4 S1=5 S2=7"), "T": ("st_b6",)},
    common_names={"N": ("nir08", "nir"), "N2": ()},
    thermal={"T": _KELVIN},
    **_LANDSAT,
)
_HLS: dict[str, Any] = {"offset": 0.0, "nodata": -9999, "mask": FMASK}
# NASA's items call B08 "nir" and give B8A no name; yet B8A is the band made to match Landsat's, and the one that
# NASA's own indices take: https://github.com/NASA-IMPACT/hls-vi
HLS_S30 = Sensor(
    title="HLS S30",
    keys={**_MSI, "N": ("b8a",)},
    by_key_first=frozenset({"N"}),
    **_HLS,
)
# Thermal bands of HLS are degrees Celsius at the top of the atmosphere: another quantity, left out.
HLS_L30 = Sensor(
    title="HLS L30",
    keys=_numbered("", "A=1 B=2 G=3 R=4 N=5 N2=5 S1=6 S2=7"),
    common_names={"N2": ("nir08", "nir")},
    **_HLS,
)
OTHER = Sensor(title="unknown", keys={}, common_names={"N": ("nir", "nir08")})

_HLS_NAME = re.compile(r"hls2?[._-]?([sl])30", re.IGNORECASE)
_LANDSAT_ID = re.compile(r"L([COTEM])0([1-9])_(L\d)[A-Z]{2}_")
_LANDSAT_PLATFORM = re.compile(r"landsat[-_ ]?([1-9])", re.IGNORECASE)
_SENTINEL2 = re.compile(r"sentinel[-_ ]?2|^S2[A-D]_", re.IGNORECASE)
_SENTINEL2_FIELDS = ("s2:", "sentinel:", "earthsearch:boa_offset_applied")


def sensor_of(item: dict[str, Any]) -> Sensor:
    """Whose product the item describes, by its collection, its id and its platform.

    An item that says nothing at all counts as Sentinel-2's.

    Raises:
        InputFailure: it is a Landsat product that holds no surface reflectance.
    """
    properties = item.get("properties", {})
    missions = [_text(properties.get(name)) for name in ("platform", "constellation", "mission", "eo:platform")]
    names = [_text(item.get("id")), _text(item.get("collection"))]
    for name in names:
        if found := _HLS_NAME.search(name):
            return HLS_S30 if found[1].lower() == "s" else HLS_L30
    by_id = _LANDSAT_ID.match(names[0])
    by_platform = next(filter(None, map(_LANDSAT_PLATFORM.search, missions)), None)
    if by_id or by_platform:
        return _landsat(int(by_id[2] if by_id else by_platform[1]), names, properties)
    if any(_SENTINEL2.search(text) for text in (*names, *missions)):
        return SENTINEL2
    if any(name.startswith(_SENTINEL2_FIELDS) for name in properties):
        return SENTINEL2
    return _other(item) if any(missions) else SENTINEL2


def _other(item: dict[str, Any]) -> Sensor:
    """What nothing is known of; its mask band is the first whose classification the item spells out."""
    assets = item.get("assets", {})
    schemes = (scheme_of(key, asset) for key, asset in assets.items() if isinstance(asset, dict))
    return replace(OTHER, mask=next(filter(None, schemes), None))


def _landsat(number: int, names: list[str], properties: dict[str, Any]) -> Sensor:
    by_id = _LANDSAT_ID.match(names[0])
    level = by_id[3] if by_id else _text(properties.get("landsat:correction"))[:2]
    if level == "L1" or number <= 3:
        raise InputFailure(
            f"{names[0]} is a Landsat product of Level 1, which holds no surface reflectance: expected Level 2."
        )
    return LANDSAT_OLI if number >= 8 else LANDSAT_TM


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
