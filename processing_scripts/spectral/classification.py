"""A mask band's scheme as an item itself gives it: the classification extension's classes and bit fields.

For scenes of sensors that `sensors` does not know. https://github.com/stac-extensions/classification
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from spectral.mask import NODATA, Scheme

_CLASSES, _BITFIELDS = "classification:classes", "classification:bitfields"
_NODATA_NAMES = {"nodata", "no_data", "fill"}
_SHADOW = re.compile(r"cloud_shadows?|shadows?")
_CLOUD = re.compile(r"(?!.*shadow)(?!clear|no_|not_|non_|free).*cloud.*")
_HIDING = re.compile(r"cirrus|thin_cirrus|saturated.*|defective")


def scheme_of(key: str, asset: dict[str, Any]) -> Scheme | None:
    """The scheme that the classification of the asset `key` spells out; None when it tells nothing of clouds."""
    states, more = dict(_from_classes(asset)), {}
    if not states:
        states, more = dict(_from_bits(asset)), dict(_from_fields(asset))
    clouds = tuple(name for name in states if _CLOUD.fullmatch(name))
    if not clouds:
        return None
    bits = 8 if max(which for which, _ in (*states.values(), *more.values())) <= 0xFF else 16
    # Without a class for it no code that means anything may stand for nodata: the last one.
    last = (1 << bits) - 1
    no_data = next((name for name in states if name in _NODATA_NAMES), None)
    fill = states.pop(no_data) if no_data else (last, last)
    shadows = tuple(name for name in states if _SHADOW.fullmatch(name))
    snow = tuple(name for name in states if name.startswith(("snow", "ice")))
    aliases = {"cloud": clouds, "clouds": clouds, "shadow": shadows, "cloud_shadow": shadows, "snow": snow}
    return Scheme(
        title=f"classification {key}",
        keys=(key.lower().replace("-", "_"),),
        bits=bits,
        classes={**states, **more},
        fill=fill,
        defined=last,
        default=(NODATA, *(name for name in states if name in (*clouds, *shadows) or _HIDING.fullmatch(name))),
        aliases={name: meaning for name, meaning in aliases.items() if meaning and name not in states},
    )


def _from_classes(asset: dict[str, Any]) -> Iterator[tuple[str, tuple[int, int]]]:
    listed = [(entry.get("name"), entry.get("value")) for entry in _entries(asset, _CLASSES)]
    usable = [(_word(name), value) for name, value in listed if _word(name) and _is_code(value)]
    whole = 0xFF if all(value <= 0xFF for _, value in usable) else 0xFFFF
    for name, value in usable:
        yield name, (whole, value)


def _from_bits(asset: dict[str, Any]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Single bits: by the field's name, where it is set."""
    for name, offset, length, _ in _bitfields(asset):
        if length == 1:
            yield name, (1 << offset, 1 << offset)


def _from_fields(asset: dict[str, Any]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Classes of wider fields, mostly confidences: by the field's name and their own. They hide nothing unasked."""
    for field, offset, length, bitfield in _bitfields(asset):
        for entry in _entries(bitfield, "classes") if length > 1 else []:
            name, value = _word(entry.get("name")), entry.get("value")
            if name and _is_code(value) and value < 1 << length:
                yield f"{field}_{name}", (((1 << length) - 1) << offset, value << offset)


def _bitfields(asset: dict[str, Any]) -> Iterator[tuple[str, int, int, dict[str, Any]]]:
    for bitfield in _entries(asset, _BITFIELDS):
        name, offset, length = _word(bitfield.get("name")), bitfield.get("offset"), bitfield.get("length")
        if name and _is_code(offset) and _is_code(length) and 1 <= length <= 16 - offset:
            yield name, offset, length, bitfield


def _entries(holder: dict[str, Any], field: str) -> list[dict[str, Any]]:
    """The objects of a list of the asset, or of its first band."""
    for bands in (None, holder.get("bands"), holder.get("raster:bands")):
        place = holder if bands is None else bands[0] if isinstance(bands, list) and bands else None
        if isinstance(place, dict) and isinstance(place.get(field), list):
            return [entry for entry in place[field] if isinstance(entry, dict)]
    return []


def _word(name: Any) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") if isinstance(name, str) else ""


def _is_code(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0xFFFF
