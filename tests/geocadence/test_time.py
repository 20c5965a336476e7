"""Durations and instants: what is written is what is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geocadence.durations import Duration
from geocadence.instants import format_instant, parse_instant


@given(st.integers(min_value=0, max_value=10**9))
def test_a_duration_is_read_as_it_is_written(seconds: int) -> None:
    duration = Duration(seconds=seconds)

    assert Duration.parse(str(duration)) == duration


@pytest.mark.parametrize(
    ("text", "delta"),
    [
        ("P14D", timedelta(days=14)),
        ("P1W", timedelta(weeks=1)),
        ("PT4H", timedelta(hours=4)),
        ("P1DT2H3M4S", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("PT90M", timedelta(minutes=90)),
    ],
)
def test_durations_mean_what_iso_8601_says(text: str, delta: timedelta) -> None:
    assert Duration.parse(text) == delta


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1M", "P1Y", "14", "P1.5D", "PT1H\n", "-P1D", "p1d", "P١D", "P9" + "9" * 12 + "D"]
)
def test_what_is_no_fixed_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected e\.g\. P14D or PT4H"):
        Duration.parse(text)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-11)), timezone(timedelta(hours=14))])))
def test_an_instant_is_read_as_it_is_written(instant: datetime) -> None:
    try:
        text = format_instant(instant)
    except OverflowError:  # the first and last hours of the calendar have no UTC
        return

    assert parse_instant(text) == instant


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-22", datetime(2026, 11, 22, tzinfo=UTC)),
        ("2026-11-22T06:00Z", datetime(2026, 11, 22, 6, tzinfo=UTC)),
        ("2026-11-22T06:00:00+01:00", datetime(2026, 11, 22, 5, tzinfo=UTC)),
        ("2026-11-22t06:00:00.123456789z", datetime(2026, 11, 22, 6, 0, 0, 123456, tzinfo=UTC)),
    ],
)
def test_instants_are_in_utc(text: str, instant: datetime) -> None:
    assert parse_instant(text) == instant
    assert parse_instant(text).tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("2026-11-22T06:00:00", "has no time zone (append Z for UTC, or an offset such as +01:00)"),
        ("2026-02-30", "is no date that exists (expected e.g. 2026-11-22T06:00:00Z)"),
        ("yesterday", "is no ISO 8601 date or time (expected e.g. 2026-11-22T06:00:00Z)"),
        ("<aws.scheduler.scheduled-time>", "is no ISO 8601 date or time (expected e.g. 2026-11-22T06:00:00Z)"),
        ("20261122", "is no ISO 8601 date or time (expected e.g. 2026-11-22T06:00:00Z)"),
    ],
)
def test_what_is_no_instant_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_instant(text)

    assert str(refusal.value) == wrong
