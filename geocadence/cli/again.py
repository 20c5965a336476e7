"""`retry`, `recompute` and `status --reconcile`: what is missing, and made again."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from geocadence.again import NothingToRetry, drift, inputs_for_retry, latest_failures
from geocadence.backfill import DEFAULT_STEP, cut_windows
from geocadence.cli import runs
from geocadence.cli.cloud import target as target_of
from geocadence.cli.exit_codes import DETACHED, USAGE
from geocadence.cli.screen import Screen
from geocadence.follow import find_run
from geocadence.instants import parse_instant
from geocadence.layout import RunLayout
from geocadence.progress import RUNNING, RunWatch
from geocadence.report.page import moment
from geocadence.source_kinds import has_scenes


def retry(options: argparse.Namespace, screen: Screen) -> int:
    """What is missing; where it is more than one run may name, run after run, whatever becomes of each."""
    target = target_of(options)
    before = find_run(target, options.of)
    layout = RunLayout(before.pipeline, before.run_id)
    if RunWatch(target, before).look()[0].status in RUNNING:
        far = f".venv/bin/geocadence status {before.run_id}{target.flags}"
        return screen.fail(f"run {before.run_id} is still at work: what is missing at its end can be retried ({far})")
    try:
        parts = inputs_for_retry(layout, inputs=target.inputs, outputs=target.outputs)
    except NothingToRetry as error:
        return screen.fail(str(error))
    ends = []
    for n, asked in enumerate(parts, start=1):
        if len(parts) > 1:
            screen.err.print(f"run {n} of {len(parts)}: {len(asked['scenes'])} scenes", markup=False)
        ends.append(runs.start_and_follow(target, before.pipeline, asked, options, screen))
        left = sum(len(part["scenes"]) for part in parts[n:])
        if left and (options.no_wait or ends[-1] == DETACHED):
            again = f".venv/bin/geocadence retry {before.run_id}{target.flags}"
            screen.err.print(f"{left} scenes are left; once this run has ended: {again}", markup=False)
            break
    return max(ends)


def recompute(options: argparse.Namespace, screen: Screen) -> int:
    """All scenes of a window anew, whatever recipe their products were made by."""
    options.recompute, options.dry_run = True, False
    return runs.run(options, screen)


def reconcile(options: argparse.Namespace, screen: Screen) -> int:
    """The source's catalogue against ours, window by window, by dry runs of what is deployed."""
    try:
        start = parse_instant(options.start or "")
        end = parse_instant(options.end) if options.end else datetime.now(UTC)
        windows = list(cut_windows(start, end, options.step or DEFAULT_STEP))
    except ValueError as error:
        screen.fail(f"--start, --end or --step {error}")
        return USAGE
    if start >= end:
        screen.fail("--start is not before --end")
        return USAGE
    target = target_of(options)
    missing: list[dict[str, Any]] = []
    compared, known = 0, set[str]()
    for window in windows:
        screen.err.print(f"comparing {moment(window['start'])} to {moment(window['end'])}", markup=False)
        finished = runs.follow_quietly(target, options.reconcile, {"window": window, "dry_run": True}, screen)
        if isinstance(finished, int):
            return finished
        layout = RunLayout(options.reconcile, finished.run.run_id)
        plan = target.inputs.read_json(layout.plan)
        if not finished.is_good or plan is None:
            return screen.fail(finished.cause or f"the dry run ended as {finished.status.lower()}")
        if not has_scenes(plan["source"]):
            return screen.fail(
                f"{options.reconcile} takes the objects of a {plan['source']}, not scenes: there is nothing to "
                "compare, as nobody knows which product is of which object"
            )
        # A composite is in each window that it lasts into, and told of once.
        decisions = [each for each in plan["decisions"] if each["id"] not in known]
        known.update(each["id"] for each in decisions)
        wanting = {each["id"] for each in decisions if each["decision"] != "skip"}
        failures = latest_failures(target.outputs, options.reconcile, wanting) if wanting else {}
        missing += drift(decisions, failures)
        compared += len(decisions)
    if screen.as_json:
        screen.facts({"compared": compared, "missing": missing})
    else:
        rows = [(each["id"], each["datetime"], each["decision"], each["reason"]) for each in missing]
        if rows:
            screen.table(("scene", "date", "decision", "why"), rows)
        screen.say(f"{compared} scenes in the source, {compared - len(missing)} in the catalogue as they should be")
    return 1 if any(each["decision"] != "rejected" for each in missing) else 0
