"""Whether every day that a schedule means has its run, and every moment a run that looks at it.

EventBridge Scheduler leaves out a time that the clocks skip in spring, and takes one that comes twice in autumn once
(https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#daylist-savings-time). So a daily run
inside of the skipped hour has a day without one, and the day of 25 hours needs a window that is longer than a day.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import chain, islice, pairwise
from zoneinfo import ZoneInfo

from geocadence.definition.problems import KeyPath
from geocadence.durations import Duration
from local_cloud.gateway.schedule_expressions import Cron, InvalidExpression, parse

# Clocks change by the same rules every year; these years hold both changes, a leap day, and a month of each length.
_FROM, _YEARS = date(2027, 9, 1), range(2027, 2032)
_DAY = timedelta(days=1)
# Four years of daily runs, a month of half-hourly ones. Those around the changes of the clocks are looked at besides.
_LOOKED_AT = 1500


def timing_problems(
    *, cron: str | None, rate: Duration | None, timezone: str, lookback: Duration | None, source: str = "stac"
) -> Iterator[tuple[KeyPath, str]]:
    """`lookback`, of the kind of `source`, is None where it has none: its runs look at all that there is."""
    if cron is not None:
        try:
            schedule = parse(f"cron({cron})", timezone)
        except (InvalidExpression, ValueError, KeyError):  # wrong, as the model says; or L-3, which is not read here
            return
        if (day := _day_without_run(schedule)) is not None:
            yield (
                ("schedule", "cron"),
                f"{cron} in {timezone} has no run on {day}: the clocks skip its hour in spring, and EventBridge "
                "Scheduler leaves it out (take an hour that every day has, or timezone: UTC)",
            )
            return
        longest = _longest_interval(schedule)
        between = f"{cron} in {timezone}, up to {Duration(seconds=longest.total_seconds())} apart" if longest else ""
        key: KeyPath = ("schedule", "cron")
    else:
        longest, key = rate, ("schedule", "rate")
        between = f"{rate} apart"
    if lookback is not None and longest is not None and lookback < longest:
        yield (
            ("source", source, "lookback"),
            f"{lookback} is shorter than the time between two runs ({key[1]} {between}): what is taken in between "
            "is in no run's window (look back further; twice as far catches late scenes too)",
        )


def _day_without_run(schedule: Cron) -> date | None:
    """A day of the schedule on which the clocks skip all of its times."""
    for day, length in _days_of_other_lengths(schedule.zone):
        if length < _DAY and schedule.is_on(day) and next(schedule.times_on(day), None) is None:
            return day
    return None


def _days_of_other_lengths(zone: ZoneInfo) -> Iterator[tuple[date, timedelta]]:
    """The days on which the clocks change, and how long they are."""
    for year in _YEARS:
        day = date(year, 1, 1)
        while day.year == year:
            start, end = (datetime(each.year, each.month, each.day, tzinfo=zone) for each in (day, day + _DAY))
            length = end.astimezone(UTC) - start.astimezone(UTC)
            if length != _DAY:
                yield day, length
            day += _DAY


def _longest_interval(schedule: Cron) -> timedelta | None:
    """Between two runs that follow each other; None where there are not two."""
    # Of frequent runs the long look ends before the clocks change.
    changes = (_runs_around(day, schedule) for day, _ in _days_of_other_lengths(schedule.zone))
    looks = chain([islice(schedule.from_day(_FROM), _LOOKED_AT)], changes)
    return max((later - earlier for runs in looks for earlier, later in pairwise(runs)), default=None)


def _runs_around(day: date, schedule: Cron) -> Iterator[datetime]:
    """Those from four days before a day to four after it: clocks change at weekends, which many schedules leave out."""
    for each in (day + n * _DAY for n in range(-4, 5)):
        if schedule.is_on(each):
            yield from schedule.times_on(each)
