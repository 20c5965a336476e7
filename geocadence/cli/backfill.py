"""`backfill`: a long span window by window, followed to its end, and what it would take before that."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from geocadence.backfill import read_backfill
from geocadence.backfill_progress import BackfillHandle, BackfillProgress, BackfillWatch, Totals, start_backfill, totals
from geocadence.cli.amounts import amounts
from geocadence.cli.asking import note_differences, pipeline_name
from geocadence.cli.backfill_lines import backfill_facts, tell_backfill
from geocadence.cli.bar import ProgressBar
from geocadence.cli.cloud import target as target_of
from geocadence.cli.exit_codes import DETACHED, USAGE
from geocadence.cli.screen import Screen
from geocadence.execution_input import InvalidInput
from geocadence.target import Target


def backfill(options: argparse.Namespace, screen: Screen) -> int:
    name = pipeline_name(options, screen)
    if isinstance(name, int):
        return name
    asked = _asked(options)
    try:
        # The machine checks it again, for those who start it in the console.
        read_backfill(asked, started_at=datetime.now(UTC))
    except InvalidInput as error:
        screen.fail(str(error))
        return USAGE
    target = target_of(options)
    note_differences(target, name, options, screen)
    if options.max_cost_usd is not None and not options.dry_run:
        refused = _refused(target, name, asked, options, screen)
        if refused is not None:
            return refused
    started, was_running = start_backfill(target, name, asked)
    if options.no_wait:
        facts = {"backfill": started.name, "execution_arn": started.execution_arn}
        screen.facts(facts) if screen.as_json else screen.say(started.name)
        return 0
    does = "goes on already" if was_running else "started"
    screen.err.print(f"backfill {started.name} of {name} {does}", markup=False)
    progress = _follow(target, started, screen)
    if isinstance(progress, int):
        return progress
    if not asked.get("dry_run"):
        tell_backfill(started, progress, screen)
        return 0 if progress.is_good else 1
    found = totals(target, progress)
    if screen.as_json:
        screen.facts(backfill_facts(started, progress) | {"totals": asdict(found)})
    else:
        tell_backfill(started, progress, screen)
        screen.say(_told(found))
    if found.refused:
        return screen.fail(_told_refused(found))
    return 0 if progress.is_good else 1


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """Only what was asked for: the state machine knows the defaults."""
    given = {
        "start": options.start,
        "end": options.end,
        "step": options.step,
        "recompute": options.recompute or None,
        "instance_count": options.instance_count,
        "dry_run": options.dry_run or None,
    }
    return {key: value for key, value in given.items() if value is not None}


def _refused(
    target: Target, name: str, asked: dict[str, Any], options: argparse.Namespace, screen: Screen
) -> int | None:
    """The exit code where the windows together would cost too much, or nobody knows how much."""
    planned, _ = start_backfill(target, name, asked | {"dry_run": True})
    screen.err.print(f"backfill {planned.name} of {name} plans the windows, as a dry run", markup=False)
    progress = _follow(target, planned, screen)
    if isinstance(progress, int):
        return progress
    if not progress.is_good:
        tell_backfill(planned, progress, screen)
        return 1
    found = totals(target, progress)
    screen.err.print(_told(found), markup=False)
    if found.refused:
        return screen.fail(f"nothing was started: {_told_refused(found)}")
    if found.cost_usd is None:
        return screen.fail(
            "nothing was started: no price is known to hold against --max-cost-usd (processing.hourly_rate says one)"
        )
    if found.cost_usd > options.max_cost_usd:
        return screen.fail(
            f"nothing was started: {found.cost_usd:.2f} USD is above --max-cost-usd, {options.max_cost_usd:.2f}"
        )
    return None


def _follow(target: Target, started: BackfillHandle, screen: Screen) -> BackfillProgress | int:
    try:
        with ProgressBar(screen.err) as bar:
            return BackfillWatch(target, started).follow(on_progress=bar.show_backfill)
    except KeyboardInterrupt:
        again = f".venv/bin/geocadence status {started.name}{target.flags}"
        screen.err.print(
            f"detached; the backfill goes on. How far it is: {again}; the same command as now follows it again",
            markup=False,
        )
        return DETACHED


def _told_refused(found: Totals) -> str:
    windows = "1 window's run" if len(found.refused) == 1 else f"{len(found.refused)} windows' runs"
    return f"{windows} would be refused: {found.refused[0]}"


def _told(found: Totals) -> str:
    counted = ", ".join(f"{number} {verdict}" for verdict, number in found.counts.items())
    taken = amounts(bytes_=found.bytes, instance_hours=found.instance_hours, cost_usd=found.cost_usd)
    return f"together: {found.scenes} scenes to process ({counted}), {taken}"
