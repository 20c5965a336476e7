"""Dates and times as items give them, in UTC. Python 3.10 reads neither `Z` nor every length of fraction."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from spectral.failures import InputFailure

# The rule of geocadence/instants.py, which is not in the container: what the plan lets through must be one here.
_MOMENT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<clock>\d\d:\d\d)(?::(?P<seconds>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?(?P<zone>[Zz]|[+-]\d\d:?\d\d))?",
    re.ASCII,
)


def instant(value: object) -> datetime | None:
    """The moment of a text in RFC 3339's form, or the midnight of a date alone; None for everything else."""
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    clock, seconds, zone = found["clock"] or "00:00", found["seconds"] or "00", found["zone"] or "Z"
    fraction = f"{found['fraction'] or '':0<6}"[:6]
    offset = "+00:00" if zone in "Zz" else f"{zone[:3]}:{zone[-2:]}"
    with suppress(ValueError, OverflowError):
        parsed = datetime.fromisoformat(f"{found['day']}T{clock}:{seconds}.{fraction}{offset}")
        return parsed.astimezone(timezone.utc)
    return None


def in_utc(value: object) -> str | None:
    """The text as STAC wants it (`2026-06-01T11:21:19.024Z`), its fraction kept; None for what is no moment."""
    moment = instant(value)
    if moment is None:
        return None
    fraction = _MOMENT.fullmatch(value)["fraction"]
    # %Y has no leading zeros before the year 1000.
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}{'.' + fraction if fraction else ''}Z"


def moments_of(properties: dict[str, Any]) -> dict[str, str | None]:
    """`datetime` of an Item, and `start_datetime` and `end_datetime` where it has both.

    Raises:
        InputFailure: there is no usable moment.
    """
    moment, start, end = (in_utc(properties.get(name)) for name in ("datetime", "start_datetime", "end_datetime"))
    if moment is None and start is None:
        found = properties.get("datetime") or properties.get("start_datetime")
        raise InputFailure(f"The scene's datetime {found!r} is no moment as 2026-06-01T11:21:19Z is.")
    if start and end:
        return {"datetime": moment, "start_datetime": start, "end_datetime": end}
    return {"datetime": moment or start}


def year_and_month(properties: dict[str, Any]) -> str:
    """`<yyyy>/<mm>` of the scene's datetime (UTC), else of its start.

    Raises:
        InputFailure: it has neither, or not in RFC 3339's form.
    """
    moments = moments_of(properties)
    moment = moments["datetime"] or moments["start_datetime"]
    return f"{moment[:4]}/{moment[5:7]}"
