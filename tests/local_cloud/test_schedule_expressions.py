"""When schedules are due, against the examples of AWS's own documentation and the calendar.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import datetime as dt
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest

from local_cloud.gateway.schedule_expressions import InvalidExpression, parse

START = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def occurrences(expression: str, after: str, count: int, zone: str = "UTC") -> list[str]:
    schedule = parse(expression, zone)

    def every():
        moment = dt.datetime.fromisoformat(after).replace(tzinfo=dt.UTC)
        while (moment := schedule.next_after(moment, start=START)) is not None:
            yield moment.strftime("%Y-%m-%dT%H:%M")

    return list(islice(every(), count))


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("cron(15 10 * * ? *)", ["2026-11-22T10:15", "2026-11-23T10:15"]),
        ("cron(0 6 ? * MON *)", ["2026-11-23T06:00", "2026-11-30T06:00"]),
        ("cron(0 6 ? * 2 *)", ["2026-11-23T06:00", "2026-11-30T06:00"]),
        (
            "cron(0/20 8-9 ? * MON-FRI *)",
            ["2026-11-23T08:00", "2026-11-23T08:20", "2026-11-23T08:40", "2026-11-23T09:00"],
        ),
        ("cron(0 8 1 * ? *)", ["2026-12-01T08:00", "2027-01-01T08:00"]),
        ("cron(0 0 L * ? *)", ["2026-11-30T00:00", "2026-12-31T00:00", "2027-01-31T00:00", "2027-02-28T00:00"]),
        ("cron(0 0 15W * ? *)", ["2026-12-15T00:00", "2027-01-15T00:00", "2027-02-15T00:00"]),
        ("cron(0 0 28W NOV,FEB ? *)", ["2026-11-27T00:00", "2027-02-26T00:00"]),
        ("cron(0 0 LW * ? *)", ["2026-11-30T00:00", "2026-12-31T00:00", "2027-01-29T00:00"]),
        ("cron(15 10 ? * 6L 2026-2027)", ["2026-11-27T10:15", "2026-12-25T10:15", "2027-01-29T10:15"]),
        ("cron(0 12 ? * TUE#3 *)", ["2026-12-15T12:00", "2027-01-19T12:00"]),
        ("cron(0 0 ? * SAT-SUN *)", ["2026-11-28T00:00", "2026-11-29T00:00"]),
        ("cron(0 0 29 2 ? *)", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("rate(5 days)", ["2026-11-25T00:00", "2026-11-30T00:00"]),
        ("rate(1 hour)", ["2026-11-22T01:00", "2026-11-22T02:00"]),
        ("at(2026-11-22T13:00:00)", ["2026-11-22T13:00"]),
        ("at(2026-11-21T13:00:00)", []),
        ("cron(0 0 1 1 ? 2020)", []),
    ],
)
def test_the_next_occurrences_after_sunday_22_november_2026(expression: str, due: list[str]) -> None:
    assert occurrences(expression, "2026-11-22T00:00", len(due) or 1) == due


def test_a_schedule_keeps_the_clock_of_its_zone_when_the_clocks_change() -> None:
    due = occurrences("cron(0 6 ? * MON *)", "2026-10-18T00:00", 3, "Europe/Lisbon")
    assert due == ["2026-10-19T05:00", "2026-10-26T06:00", "2026-11-02T06:00"]


def test_a_time_that_the_clocks_skip_in_spring_is_skipped() -> None:
    # New York, 8 March 2026: 02:00 becomes 03:00.
    due = occurrences("cron(30 2 * * ? *)", "2026-03-07T00:00", 3, "America/New_York")
    assert due == ["2026-03-07T07:30", "2026-03-09T06:30", "2026-03-10T06:30"]


def test_a_time_that_comes_twice_in_autumn_counts_once() -> None:
    # New York, 1 November 2026: 02:00 becomes 01:00.
    due = occurrences("cron(30 1 * * ? *)", "2026-10-31T12:00", 2, "America/New_York")
    assert due == ["2026-11-01T05:30", "2026-11-02T06:30"]


@pytest.mark.parametrize("zone", ["Europe/Lisbon", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
@pytest.mark.parametrize("time", ["0:00", "0:30", "1:00", "1:30", "2:00", "2:30", "3:00", "12:00", "23:30"])
def test_a_daily_schedule_is_due_once_on_every_day_that_has_its_time(zone: str, time: str) -> None:
    """Both changes of two years; which days have the time is asked of the clocks, half an hour by half an hour."""
    hour, minute = time.split(":")
    local = ZoneInfo(zone)
    begin, end = dt.datetime(2026, 1, 1, tzinfo=local), dt.datetime(2028, 1, 1, tzinfo=local)
    moment, days_with_the_time = begin.astimezone(dt.UTC), set()
    while moment < end.astimezone(dt.UTC):
        here = moment.astimezone(local)
        if (here.hour, here.minute) == (int(hour), int(minute)):
            days_with_the_time.add(here.date())
        moment += dt.timedelta(minutes=30)

    schedule = parse(f"cron({minute} {hour} * * ? *)", zone)
    due = takewhile(lambda moment: moment < end, schedule.from_day(begin.date()))
    days = [moment.astimezone(local).date() for moment in due]
    assert days == sorted(days_with_the_time)
    assert len(days) >= 2 * 365 - 2


def test_a_rate_of_days_is_24_hours_across_the_clock_change() -> None:
    schedule = parse("rate(1 day)", "America/New_York")
    created = dt.datetime(2026, 10, 31, 12, tzinfo=dt.UTC)
    assert schedule.next_after(created, start=created) - created == dt.timedelta(hours=24)


def test_a_rate_starts_with_its_start() -> None:
    created = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
    assert parse("rate(7 days)").next_after(created - dt.timedelta(seconds=1), start=created) == created


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("every day", "neither"),
        ("rate(0 days)", "positive"),
        ("rate(P7D)", "positive"),
        ("at(tomorrow)", "yyyy-mm-dd"),
        ("cron(0 6 * * MON)", "six fields"),
        ("cron(0 6 * * MON *)", "must be"),
        ("cron(0 6 ? * ? *)", "must be"),
        ("cron(61 6 ? * MON *)", "61 is not from 0 to 59"),
        ("cron(0 6 ? * FOO *)", "'FOO'"),
        ("cron(0 6 0 * ? *)", "0 is not from 1 to 31"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_reason(expression: str, reason: str) -> None:
    with pytest.raises(InvalidExpression, match=reason):
        parse(expression)
