"""The execution input: people paste anything into the console."""

# ruff: noqa: E501 - a table of exact texts

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geocadence.execution_input import ExecutionInput, InvalidInput, Window, read_execution_input

STARTED = datetime(2026, 11, 22, 6, tzinfo=UTC)
LOOKBACK = timedelta(days=14)
WRONG = "The execution input is wrong: "


def read(data: Any, *, lookback: timedelta | None = LOOKBACK) -> ExecutionInput:
    return read_execution_input(data, started_at=STARTED, lookback=lookback)


def test_an_empty_input_looks_back_from_the_executions_start() -> None:
    assert read({}) == ExecutionInput(Window(STARTED - LOOKBACK, STARTED))


def test_the_window_looks_back_from_its_given_end() -> None:
    end = datetime(2026, 11, 16, 6, tzinfo=UTC)

    assert read({"window": {"end": "2026-11-16T06:00:00Z"}}).window == Window(end - LOOKBACK, end, has_end=True)


def test_everything_can_be_given() -> None:
    given_all = {
        "window": {"start": "2026-11-01", "end": "2026-11-02"},
        "scenes": ["a", "b"],
        "recompute": True,
        "instance_count": 7,
        "dry_run": True,
    }

    assert read(given_all) == ExecutionInput(
        Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC), is_given=True, has_end=True),
        scenes=("a", "b"),
        recompute=True,
        instance_count=7,
        dry_run=True,
    )


def test_a_source_without_lookback_has_no_start() -> None:
    assert read({}, lookback=None).window == Window(None, STARTED)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (None, "The execution input is null, not an object (expected {} or some of the keys window, scenes, recompute, "
         "instance_count, dry_run)."),
        ([], "The execution input is a list, not an object (expected {} or some of the keys window, scenes, recompute, "
         "instance_count, dry_run)."),
        ("{}", 'The execution input is the text "{}", not an object (expected {} or some of the keys window, scenes, '
         "recompute, instance_count, dry_run)."),
        (3, "The execution input is 3, not an object (expected {} or some of the keys window, scenes, recompute, "
         "instance_count, dry_run)."),
        ({"Window": {}}, WRONG + "`Window` is no known key (did you mean `window`?)."),
        ({"Comment": ""}, WRONG + "`Comment` is no known key (expected some of window, scenes, recompute, "
         "instance_count, dry_run)."),
        ({"window": None}, WRONG + '`window` is null, not an object (expected {"start": …, "end": …}, both optional).'),
        ({"window": {"form": "x"}}, WRONG + "`window.form` is no known key (expected some of start, end)."),
        ({"window": {"start": 3}}, WRONG + "`window.start` (3) is no time (expected text, e.g. 2026-11-22T06:00:00Z)."),
        ({"window": {"end": "today"}}, WRONG + '`window.end` ("today") is no ISO 8601 date or time (expected e.g. '
         "2026-11-22T06:00:00Z)."),
        ({"window": {"end": "2026-11-22T06:00:00"}}, WRONG + '`window.end` ("2026-11-22T06:00:00") has no time zone '
         "(append Z for UTC, or an offset such as +01:00)."),
        ({"window": {"start": "2026-11-02", "end": "2026-11-01"}}, WRONG + "`window` starts at 2026-11-02T00:00:00Z, not "
         "before its end, 2026-11-01T00:00:00Z."),
        ({"window": {"start": "2027-01-01"}}, WRONG + "`window` starts at 2027-01-01T00:00:00Z, not before its end, "
         "2026-11-22T06:00:00Z (the execution's start, as no end is given)."),
        ({"window": {"end": "0001-01-02"}}, WRONG + "`window.end` (0001-01-02T00:00:00Z) is too early to look back from."),
        ({"scenes": "a"}, WRONG + '`scenes` is the text "a", not a list (expected the ids of scenes, e.g. '
         '["S2B_T29SNB_20261107"]).'),
        ({"scenes": []}, WRONG + "`scenes` is empty (name at least one scene, or leave the key out for all)."),
        ({"scenes": ["a", "a"]}, WRONG + "`scenes[1]` (a) is there twice (name each scene once)."),
        ({"scenes": ["../x"]}, WRONG + '`scenes[0]` ("../x") is no scene id (expected text of 1 to 181 letters, digits, '
         "dots, underscores and hyphens, the first a letter or digit)."),
        ({"scenes": ["x"] * 2001}, WRONG + "`scenes` names 2001 scenes (expected 2000 at most; start several runs)."),
        ({"recompute": "true"}, WRONG + '`recompute` is the text "true" (expected true or false, without quotes, '
         "or the time before which products were made that are to be made anew)."),
        ({"dry_run": 1}, WRONG + "`dry_run` is 1 (expected true or false, without quotes)."),
        ({"instance_count": True}, WRONG + "`instance_count` is true (expected a whole number from 1 to 100, without "
         "quotes)."),
        ({"instance_count": 2.0}, WRONG + "`instance_count` is 2.0 (expected a whole number from 1 to 100, without "
         "quotes)."),
        ({"instance_count": 0}, WRONG + "`instance_count` is 0 (expected 1 to 100, what one processing job takes)."),
        ({"instance_count": 101}, WRONG + "`instance_count` is 101 (expected 1 to 100, what one processing job takes)."),
    ],
)  # fmt: skip
def test_a_wrong_input_is_refused_with_a_sentence(data: Any, sentence: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read(data)

    assert str(refusal.value) == sentence


def test_several_problems_are_told_together() -> None:
    with pytest.raises(InvalidInput) as refusal:
        read({"dryrun": True, "instance_count": 0, "window": {"start": "x", "end": 1}})

    assert str(refusal.value) == (
        "The execution input is wrong: `dryrun` is no known key (did you mean `dry_run`?); "
        '`window.start` ("x") is no ISO 8601 date or time (expected e.g. 2026-11-22T06:00:00Z); '
        "`window.end` (1) is no time (expected text, e.g. 2026-11-22T06:00:00Z); "
        "`instance_count` is 0 (expected 1 to 100, what one processing job takes)."
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
keys = st.sampled_from(["window", "scenes", "recompute", "instance_count", "dry_run"])


@given(
    json_values | st.dictionaries(keys, json_values | st.fixed_dictionaries({"start": json_values, "end": json_values}))
)
def test_whatever_is_pasted_is_taken_or_refused_in_one_line(data: Any) -> None:
    try:
        read(data)
    except InvalidInput as refusal:
        assert str(refusal).endswith(".")
        assert "\n" not in str(refusal)
