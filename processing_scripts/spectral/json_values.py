"""Values in other people's JSON: NaN, integers without end and half characters are among them."""

from __future__ import annotations

import math


def finite(value: object) -> float | None:
    """The number as a float, or None for whatever is no finite number (true, "nan", 10 to the power of 400)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def is_text(value: object) -> bool:
    """Whether it is a text that a file can hold: not empty, and without lone surrogates."""
    if not isinstance(value, str) or not value:
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
