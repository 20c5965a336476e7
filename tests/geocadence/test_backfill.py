"""A backfill's input, and its windows: no scene of the span in none of them, and none in two."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geocadence.backfill import MAX_WINDOWS, cut_windows, read_backfill
from geocadence.execution_input import InvalidInput
from geocadence.instants import parse_instant

NOW = datetime(2026, 11, 26, 6, tzinfo=UTC)


def windows(start: str, end: str, step: str = "P1M") -> list[tuple[str, str]]:
    found = read_backfill({"start": start, "end": end, "step": step}, started_at=NOW).windows
    return [(each["start"], each["end"]) for each in found]


def test_months_are_the_calendars_wherever_the_span_begins_and_ends() -> None:
    assert windows("2024-01-15", "2024-03-10T12:00:00Z") == [
        ("2024-01-15T00:00:00Z", "2024-01-31T23:59:59.999999Z"),
        ("2024-02-01T00:00:00Z", "2024-02-29T23:59:59.999999Z"),
        ("2024-03-01T00:00:00Z", "2024-03-10T12:00:00Z"),
    ]


def test_so_two_spans_that_overlap_share_the_windows_between_their_ends() -> None:
    assert set(windows("2024-01-15", "2024-06-10")) & set(windows("2024-02-20", "2024-12-01")) == {
        ("2024-03-01T00:00:00Z", "2024-03-31T23:59:59.999999Z"),
        ("2024-04-01T00:00:00Z", "2024-04-30T23:59:59.999999Z"),
        ("2024-05-01T00:00:00Z", "2024-05-31T23:59:59.999999Z"),
    }


@pytest.mark.parametrize(
    ("step", "starts"),
    [
        ("P3M", ["2024-02-10", "2024-04-01", "2024-07-01", "2024-10-01", "2025-01-01"]),
        ("P1Y", ["2024-02-10", "2025-01-01"]),
        ("P12M", ["2024-02-10", "2025-01-01"]),
        ("P26W", ["2024-02-10", "2024-08-10", "2025-02-08"]),
    ],
)
def test_quarters_and_years_are_the_calendars_and_weeks_are_counted(step: str, starts: list[str]) -> None:
    assert [start[:10] for start, _ in windows("2024-02-10", "2025-03-01", step)] == starts


def test_a_month_is_utcs_where_the_span_is_given_in_local_time() -> None:
    assert windows("2024-01-31T23:30:00-02:00", "2024-02-10") == [("2024-02-01T01:30:00Z", "2024-02-10T00:00:00Z")]


steps = st.sampled_from(["P1M", "P2M", "P5M", "P1Y", "P7D", "P1D", "PT36H", "P1W"])
instants = st.datetimes(datetime(2015, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(start=instants, length=st.timedeltas(timedelta(hours=1), timedelta(days=900)), step=steps)
@example(start=datetime(2024, 1, 31, 23, 59, 59, 999999, tzinfo=UTC), length=timedelta(microseconds=1), step="P1M")
@example(start=datetime(2024, 1, 31, tzinfo=UTC), length=timedelta(days=1), step="P1M")
def test_every_instant_of_the_span_is_in_exactly_one_window(start: datetime, length: timedelta, step: str) -> None:
    found = [(parse_instant(w["start"]), parse_instant(w["end"])) for w in cut_windows(start, start + length, step)]
    assert found[0][0] == start
    assert found[-1][1] == start + length
    assert all(first <= last for first, last in found)
    # Windows are closed, and an instant has six digits of a second.
    assert all(later[0] - earlier[1] == timedelta(microseconds=1) for earlier, later in pairwise(found))


def test_what_every_run_is_asked_for_goes_along() -> None:
    asked = {"start": "2024-01-01", "end": "2024-02-01", "recompute": True, "instance_count": 8, "dry_run": True}
    assert read_backfill(asked, started_at=NOW).run == {"recompute": True, "instance_count": 8, "dry_run": True}


def test_it_ends_where_the_execution_started_if_nobody_says() -> None:
    found = read_backfill({"start": "2026-11-01"}, started_at=NOW).windows
    assert found == [{"start": "2026-11-01T00:00:00Z", "end": "2026-11-26T06:00:00Z"}]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "is no object"),
        ({}, "has no `start`"),
        ({"start": 2024}, r"`start` \(2024\) is no time"),
        ({"start": "yesterday"}, r"`start` \(yesterday\) is no ISO 8601 date"),
        ({"start": "2024-01-01", "end": "2024-01-01"}, "`start`, 2024-01-01T00:00:00Z, is not before `end`"),
        ({"start": "2027-01-01"}, "is not before `end`, 2026-11-26T06:00:00Z"),
        ({"start": "2024-01-01", "step": "monthly"}, r"`step` \(monthly\) is no ISO 8601 duration"),
        ({"start": "2024-01-01", "step": "P1M15D"}, "of either months, years, or weeks"),
        ({"start": "2024-01-01", "step": "P0M"}, "is no ISO 8601 duration"),
        ({"start": "2024-01-01", "step": 30}, "expected text"),
        ({"start": "2024-01-01", "step": "PT10M"}, "is below an hour"),
        ({"start": "1990-01-01", "step": "P1D"}, f"makes more than {MAX_WINDOWS} windows"),
        ({"start": "2024-01-01", "window": {}}, "has no known key `window`"),
        ({"start": "2024-01-01", "instance_count": 0}, "`instance_count` is 0"),
        ({"start": "2024-01-01", "recompute": "yes"}, "`recompute` is the text"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(given: object, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        read_backfill(given, started_at=NOW)


def test_so_many_windows_fit_into_a_state() -> None:
    """Step Functions takes 256 KiB: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""
    import json

    found = read_backfill({"start": "2024-01-01", "step": "P1D"}, started_at=NOW - timedelta(days=70))
    longest = {"windows": (found.windows * 2)[:MAX_WINDOWS], "run": {"instance_count": 100, "recompute": True}}
    assert len(found.windows) > MAX_WINDOWS / 2
    assert len(json.dumps(longest)) < 256 * 1024 / 2


def test_the_last_of_all_months_does_not_run_over_the_end_of_time() -> None:
    found = windows("9999-11-15", "9999-12-31T23:59:59Z")
    assert [start[:10] for start, _ in found] == ["9999-11-15", "9999-12-01"]
    assert len(windows("9990-01-01", "9999-12-31", "P1000Y")) == 1
