"""Axes: round numbers and dates at which to put ticks."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta


def nice_ticks(low: float, high: float, *, about: int = 5) -> list[float]:
    """Round numbers that cover `low` to `high`, the ends included."""
    if high <= low:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


def day_ticks(first: datetime, last: datetime, *, about: int = 6) -> list[datetime]:
    """Midnights in UTC between `first` and `last`, at steps of whole days, months or years."""
    days = max((last - first).total_seconds() / 86400, 1)
    start = first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if days <= 31 * about:
        step = next(n for n in (1, 2, 3, 5, 7, 14, 21, 31) if days / n <= about)
        ticks = [start + timedelta(days=n * step) for n in range(int(days // step) + 2)]
    else:
        months = next((n for n in (1, 2, 3, 6, 12) if days / 30.4 / n <= about), 12 * math.ceil(days / 365 / about))
        count = start.year * 12 + (start.month - 1 if months < 12 else 0)
        steps = range(int(days / 28 / months) + 3)
        numbers = [count + n * months for n in steps]
        ticks = [datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in numbers]
    return [tick for tick in ticks if first <= tick <= last]


def labelled_days(first: datetime, last: datetime) -> list[tuple[datetime, str]]:
    """Ticks with what is written below them: as much of the date as tells them apart."""
    ticks = day_ticks(first, last)
    if all(tick.day == 1 for tick in ticks) and len(ticks) > 1:
        is_yearly = all(tick.month == 1 for tick in ticks)
        return [(tick, f"{tick:%Y}" if is_yearly else f"{tick:%b %Y}") for tick in ticks]
    return [(tick, f"{tick.day} {tick:%b}") for tick in ticks]
