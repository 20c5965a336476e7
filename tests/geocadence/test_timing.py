"""Schedules over both changes of the clocks: one run a day, and windows without a gap between them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from geocadence.definition.timing import timing_problems
from geocadence.durations import Duration
from geocadence.execution_input import Window, read_execution_input
from local_cloud.gateway.schedule_delivery import Delivery
from local_cloud.gateway.schedule_expressions import parse


def problems(cron: str, zone: str, lookback: str | None = "P14D") -> list[tuple[Any, str]]:
    length = Duration.parse(lookback) if lookback else None
    return list(timing_problems(cron=cron, rate=None, timezone=zone, lookback=length))


@pytest.mark.parametrize(
    ("cron", "zone", "day"),
    [
        # Of the tz database: New York springs over 2:00 to 3:00, Lisbon over 1:00 to 2:00, Santiago over midnight.
        ("30 2 * * ? *", "America/New_York", "2027-03-14"),
        ("30 1 * * ? *", "Europe/Lisbon", "2027-03-28"),
        ("0,30 1 * * ? *", "Europe/Lisbon", "2027-03-28"),
        ("0 0 * * ? *", "America/Santiago", "2027-09-05"),
        ("30 2 ? * SUN *", "America/New_York", "2027-03-14"),
        ("30 2 ? 3 SUN#2 *", "America/New_York", "2027-03-14"),
    ],
)
def test_a_day_that_would_have_no_run_is_named(cron: str, zone: str, day: str) -> None:
    ((key, sentence),) = problems(cron, zone)
    assert key == ("schedule", "cron")
    assert f"{cron} in {zone} has no run on {day}: the clocks skip its hour in spring" in sentence


@pytest.mark.parametrize(
    ("cron", "zone"),
    [
        ("30 2 * * ? *", "Europe/Lisbon"),
        ("30 2 * * ? *", "UTC"),
        ("30 1 * * ? *", "America/New_York"),  # twice in autumn, and then once
        ("30 2 ? * MON *", "America/New_York"),  # clocks change on Sundays
        ("30 2,14 * * ? *", "America/New_York"),  # the day has its other run
        ("0/15 * * * ? *", "America/New_York"),
        ("30 2 * * ? 2020", "America/New_York"),
        ("30 2 L-3 * ? *", "America/New_York"),
        ("nonsense", "America/New_York"),
        ("30 2 * * ? *", "America/Nowhere"),
    ],
)
def test_what_has_its_runs_or_is_said_elsewhere_is_no_problem_here(cron: str, zone: str) -> None:
    assert problems(cron, zone) == []


@pytest.mark.parametrize(
    ("cron", "zone", "lookback", "apart"),
    [
        # A day of 25 hours, a week with one, months of 31 days.
        ("30 2 * * ? *", "Europe/Lisbon", "P1D", "P1DT1H"),
        ("0 6 ? * MON *", "Europe/Lisbon", "P7D", "P7DT1H"),
        ("0 0 1 * ? *", "UTC", "P30D", "P31D"),
        ("0 0 * * ? *", "Australia/Lord_Howe", "P1D", "P1DT30M"),
        # An hour that comes twice in autumn has its runs once, however late in the year and however many.
        ("0 * * * ? *", "Europe/Lisbon", "PT1H", "PT2H"),
        ("0 * * * ? *", "America/New_York", "PT1H", "PT2H"),
        ("0 * * * ? *", "Australia/Sydney", "PT1H", "PT2H"),
        ("0/5 * * * ? *", "Europe/Lisbon", "PT10M", "PT1H5M"),
        # The clocks change at a weekend, of which the last and the first run are those of Friday and Monday.
        ("0/15 8-17 ? * MON-FRI *", "Europe/Lisbon", "P2DT14H15M", "P2DT15H15M"),
    ],
)
def test_a_window_shorter_than_the_longest_time_between_two_runs_is_refused(
    cron: str, zone: str, lookback: str, apart: str
) -> None:
    ((key, sentence),) = problems(cron, zone, lookback)
    assert key == ("source", "stac", "lookback")
    assert sentence.startswith(f"{lookback} is shorter than the time between two runs (cron {cron} in {zone}, up to")
    assert f"up to {apart} apart" in sentence
    assert problems(cron, zone, apart) == []


def test_a_rate_is_held_to_the_same() -> None:
    def of(lookback: str) -> list[tuple[Any, str]]:
        rate = Duration.parse("P7D")
        return list(timing_problems(cron=None, rate=rate, timezone="UTC", lookback=Duration.parse(lookback)))

    assert of("P7D") == []
    ((key, sentence),) = of("P6D")
    assert key == ("source", "stac", "lookback")
    assert "rate P7D apart" in sentence


def test_without_a_lookback_every_run_looks_at_everything() -> None:
    assert problems("30 2 * * ? *", "Europe/Lisbon", None) == []


# As stacks/components/run_schedule.py hands it to the Scheduler; tests/stacks holds it.
INPUT = '{"window":{"end":"<aws.scheduler.scheduled-time>"}}'


@pytest.mark.parametrize("zone", ["Europe/Lisbon", "America/New_York"])
@pytest.mark.parametrize("hour", ["0", "3", "12", "23"])
def test_windows_of_daily_runs_follow_each_other_without_a_gap_over_both_changes(zone: str, hour: str) -> None:
    """From the schedule's event to the window that the plan function reads."""
    cron, lookback = f"30 {hour} * * ? *", Duration.parse("P1DT1H")
    assert list(timing_problems(cron=cron, rate=None, timezone=zone, lookback=lookback)) == []
    begin, end = (datetime(year, 1, 1, tzinfo=ZoneInfo(zone)) for year in (2026, 2028))
    due = list(takewhile(lambda moment: moment < end, parse(f"cron({cron})", zone).from_day(begin.date())))
    assert len({moment.astimezone(ZoneInfo(zone)).date() for moment in due}) == len(due) == 2 * 365

    windows = [_window(moment, lookback) for moment in due]
    assert [window.end for window in windows] == due
    assert all(later.start <= earlier.end for earlier, later in pairwise(windows) if later.start)
    touching = sum(1 for earlier, later in pairwise(windows) if later.start == earlier.end)
    assert touching == 2, "the day of 25 hours of each year needs the whole lookback"


def _window(scheduled: datetime, lookback: Duration) -> Window:
    schedule = {"Arn": "arn:aws:scheduler:us-west-2:123456789012:schedule/default/ndvi", "Target": {"Input": INPUT}}
    given = json.loads(Delivery.of(schedule, scheduled).payload(attempt=2))
    late = datetime(2031, 1, 1, tzinfo=UTC)  # whenever it is delivered
    return read_execution_input(given, started_at=late, lookback=lookback).window
