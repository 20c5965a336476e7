"""Which pixels a product leaves out: Sentinel-2's scene classification (SCL) and its class names.

Codes: https://sentiwiki.copernicus.eu/web/s2-processing (scene classification).
"""

from __future__ import annotations

import numpy as np

CLASSES = {
    "nodata": 0,
    "saturated": 1,
    "dark": 2,
    "cloud_shadow": 3,
    "vegetation": 4,
    "bare": 5,
    "water": 6,
    "unclassified": 7,
    "cloud_medium": 8,
    "cloud_high": 9,
    "cirrus": 10,
    "snow": 11,
}
# Names that people and other tools use for the same classes.
_ALIASES = {
    "no_data": (0,),
    "saturated_or_defective": (1,),
    "dark_area": (2,),
    "shadow": (3,),
    "cloud_shadows": (3,),
    "not_vegetated": (5,),
    "soil": (5,),
    "cloud_medium_probability": (8,),
    "cloud_high_probability": (9,),
    "cloud": (8, 9),
    "clouds": (8, 9),
    "thin_cirrus": (10,),
    "ice": (11,),
}
# Dark, unclassified, water and snow stay: they are what the ground was, not what hid it.
DEFAULT_CLASSES = frozenset({0, 1, 3, 8, 9, 10})


def parse_mask(text: str) -> frozenset[int]:
    """The classes to leave out, of `default`, `none`, or class names and codes with commas between.

    Raises:
        ValueError: a word that is no class.
    """
    if text == "default":
        return DEFAULT_CLASSES
    if text == "none":
        return frozenset()
    classes: set[int] = set()
    for word in (part.strip().lower().replace("-", "_") for part in text.split(",")):
        if word == "default":
            classes |= DEFAULT_CLASSES
        elif word in CLASSES:
            classes.add(CLASSES[word])
        elif word in _ALIASES:
            classes.update(_ALIASES[word])
        elif word.isascii() and word.isdigit() and int(word) <= max(CLASSES.values()):
            classes.add(int(word))
        else:
            expected = ", ".join(f"{name} ({code})" for name, code in CLASSES.items())
            raise ValueError(f"{word!r} is no class of the scene classification: expected default, none, or {expected}")
    return frozenset(classes)


def names(classes: frozenset[int]) -> list[str]:
    """The classes' names, in the order of their codes."""
    return [name for name, code in CLASSES.items() if code in classes]


def masked(codes: np.ndarray, classes: frozenset[int]) -> np.ndarray:
    """True where `codes` (integers) are to be left out; codes that mean nothing count as nodata."""
    if codes.dtype != np.uint8:
        codes = np.where((codes >= 0) & (codes < 256), codes, 0).astype(np.uint8)
    table = np.full(256, 0 in classes)
    for code in CLASSES.values():
        table[code] = code in classes
    return table[codes]
