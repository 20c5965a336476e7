"""The bands that formulas know, and what STAC calls them."""

from __future__ import annotations

# A band's symbol in formulas (those of Awesome Spectral Indices) → its common name:
# https://github.com/stac-extensions/eo#common-band-names. The older `rededge` is left out: it stands for three bands
# at once.
BANDS: dict[str, tuple[str, ...]] = {
    "A": ("coastal",),
    "B": ("blue",),
    "G": ("green",),
    "G1": ("green05",),
    "Y": ("yellow",),
    "R": ("red",),
    "RE1": ("rededge071",),
    "RE2": ("rededge075",),
    "RE3": ("rededge078",),
    "N": ("nir",),
    "N2": ("nir08",),
    "WV": ("nir09",),
    "S1": ("swir16",),
    "S2": ("swir22",),
    "T": ("lwir",),
    "T1": ("lwir11",),
}
# In kelvin, the others are reflectance.
THERMAL = frozenset({"T", "T1"})
