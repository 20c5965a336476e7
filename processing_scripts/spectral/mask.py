"""Which pixels a product leaves out: the classes of a scene's mask band, by name.

Each sensor's mask band has a scheme of its own, so that the same words work for all of them:

| scheme | read as | source |
|---|---|---|
| Sentinel-2's scene classification (SCL) | a code a class | https://sentiwiki.copernicus.eu/web/s2-processing |
| Landsat Collection 2's QA_PIXEL | bits | USGS, LSDS-1619, Landsat 8-9 Level 2 science product guide |
| HLS's Fmask | bits; 255 is fill | https://lpdaac.usgs.gov/documents/1698/HLS_User_Guide_V2.pdf, table 9 |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

DEFAULT = "default"
NONE = "none"
NODATA = "nodata"


@dataclass(frozen=True)
class Chosen:
    """The classes to leave out of one scene, ready to use.

    Attributes:
        names: of those classes, in the scheme's order.
        unknown: words that mean something to another sensor's mask band only.
        table: by code, whether a pixel is left out; 256 or 65536 long.
        outside: a code that means nodata, for pixels that the mask band doesn't reach.
    """

    names: tuple[str, ...]
    unknown: tuple[str, ...]
    table: np.ndarray
    outside: int


@dataclass(frozen=True, eq=False)
class Scheme:
    """How one kind of mask band says what a pixel shows.

    Attributes:
        title: what messages call the band.
        keys: the asset's keys, in lower case.
        bits: how many a code has, 8 or 16.
        classes: (which bits of the code, their value) by the class's name; nodata is told apart by `fill`.
        fill: (which bits, their value) of a pixel without data; no other class holds there.
        defined: the largest code that means anything; what is above counts as nodata.
        aliases: names that people and other tools use for the same classes.
        default: the classes that hide the ground.
    """

    title: str
    keys: tuple[str, ...]
    bits: int
    classes: Mapping[str, tuple[int, int]]
    fill: tuple[int, int]
    defined: int
    default: tuple[str, ...]
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def choose(self, words: tuple[str, ...]) -> Chosen:
        """What `words` (as `parse_mask` gave them) mean in this scheme."""
        asked: set[str] = set()
        unknown = []
        for word in words:
            if word == DEFAULT:
                asked.update(self.default)
            elif names := self._meaning(word):
                asked.update(names)
            else:
                unknown.append(word)
        codes = np.arange(1 << self.bits)
        no_data = (codes & self.fill[0] == self.fill[1]) | (codes > self.defined)
        table = no_data & (NODATA in asked)
        for name in asked - {NODATA}:
            which, value = self.classes[name]
            table |= ~no_data & (codes & which == value)
        return Chosen(tuple(n for n in self.names if n in asked), tuple(unknown), table, self.fill[1])

    @property
    def names(self) -> tuple[str, ...]:
        """All class names, nodata first."""
        return (NODATA, *self.classes)

    def _meaning(self, word: str) -> tuple[str, ...]:
        if word == NODATA or word in self.classes:
            return (word,)
        if word in self.aliases:
            return self.aliases[word]
        return self._by_code.get(word, ())

    @property
    def _by_code(self) -> dict[str, tuple[str, ...]]:
        """Classes by their code as text; a bit field's classes have no code of their own."""
        whole = (1 << self.bits) - 1
        codes = {str(value): (name,) for name, (which, value) in self.classes.items() if which == whole}
        return {str(self.fill[1]): (NODATA,), **codes} if codes else {}


def _code(value: int) -> tuple[int, int]:
    return 0xFF, value


def _bit(number: int) -> tuple[int, int]:
    return 1 << number, 1 << number


def _pair(low: int, value: int) -> tuple[int, int]:
    """Two bits, the lower one being number `low`."""
    return 0b11 << low, value << low


_COMMON_ALIASES = {
    "no_data": (NODATA,),
    "fill": (NODATA,),
    "clouds": ("cloud",),
    "shadow": ("cloud_shadow",),
    "cloud_shadows": ("cloud_shadow",),
    "ice": ("snow",),
    "snow_ice": ("snow",),
}
# Dark, unclassified, water and snow stay: they are what the ground was, not what hid it.
SCL = Scheme(
    title="scene classification (SCL)",
    keys=("scl",),
    bits=8,
    classes={
        "saturated": _code(1),
        "dark": _code(2),
        "cloud_shadow": _code(3),
        "vegetation": _code(4),
        "bare": _code(5),
        "water": _code(6),
        "unclassified": _code(7),
        "cloud_medium": _code(8),
        "cloud_high": _code(9),
        "cirrus": _code(10),
        "snow": _code(11),
    },
    fill=_code(0),
    defined=11,
    default=(NODATA, "saturated", "cloud_shadow", "cloud_medium", "cloud_high", "cirrus"),
    aliases={
        **_COMMON_ALIASES,
        "saturated_or_defective": ("saturated",),
        "dark_area": ("dark",),
        "not_vegetated": ("bare",),
        "soil": ("bare",),
        "cloud_medium_probability": ("cloud_medium",),
        "cloud_high_probability": ("cloud_high",),
        "cloud": ("cloud_medium", "cloud_high"),
        "clouds": ("cloud_medium", "cloud_high"),
        "thin_cirrus": ("cirrus",),
    },
)
QA_PIXEL = Scheme(
    title="pixel quality band (QA_PIXEL)",
    keys=("qa_pixel",),
    bits=16,
    classes={
        "dilated_cloud": _bit(1),
        "cirrus": _bit(2),
        "cloud": _bit(3),
        "cloud_shadow": _bit(4),
        "snow": _bit(5),
        "water": _bit(7),
        "cloud_medium": _pair(8, 0b10),
        "cloud_high": _pair(8, 0b11),
        "cloud_shadow_high": _pair(10, 0b11),
        "snow_high": _pair(12, 0b11),
        "cirrus_high": _pair(14, 0b11),
    },
    fill=_bit(0),
    defined=0xFFFF,
    default=(NODATA, "dilated_cloud", "cirrus", "cloud", "cloud_shadow"),
    aliases={**_COMMON_ALIASES, "adjacent": ("dilated_cloud",)},
)
# The default is that of NASA's own HLS-VI: https://github.com/NASA-IMPACT/hls-vi (bit 0, cirrus, is not used
# since version 2.0).
FMASK = Scheme(
    title="Fmask band",
    keys=("fmask",),
    bits=8,
    classes={
        "cirrus": _bit(0),
        "cloud": _bit(1),
        "adjacent": _bit(2),
        "cloud_shadow": _bit(3),
        "snow": _bit(4),
        "water": _bit(5),
        "aerosol_climatology": _pair(6, 0b00),
        "aerosol_low": _pair(6, 0b01),
        "aerosol_moderate": _pair(6, 0b10),
        "aerosol_high": _pair(6, 0b11),
    },
    fill=_code(255),
    defined=255,
    default=(NODATA, "cloud", "adjacent", "cloud_shadow"),
    aliases={**_COMMON_ALIASES, "dilated_cloud": ("adjacent",)},
)
SCHEMES = (SCL, QA_PIXEL, FMASK)


def parse_mask(text: str) -> tuple[str, ...]:
    """The words of `default`, `none`, or class names and SCL codes with commas between; empty for `none`.

    One shard may hold scenes of several sensors: each word has to mean something to one of them.

    Raises:
        ValueError: a word that is no class of any sensor.
    """
    words = tuple(part.strip().lower().replace("-", "_") for part in text.split(","))
    if words == (NONE,):
        return ()
    if NONE in words:
        raise ValueError(f"{text!r} asks for no mask and for classes: expected none alone, or the classes")
    for word in words:
        if word != DEFAULT and not any(scheme._meaning(word) for scheme in SCHEMES):
            expected = "; ".join(f"of the {scheme.title}: {', '.join(scheme.names)}" for scheme in SCHEMES)
            raise ValueError(f"{word!r} is no class of a mask band: expected default, none, or {expected}")
    return tuple(dict.fromkeys(words))


def masked(codes: np.ndarray, chosen: Chosen) -> np.ndarray:
    """True where `codes` (integers) are to be left out; codes beyond the scheme's bits count as nodata."""
    if not np.issubdtype(codes.dtype, np.unsignedinteger) or np.iinfo(codes.dtype).max >= chosen.table.size:
        codes = np.where((codes >= 0) & (codes < chosen.table.size), codes, chosen.outside).astype(np.uint16)
    if codes.dtype == np.uint8:
        # Nothing goes through a table faster than bytes do.
        found = codes.tobytes().translate(chosen.table[:256].tobytes())
        return np.frombuffer(found, bool).reshape(codes.shape)
    return chosen.table[codes]
