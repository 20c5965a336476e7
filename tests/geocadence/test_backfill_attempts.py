"""A backfill that makes products anew, stopped and started again: what it has made stays, and is paid for once."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from geocadence.backfill import read_backfill
from geocadence.backfill_attempts import first_asked
from geocadence.instants import format_instant
from run_functions import plan_backfill
from tests.geocadence.pipeline import Pipeline, in_memory
from tests.geocadence.scenes import item, scene_id

MACHINE = "arn:aws:states:us-west-2:123456789012:stateMachine:geocadence-dev-ndvi_backfill"
NOW = datetime(2026, 11, 26, 6, tzinfo=UTC)
ASKED = {"start": "2026-11-01", "end": "2026-11-13", "step": "P3D", "recompute": True}


class States:
    """Step Functions as it tells of a machine's executions: the latest first, their inputs only one by one."""

    def __init__(self, *executions: tuple[int, str, Any]) -> None:
        """Each by the hours since it started, its status and its input."""
        self._executions = {arn_of(hours): (hours, status, asked) for hours, status, asked in executions}

    def get_paginator(self, name: str) -> Any:
        assert name == "list_executions"
        return self

    def paginate(self, *, stateMachineArn: str) -> Any:
        assert stateMachineArn == MACHINE
        for arn, (hours, status, _) in sorted(self._executions.items(), key=lambda entry: entry[1][0]):
            started = (NOW - timedelta(hours=hours)).astimezone()
            yield {"executions": [{"executionArn": arn, "startDate": started, "status": status}]}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        return {"input": json.dumps(self._executions[executionArn][2])}


def arn_of(hours: int) -> str:
    return f"{MACHINE.replace(':stateMachine:', ':execution:')}:{hours}"


def first(*executions: tuple[int, str, Any], asked: dict[str, Any] = ASKED) -> int:
    """How many hours ago it was asked for first."""
    states = States((0, "RUNNING", asked), *executions)
    return (NOW - first_asked(states, execution_arn=arn_of(0), asked=asked, started_at=NOW)) // timedelta(hours=1)


def test_it_was_asked_for_first_by_the_first_of_the_attempts_that_came_to_no_good_end() -> None:
    assert first() == 0
    assert first((1, "ABORTED", ASKED)) == 1
    assert first((1, "ABORTED", ASKED), (2, "FAILED", ASKED), (3, "TIMED_OUT", ASKED)) == 3


def test_one_that_succeeded_was_the_end_of_what_was_asked_before() -> None:
    assert first((1, "SUCCEEDED", ASKED), (2, "ABORTED", ASKED)) == 0
    assert first((1, "ABORTED", ASKED), (2, "SUCCEEDED", ASKED), (3, "ABORTED", ASKED)) == 1


def test_the_other_of_two_that_were_started_at_the_same_time_goes_on_with_the_first() -> None:
    assert first((1, "RUNNING", ASKED)) == 1
    # Who comes later is none to go on with.
    assert first((-1, "RUNNING", ASKED)) == 0


@pytest.mark.parametrize(
    "other",
    [
        ASKED | {"start": "2026-11-02"},
        ASKED | {"end": "2026-11-14"},
        ASKED | {"step": "P6D"},
        ASKED | {"recompute": False},
        ASKED | {"dry_run": True},
        {"start": "2026-11-01", "recompute": True},
        {"recompute": True},
        ASKED | {"start": 3},
        [],
        None,
    ],
)
def test_what_was_asked_for_otherwise_is_another_backfill(other: Any) -> None:
    assert first((1, "ABORTED", other), (2, "ABORTED", ASKED)) == 2
    assert first((1, "SUCCEEDED", other), (2, "ABORTED", ASKED)) == 2


def test_it_is_the_same_backfill_with_more_instances_and_times_written_otherwise() -> None:
    assert first((1, "ABORTED", ASKED | {"instance_count": 8, "start": "2026-11-01T00:00:00Z"})) == 1
    without_an_end = {"start": "2026-11-01", "recompute": True}
    assert first((1, "ABORTED", without_an_end | {"step": "P1M"}), asked=without_an_end) == 1


def test_its_runs_are_asked_for_what_is_older_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    states = States((0, "RUNNING", ASKED), (5, "ABORTED", ASKED))
    monkeypatch.setattr(plan_backfill, "client", lambda service: states)
    event = {"execution_arn": arn_of(0), "started_at": format_instant(NOW), "input": ASKED | {"instance_count": 2}}

    assert plan_backfill.handler(event, None)["run"] == {"recompute": "2026-11-26T01:00:00Z", "instance_count": 2}
    event["input"] = ASKED | {"recompute": "2026-11-20T00:00:00Z"}
    assert plan_backfill.handler(event, None)["run"] == {"recompute": "2026-11-20T00:00:00Z"}


@pytest.fixture
def pipeline() -> Pipeline:
    """Twelve scenes, all made before the backfill was asked for."""
    made = in_memory([item(n) for n in range(12)])
    made.run("before")
    made.jobs.clear()
    return made


def backfill(pipeline: Pipeline, attempt: str, since: datetime, windows: int) -> None:
    """The first windows of a backfill's."""
    for n, window in enumerate(read_backfill(ASKED, started_at=NOW).windows[:windows]):
        pipeline.run(f"{attempt}-{n}", {"window": window, "recompute": format_instant(since)})


def test_what_the_first_attempt_made_anew_is_paid_for_once(pipeline: Pipeline) -> None:
    since = datetime.now(UTC)  # by the clock of this S3
    backfill(pipeline, "aborted", since, 3)
    assert len(pipeline.jobs) == 9
    backfill(pipeline, "again", since, 4)

    assert Counter(pipeline.jobs) == Counter(scene_id(n) for n in range(12))


def test_also_what_it_made_in_a_run_that_never_closed(pipeline: Pipeline) -> None:
    since = datetime.now(UTC)
    stopped = pipeline.plan("aborted", {"recompute": format_instant(since)})
    pipeline.work(stopped, but=(scene_id(4),))
    pipeline.abort(stopped)
    again = pipeline.run("again", {"recompute": format_instant(since)})

    assert pipeline.taken(again) == [scene_id(4)]
    assert pipeline.run("later")["outcome"] == "empty"


def test_what_another_recipe_made_meanwhile_is_made_anew(pipeline: Pipeline) -> None:
    since = datetime.now(UTC)
    backfill(pipeline, "aborted", since, 1)
    pipeline.definition["processing"]["arguments"] = {"indices": ["EVI"]}
    again = pipeline.plan("again", {"recompute": format_instant(since)})

    assert again["planned"] == 12


def test_what_is_there_by_nobody_knows_which_recipe_is_made_anew(pipeline: Pipeline) -> None:
    since = datetime.now(UTC)
    pipeline.items.append(item(12))
    pipeline.produce(12)
    again = pipeline.plan("again", {"recompute": format_instant(since)})

    assert pipeline.decisions(again)[scene_id(12)] == ("recompute", "recompute was asked for")


def test_asked_for_without_a_time_all_is_made_anew_and_told(pipeline: Pipeline) -> None:
    since = format_instant(datetime.now(UTC))
    assert pipeline.run("once", {"recompute": True})["planned"] == 12
    left = pipeline.plan("left", {"recompute": since})
    assert set(pipeline.decisions(left).values()) == {
        ("skip", "its product is in place, made since recompute was asked for")
    }
    assert left["document"]["recompute"] == since
    assert pipeline.plan("twice", {"recompute": True})["planned"] == 12
