"""When a schedule is due: EventBridge Scheduler's `cron(…)`, `rate(…)` and `at(…)` in a time zone.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

MONTHS = {
    "JAN": 1,
    "FEB": 2,
    "MAR": 3,
    "APR": 4,
    "MAY": 5,
    "JUN": 6,
    "JUL": 7,
    "AUG": 8,
    "SEP": 9,
    "OCT": 10,
    "NOV": 11,
    "DEC": 12,
}
DAYS = {"SUN": 1, "MON": 2, "TUE": 3, "WED": 4, "THU": 5, "FRI": 6, "SAT": 7}
UNITS = {"minute": dt.timedelta(minutes=1), "hour": dt.timedelta(hours=1), "day": dt.timedelta(days=1)}
LAST_YEAR = 2199


class InvalidExpression(ValueError):
    """A schedule expression that EventBridge Scheduler would refuse."""


@dataclass(frozen=True)
class At:
    """Once. A time that the clocks skip is taken as it would have been without the skip."""

    moment: dt.datetime

    def next_after(self, previous: dt.datetime, *, start: dt.datetime) -> dt.datetime | None:
        return self.moment if self.moment > previous else None


@dataclass(frozen=True)
class Rate:
    """Every so often from `start`, and at `start` itself; a day is 24 hours whatever the clocks do."""

    every: dt.timedelta

    def next_after(self, previous: dt.datetime, *, start: dt.datetime) -> dt.datetime | None:
        if previous < start:
            return start
        return start + self.every * ((previous - start) // self.every + 1)


@dataclass(frozen=True)
class Cron:
    """By the calendar of `zone`: a time that does not exist is skipped, one that comes twice counts once."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: str
    months: frozenset[int]
    weekdays: str
    years: frozenset[int]
    zone: ZoneInfo

    def next_after(self, previous: dt.datetime, *, start: dt.datetime) -> dt.datetime | None:
        after = max(previous, start - dt.timedelta(microseconds=1))
        return next((moment for moment in self.from_day(after.astimezone(self.zone).date()) if moment > after), None)

    def from_day(self, day: dt.date) -> Iterator[dt.datetime]:
        """Every occurrence from the beginning of a day on."""
        for each in self._days_from(day):
            yield from self.times_on(each)

    def is_on(self, day: dt.date) -> bool:
        """Whether the calendar has the schedule on that day, whatever the clocks do."""
        return next(self._days_from(day), None) == day

    def times_on(self, day: dt.date) -> Iterator[dt.datetime]:
        """The times of a day that the clocks have."""
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                moment = dt.datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone).astimezone(dt.UTC)
                local = moment.astimezone(self.zone)
                if (local.hour, local.minute) == (hour, minute):
                    yield moment

    def _days_from(self, day: dt.date) -> Iterator[dt.date]:
        for year in sorted(year for year in self.years if year >= day.year):
            for month in sorted(self.months):
                for number in sorted(_days_of(self.days, self.weekdays, year, month)):
                    if (found := dt.date(year, month, number)) >= day:
                        yield found


def parse(expression: str, zone: str = "UTC") -> At | Rate | Cron:
    """The schedule that `expression` means in the IANA time zone `zone`. Raises `InvalidExpression`."""
    found = re.fullmatch(r"\s*(at|rate|cron)\((.*)\)\s*", expression)
    if not found:
        raise InvalidExpression(f"{expression!r} is neither at(…) nor rate(…) nor cron(…)")
    kind, inner = found[1], found[2].strip()
    if kind == "at":
        return _at(inner, ZoneInfo(zone))
    return _rate(inner) if kind == "rate" else _cron(inner, ZoneInfo(zone))


def _at(inner: str, zone: ZoneInfo) -> At:
    try:
        moment = dt.datetime.strptime(inner, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone)
    except ValueError as problem:
        raise InvalidExpression(f"at({inner}): expected yyyy-mm-ddThh:mm:ss") from problem
    return At(moment.astimezone(dt.UTC))


def _rate(inner: str) -> Rate:
    found = re.fullmatch(r"([1-9]\d*) (minute|hour|day)s?", inner)
    if not found:
        raise InvalidExpression(f"rate({inner}): expected a positive number and minutes, hours or days")
    return Rate(int(found[1]) * UNITS[found[2]])


def _cron(inner: str, zone: ZoneInfo) -> Cron:
    parts = inner.upper().split()
    if len(parts) != 6:
        raise InvalidExpression(f"cron({inner}): expected six fields: minutes hours day month weekday year")
    minutes, hours, days, months, weekdays, years = parts
    if (days == "?") == (weekdays == "?"):
        raise InvalidExpression(f"cron({inner}): exactly one of day of month and day of week must be ?")
    cron = Cron(
        minutes=_numbers(minutes, 0, 59),
        hours=_numbers(hours, 0, 23),
        days=days,
        months=_numbers(months, 1, 12, MONTHS),
        weekdays=weekdays,
        years=_numbers(years, 1970, LAST_YEAR),
        zone=zone,
    )
    _days_of(days, weekdays, 2024, 1)  # refuses what it can't read now rather than when it is due
    return cron


def _numbers(text: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    """The numbers that a field such as `*`, `5`, `MON-FRI`, `0/15` or `1,15` stands for."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        begin = low if first == "*" else _number(first, low, high, names)
        end = _number(last, low, high, names) if dash else high if first == "*" or step else begin
        if begin > end:
            # A range across the end, such as FRI-MON.
            found.update(range(begin, high + 1), range(low, end + 1))
        else:
            found.update(range(begin, end + 1, _number(step, 1, high, None) if step else 1))
    return frozenset(found)


def _number(text: str, low: int, high: int, names: dict[str, int] | None) -> int:
    number = (names or {}).get(text)
    if number is None:
        if not text.isdigit():
            raise InvalidExpression(f"{text!r} is no number from {low} to {high}")
        number = int(text)
    if not low <= number <= high:
        raise InvalidExpression(f"{number} is not from {low} to {high}")
    return number


def _days_of(days: str, weekdays: str, year: int, month: int) -> set[int]:
    """The days of a month on which the schedule runs."""
    last = calendar.monthrange(year, month)[1]
    if weekdays == "?":
        return {day for part in days.split(",") for day in _by_date(part, year, month, last) if day <= last}
    return {day for part in weekdays.split(",") for day in _by_weekday(part, year, month, last)}


def _by_date(part: str, year: int, month: int, last: int) -> set[int]:
    if part == "L":
        return {last}
    if part == "LW":
        return {_nearest_weekday(last, year, month, last)}
    if part.endswith("W"):
        wanted = _number(part[:-1], 1, 31, None)
        return {_nearest_weekday(wanted, year, month, last)} if wanted <= last else set()
    return set(_numbers(part, 1, 31))


def _by_weekday(part: str, year: int, month: int, last: int) -> set[int]:
    def on(weekday: int) -> list[int]:
        return [day for day in range(1, last + 1) if dt.date(year, month, day).isoweekday() % 7 + 1 == weekday]

    if part == "L":
        return set(on(DAYS["SAT"]))
    if part.endswith("L"):
        return {on(_number(part[:-1], 1, 7, DAYS))[-1]}
    if "#" in part:
        weekday, _, nth = part.partition("#")
        return set(on(_number(weekday, 1, 7, DAYS))[_number(nth, 1, 5, None) - 1 :][:1])
    return {day for weekday in _numbers(part, 1, 7, DAYS) for day in on(weekday)}


def _nearest_weekday(day: int, year: int, month: int, last: int) -> int:
    """The weekday nearest to a date, in the same month."""
    weekday = dt.date(year, month, day).isoweekday()
    if weekday == 6:
        return day - 1 if day > 1 else day + 2
    if weekday == 7:
        return day + 1 if day < last else day - 2
    return day
