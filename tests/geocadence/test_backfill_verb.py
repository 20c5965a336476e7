"""`geocadence backfill`: what it asks for, refuses, shows and ends with."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from geocadence.backfill_progress import BackfillHandle, BackfillProgress, Totals, WindowState, totals
from geocadence.cli import backfill as verb
from geocadence.cli import main
from geocadence.follow import RunHandle
from geocadence.layout import RunLayout

STARTED = datetime(2026, 11, 26, 6, tzinfo=UTC)
MONTHS = [
    WindowState("2026-01-01T00:00:00Z", "2026-01-31T23:59:59.999999Z"),
    WindowState("2026-02-01T00:00:00Z", "2026-02-28T23:59:59.999999Z"),
]


def window(number: int, state: str, **more: Any) -> WindowState:
    run = RunHandle("ndvi", f"run-{number}", f"arn:{number}", STARTED)
    return WindowState(MONTHS[number].start, MONTHS[number].end, state, run, **more)


class FakeTarget:
    flags = " --stage prod"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A deployed pipeline; `ends` are what its backfills come to, one after the other."""
    told: dict[str, Any] = {"asked": [], "ends": [], "totals": Totals(3, {"new": 3}, None, 1.5, 12.34)}

    def start(target: Any, pipeline: str, asked: dict[str, Any]) -> tuple[BackfillHandle, bool]:
        told["asked"].append(asked)
        return BackfillHandle(pipeline, f"backfill-{len(told['asked'])}", "arn:b", STARTED, asked), False

    class Watch:
        def __init__(self, target: Any, started: BackfillHandle) -> None: ...

        def follow(self, *, on_progress: Any) -> BackfillProgress:
            on_progress(BackfillProgress("RUNNING", [window(0, "running", planned=4, produced=1), MONTHS[1]]))
            end = told["ends"].pop(0)
            if isinstance(end, BaseException):
                raise end
            return end

    monkeypatch.setattr(verb, "target_of", lambda options: FakeTarget())
    monkeypatch.setattr(verb, "note_differences", lambda *_: None)
    monkeypatch.setattr(verb, "start_backfill", start)
    monkeypatch.setattr(verb, "BackfillWatch", Watch)
    monkeypatch.setattr(verb, "totals", lambda target, progress: told["totals"])
    return told


GOOD = BackfillProgress("SUCCEEDED", [window(0, "complete", planned=4, produced=4), window(1, "empty")])
BAD = BackfillProgress(
    "FAILED",
    [window(0, "partial", planned=4, produced=3, failed=1), window(1, "failed", reason="The run would take 9 scenes")],
    cause="1 of 2 windows failed.",
)
SPAN = ["--start", "2026-01-01", "--end", "2026-03-01"]


def test_a_good_backfill_exits_with_0_and_shows_its_windows(cloud: dict[str, Any], capsys: Any) -> None:
    cloud["ends"] = [GOOD]
    assert main(["backfill", "ndvi", *SPAN]) == 0
    told = capsys.readouterr()
    lines = [" ".join(line.split()) for line in told.out.splitlines()]
    assert lines[1] == "2026-01-01 to 2026-01-31 complete 4 4 – run-0 –"
    assert lines[-1] == ("ndvi backfill-1 succeeded: 2 windows (1 complete, 1 empty); 4 of 4 scenes produced")
    assert "windows 0/2, 1 running, 1 of 4 scenes" in told.err
    assert cloud["asked"] == [{"start": "2026-01-01", "end": "2026-03-01"}]


def test_one_with_failed_or_partial_windows_exits_with_1_and_says_why(cloud: dict[str, Any], capsys: Any) -> None:
    cloud["ends"] = [BAD]
    assert main(["backfill", "ndvi", *SPAN]) == 1
    told = capsys.readouterr().out
    assert "The run would take 9 scenes" in told
    assert "1 of 2 windows failed." in told
    cloud["ends"] = [BackfillProgress("SUCCEEDED", [window(0, "partial", planned=2, produced=1, failed=1)])]
    assert main(["backfill", "ndvi", *SPAN]) == 1


@pytest.mark.parametrize(
    ("status", "asked", "is_told"),
    [
        ("SUCCEEDED", ["--recompute"], True),
        ("SUCCEEDED", [], False),
        ("FAILED", ["--recompute"], False),
        ("ABORTED", ["--recompute"], False),
    ],
)
def test_where_the_same_command_would_pay_for_all_again_what_asks_for_the_rest_is_told(
    cloud: dict[str, Any], capsys: Any, status: str, asked: list[str], is_told: bool
) -> None:
    cloud["ends"] = [BackfillProgress(status, [window(0, "partial"), window(1, "partial")])]
    assert main(["backfill", "ndvi", *SPAN, *asked]) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert ("geocadence retry run-0 (and 1 more); the same backfill again would make" in told) == is_told


@pytest.mark.parametrize("state", ["partial", "failed", "not started"])
def test_one_that_succeeded_is_good_only_where_every_window_is(state: str) -> None:
    ends = BackfillProgress("SUCCEEDED", [window(0, "complete"), window(1, "empty")])
    assert ends.is_good
    assert not BackfillProgress("SUCCEEDED", [*ends.windows, window(1, state)]).is_good
    assert not BackfillProgress("ABORTED", ends.windows).is_good


def test_all_that_was_asked_goes_into_the_input(cloud: dict[str, Any]) -> None:
    cloud["ends"] = [GOOD]
    assert main(["backfill", "ndvi", *SPAN, "--step", "P7D", "--recompute", "--instance-count", "8", "--dry-run"]) == 0
    (asked,) = cloud["asked"]
    assert asked == {
        "start": "2026-01-01",
        "end": "2026-03-01",
        "step": "P7D",
        "recompute": True,
        "instance_count": 8,
        "dry_run": True,
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ndvi", "--start", "2026-03-01", "--end", "2026-01-01"], "is not before `end`"),
        (["ndvi", *SPAN, "--step", "month"], "`step` (month)"),
        (SPAN, "name a pipeline"),
    ],
)
def test_what_is_wrong_is_told_before_anything_starts(
    cloud: dict[str, Any], arguments: list[str], told: str, capsys: Any
) -> None:
    assert main(["backfill", *arguments]) == 2
    assert told in capsys.readouterr().err
    assert cloud["asked"] == []


def test_ctrl_c_leaves_it_running_and_says_how_to_follow_it(cloud: dict[str, Any], capsys: Any) -> None:
    cloud["ends"] = [KeyboardInterrupt()]
    assert main(["backfill", "ndvi", *SPAN]) == 130
    again = ".venv/bin/geocadence status backfill-1 --stage prod"
    assert f"the backfill goes on. How far it is: {again};" in capsys.readouterr().err


def test_a_dry_run_tells_what_all_windows_would_take(cloud: dict[str, Any], capsys: Any) -> None:
    cloud["ends"] = [GOOD, GOOD]
    assert main(["backfill", "ndvi", *SPAN, "--dry-run"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "together: 3 scenes to process (3 new), about 1.5 instance-hours, about 12.34 USD"
    assert main(["backfill", "ndvi", *SPAN, "--dry-run", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["totals"]["cost_usd"] == 12.34
    assert facts["windows"][1]["state"] == "empty"


def test_a_cap_below_the_whole_starts_nothing(cloud: dict[str, Any], capsys: Any) -> None:
    cloud["ends"] = [GOOD]
    assert main(["backfill", "ndvi", *SPAN, "--max-cost-usd", "12"]) == 1
    assert "nothing was started: 12.34 USD is above --max-cost-usd, 12.00" in capsys.readouterr().err
    assert [asked.get("dry_run") for asked in cloud["asked"]] == [True]


def test_a_cap_that_nothing_is_known_to_hold_against_starts_nothing(cloud: dict[str, Any], capsys: Any) -> None:
    cloud.update(ends=[GOOD], totals=Totals(3, {"new": 3}, None, 1.5, None))
    assert main(["backfill", "ndvi", *SPAN, "--max-cost-usd", "12"]) == 1
    assert "no price is known" in capsys.readouterr().err
    assert len(cloud["asked"]) == 1


def test_a_cap_over_windows_that_could_not_be_planned_starts_nothing(cloud: dict[str, Any]) -> None:
    cloud["ends"] = [BAD]
    assert main(["backfill", "ndvi", *SPAN, "--max-cost-usd", "1000"]) == 1
    assert len(cloud["asked"]) == 1


def test_windows_above_the_limits_are_told_by_the_dry_run_and_start_nothing(cloud: dict[str, Any], capsys: Any) -> None:
    cloud.update(ends=[GOOD, GOOD], totals=Totals(9, {"new": 9}, None, 1.5, 2.0, ("The run would take 9 scenes.",)))
    assert main(["backfill", "ndvi", *SPAN, "--dry-run"]) == 1
    assert "1 window's run would be refused: The run would take 9 scenes." in capsys.readouterr().err
    assert main(["backfill", "ndvi", *SPAN, "--max-cost-usd", "12"]) == 1
    assert "nothing was started: 1 window's run would be refused" in capsys.readouterr().err
    assert [asked.get("dry_run") for asked in cloud["asked"]] == [True, True]


def test_what_a_windows_plan_says_of_its_refusal_is_in_the_totals() -> None:
    found = totals(Plans([plan(2, usd=1.5), plan(4, usd=2.25) | {"refusal": "Too much."}]), GOOD)  # type: ignore[arg-type]
    assert found.refused == ("Too much.",)


def test_below_the_cap_the_backfill_follows_its_dry_run(cloud: dict[str, Any]) -> None:
    cloud["ends"] = [GOOD, GOOD]
    assert main(["backfill", "ndvi", *SPAN, "--max-cost-usd", "12.34"]) == 0
    assert [asked.get("dry_run") for asked in cloud["asked"]] == [True, None]


class Plans:
    """An input bucket that holds plans only."""

    def __init__(self, plans: list[dict[str, Any]]) -> None:
        self._plans = {RunLayout("ndvi", f"run-{number}").plan: plan for number, plan in enumerate(plans)}
        self.inputs = self

    def read_json(self, key: str) -> Any:
        return self._plans.get(key)


def plan(planned: int, *, usd: float | None, size: int | None = 100, first: int = 0) -> dict[str, Any]:
    """Of scenes numbered from `first` on, and one that is skipped."""
    expected = {"instance_hours": planned / 2, "cost_usd": usd, "bytes": size}
    taken = [{"id": f"scene-{planned}-{n}", "decision": "new"} for n in range(first, first + planned)]
    decisions = [*taken, {"id": f"skipped-{planned}-{first}", "decision": "skip"}]
    return {
        "planned": planned,
        "counts": {"new": planned, "skip": 1},
        "estimate": expected,
        "decisions": decisions,
    }


def test_totals_are_the_sums_of_the_windows_plans() -> None:
    found = totals(Plans([plan(2, usd=1.5), plan(4, usd=2.25)]), GOOD)  # type: ignore[arg-type]
    assert found == Totals(6, {"new": 6, "skip": 2}, 200, 3.0, 3.75)


def test_what_several_windows_have_is_paid_for_once() -> None:
    """A composite is in each window that it lasts into: the first takes it, the others find its product."""
    found = totals(Plans([plan(4, usd=2.0), plan(4, usd=2.0, first=1)]), GOOD)  # type: ignore[arg-type]
    assert found == Totals(5, {"new": 5, "skip": 2}, 125, 2.5, 2.5)
    again = totals(Plans([plan(4, usd=2.0), plan(4, usd=None)]), GOOD)  # type: ignore[arg-type]
    assert again == Totals(4, {"new": 4, "skip": 1}, 100, 2.0, 2.0)


def test_a_sum_with_an_unknown_part_is_unknown_but_for_windows_with_nothing_to_do() -> None:
    unknown = totals(Plans([plan(2, usd=None, size=None), plan(4, usd=2.25)]), GOOD)  # type: ignore[arg-type]
    assert (unknown.bytes, unknown.cost_usd) == (None, None)
    known = totals(Plans([plan(0, usd=None, size=None), plan(4, usd=2.25)]), GOOD)  # type: ignore[arg-type]
    assert (known.bytes, known.cost_usd) == (100, 2.25)
