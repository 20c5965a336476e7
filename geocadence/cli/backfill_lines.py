"""A backfill's windows as a table, or as facts."""

from __future__ import annotations

from typing import Any

from geocadence.backfill_progress import BackfillHandle, BackfillProgress, WindowState
from geocadence.cli.screen import Screen


def tell_backfill(backfill: BackfillHandle, progress: BackfillProgress, screen: Screen) -> None:
    if screen.as_json:
        screen.facts(backfill_facts(backfill, progress))
        return
    rows = [
        (_days(w), w.state, w.planned or "", w.produced or "", w.failed or "", w.run.run_id if w.run else "", w.reason)
        for w in progress.windows
    ]
    if rows:
        numbers = ("planned", "produced", "failed")
        screen.table(("window", "state", *numbers, "run", "why"), rows, numbers=numbers)
        screen.say()
    status = progress.status.lower().replace("_", " ")
    screen.say(f"{backfill.pipeline}  {backfill.name}  {status}: {summary(progress)}")
    if progress.cause:
        screen.say(progress.cause)
    partial = [window.run.run_id for window in progress.windows if window.state == "partial" and window.run]
    # One that succeeded is checked input, and the end of what was asked for (`geocadence.backfill_attempts`).
    if partial and progress.status == "SUCCEEDED" and backfill.asked.get("recompute") is True:
        screen.say(
            f"What is missing is asked for run by run: .venv/bin/geocadence retry {partial[0]}"
            + (f" (and {len(partial) - 1} more)" if len(partial) > 1 else "")
            + "; the same backfill again would make, and pay for, all anew."
        )


def backfill_facts(backfill: BackfillHandle, progress: BackfillProgress) -> dict[str, Any]:
    return {
        "backfill": backfill.name,
        "pipeline": backfill.pipeline,
        "execution_arn": backfill.execution_arn,
        "asked": backfill.asked,
        "status": progress.status,
        "cause": progress.cause,
        "windows": [
            {
                "start": w.start,
                "end": w.end,
                "state": w.state,
                "run_id": w.run.run_id if w.run else None,
                "planned": w.planned,
                "produced": w.produced,
                "failed": w.failed,
                "reason": w.reason,
            }
            for w in progress.windows
        ],
    }


def summary(progress: BackfillProgress) -> str:
    states = ("complete", "partial", "empty", "failed", "running", "waiting", "not started")
    counted = [f"{number} {state}" for state in states if (number := progress.count(state))]
    planned, produced, failed = (
        sum(getattr(window, what) for window in progress.windows) for what in ("planned", "produced", "failed")
    )
    return f"{len(progress.windows)} windows ({', '.join(counted)}); {produced} of {planned} scenes produced" + (
        f", {failed} failed" if failed else ""
    )


def _days(window: WindowState) -> str:
    """The window by its days where it begins and ends with one, as calendars' months do."""
    start = window.start.removesuffix("T00:00:00Z")
    return f"{start} to {window.end.removesuffix('T23:59:59.999999Z').removesuffix('T00:00:00Z')}"
