"""A backfill: a long span cut into windows, each of them a run.

    {"start": "2025-01-01", "end": "2026-01-01", "step": "P1M",
     "recompute": false, "instance_count": n, "dry_run": false}

Only `start` is required. Windows of months and years end where the calendar's do, in UTC, so that spans which begin
and end anywhere share their windows; others are counted from the start. A run's window is closed, so each ends a
microsecond before the next one starts, the finest that instants are read to: what was taken on the boundary, as
composites of a month are, is in one window.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from geocadence.durations import Duration
from geocadence.execution_input import InvalidInput, read_execution_input
from geocadence.instants import format_instant, parse_instant

DEFAULT_STEP = "P1M"
# They travel as one list, in a state that holds 256 KiB.
MAX_WINDOWS = 1000
OF_EACH_RUN = ("recompute", "instance_count", "dry_run")
_KEYS = ("start", "end", "step", *OF_EACH_RUN)
_CALENDAR = re.compile(r"P(?P<count>[1-9]\d{0,3})(?P<unit>[MY])", re.ASCII)
_FINEST = timedelta(microseconds=1)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Backfill:
    """A checked input: the windows, and what every run of it is asked for besides."""

    windows: list[dict[str, str]]
    run: dict[str, Any] = field(default_factory=dict)


def read_backfill(data: Any, *, started_at: datetime) -> Backfill:
    """`data` checked, and cut into windows; it ends at `started_at` where no end is given. Raises InvalidInput."""
    if not isinstance(data, dict):
        raise InvalidInput(f'The input is no object (expected {{"start": …}} and some of {", ".join(_KEYS[1:])}).')
    if unknown := [str(key)[:80] for key in data if key not in _KEYS]:
        raise InvalidInput(f"The input has no known key `{unknown[0]}` (expected some of {', '.join(_KEYS)}).")
    run = {key: data[key] for key in OF_EACH_RUN if key in data}
    read_execution_input(run, started_at=started_at, lookback=None)
    if "start" not in data:
        raise InvalidInput("The input has no `start` (expected from when on, e.g. 2025-01-01).")
    start = _instant("start", data["start"])
    end = _instant("end", data["end"]) if "end" in data else started_at
    if start >= end:
        raise InvalidInput(f"`start`, {format_instant(start)}, is not before `end`, {format_instant(end)}.")
    try:
        windows = []
        for window in cut_windows(start, end, data.get("step", DEFAULT_STEP)):
            if len(windows) == MAX_WINDOWS:
                raise ValueError(f"makes more than {MAX_WINDOWS} windows (take a longer step, or a shorter span)")
            windows.append(window)
    except ValueError as error:
        raise InvalidInput(f"`step` ({str(data.get('step', DEFAULT_STEP))[:80]}) {error}.") from None
    return Backfill(windows, run)


def cut_windows(start: datetime, end: datetime, step: Any) -> Iterator[dict[str, str]]:
    """The windows of a span, none overlapping; ValueError says what is wrong with `step`."""
    following = _stepping(step)
    while start < end:
        until = following(start)
        yield {"start": format_instant(start), "end": format_instant(end if until >= end else until - _FINEST)}
        start = until


def _stepping(step: Any) -> Callable[[datetime], datetime]:
    """Where the window that starts at an instant is cut off."""
    if not isinstance(step, str):
        raise ValueError("is no ISO 8601 duration (expected text, e.g. P1M or P7D)")
    if match := _CALENDAR.fullmatch(step):
        months = int(match["count"]) * (12 if match["unit"] == "Y" else 1)
        return lambda start: _next_boundary(start, months)
    try:
        length = Duration.parse(step)
    except ValueError:
        raise ValueError(
            "is no ISO 8601 duration of either months, years, or weeks, days and hours (expected e.g. P1M or P7D)"
        ) from None
    if length < timedelta(hours=1):
        raise ValueError("is below an hour (expected e.g. P1M or P7D)")
    return lambda start: _later(start, length)


def _next_boundary(start: datetime, months: int) -> datetime:
    """The first of the next month whose number since year 0 is a multiple of `months`: quarters, years, …"""
    month = (start.year * 12 + start.month - 1) // months * months + months
    year, number = divmod(month, 12)
    return datetime(year, number + 1, 1, tzinfo=UTC) if year <= _END_OF_TIME.year else _END_OF_TIME


def _later(start: datetime, length: timedelta) -> datetime:
    try:
        return start + length
    except OverflowError:
        return _END_OF_TIME


def _instant(key: str, value: Any) -> datetime:
    try:
        if not isinstance(value, str):
            raise ValueError("is no time (expected text, e.g. 2025-01-01T00:00:00Z)")
        return parse_instant(value)
    except ValueError as error:
        raise InvalidInput(f"`{key}` ({str(value)[:80]}) {error}.") from None
