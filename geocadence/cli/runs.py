"""`plan`, `run`, `status` and `logs`: runs of deployed pipelines."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from geocadence.backfill_progress import BackfillWatch, find_backfill
from geocadence.cli.amounts import amounts
from geocadence.cli.asking import execution_input, note_differences, pipeline_name
from geocadence.cli.backfill_lines import tell_backfill
from geocadence.cli.bar import ProgressBar
from geocadence.cli.cloud import target as target_of
from geocadence.cli.exit_codes import DETACHED, USAGE
from geocadence.cli.job_lines import tell_jobs, with_phases
from geocadence.cli.left_out import left_out
from geocadence.cli.screen import Screen
from geocadence.follow import Finished, fetch_run, find_run, follow, start
from geocadence.instants import format_instant
from geocadence.layout import RunLayout
from geocadence.progress import RunHandle, RunWatch
from geocadence.recent import recent_runs
from geocadence.report.page import duration, moment
from geocadence.run_logs import read_logs
from geocadence.source_kinds import has_scenes
from geocadence.target import Target, TargetError


def plan(options: argparse.Namespace, screen: Screen) -> int:
    """A dry run on the deployed state machine, so that what it says is what a run would do."""
    name = pipeline_name(options, screen)
    if isinstance(name, int):
        return name
    target = target_of(options)
    note_differences(target, name, options, screen)
    run = start(target, name, execution_input(options, dry_run=True))
    finished = _follow(target, run, screen)
    if isinstance(finished, int):
        return finished
    document = target.inputs.read_json(RunLayout(run.pipeline, run.run_id).plan)
    if not finished.is_good or document is None:
        return screen.fail(finished.cause or f"the dry run ended as {finished.status.lower()}")
    # What a run would be refused for, the limits that it is above.
    refusal = document.get("refusal")
    if screen.as_json:
        screen.facts(document)
        return 1 if refusal else 0
    rows = [(d["id"], d["datetime"], d["decision"], d["reason"]) for d in document["decisions"]]
    if rows:
        screen.table(("scene", "date", "decision", "why"), rows)
        screen.say()
    window = document["window"]
    screen.say(f"window {moment(window['start'])} to {moment(window['end'])}")
    counts = ", ".join(f"{number} {verdict}" for verdict, number in document["counts"].items())
    is_scenes = has_scenes(document["source"])
    screen.say(f"{document['planned']} {'scenes' if is_scenes else 'objects'} to process" + f" ({counts})" * is_scenes)
    if is_scenes and not document["decisions"]:
        screen.say("the source has no scene in this window (--start and --end name another)")
    if document.get("note"):
        screen.say(document["note"])
    if (expected := document.get("estimate")) and document["planned"]:
        screen.say(_expected(expected))
    return _told_refusal(document, screen) if refusal else 0


def _told_refusal(document: dict[str, Any], screen: Screen) -> int:
    return screen.fail(f"a run would be refused: {document['refusal']}")


def run(options: argparse.Namespace, screen: Screen) -> int:
    name = pipeline_name(options, screen)
    if isinstance(name, int):
        return name
    target = target_of(options)
    note_differences(target, name, options, screen)
    return start_and_follow(target, name, execution_input(options, dry_run=options.dry_run), options, screen)


def start_and_follow(
    target: Target, name: str, asked: dict[str, Any], options: argparse.Namespace, screen: Screen
) -> int:
    out = _folder_for(options, screen)
    if isinstance(out, int):
        return out
    started = start(target, name, asked)
    if options.no_wait:
        facts = {"run_id": started.run_id, "execution_arn": started.execution_arn}
        screen.facts(facts) if screen.as_json else screen.say(started.run_id)
        return 0
    screen.err.print(f"run {started.run_id} of {name}", markup=False)
    finished = _follow(target, started, screen)
    if isinstance(finished, int):
        return finished
    _tell_end(finished, screen)
    if not finished.is_good and not screen.as_json:
        tell_jobs(target, finished.jobs, screen, run_id=started.run_id)
    if out and finished.output.get("report"):
        try:
            screen.say(f"fetched to {fetch_run(target, started, out=out)}")
        except OSError as error:
            return screen.fail(f"what the run made could not be fetched: {error} (it is in the output bucket)")
    named = bool(asked.get("scenes"))
    if named or asked.get("dry_run") or finished.output.get("planned") == 0:
        # Where nothing was named the head says all that is told.
        read = target.inputs.read_json if named else target.inputs.read_head
        document = read(RunLayout(started.pipeline, started.run_id).plan) or {}
        for sentence in left_out(document, by_name=named):
            screen.say(sentence)
        if finished.is_good and document.get("refusal"):
            return _told_refusal(document, screen)
    return 0 if finished.is_good else 1


def _folder_for(options: argparse.Namespace, screen: Screen) -> Path | int | None:
    """Where `--out` wants the run: known to take files before anything is started and paid for. Else an exit code."""
    if options.out is None:
        return None
    if options.no_wait:
        screen.fail("--out waits for the run's end, --no-wait does not: take one of the two")
        return USAGE
    folder = Path(options.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return screen.fail(f"--out {folder} takes no files: {error.strerror} (nothing was started)")
    return folder


def status(options: argparse.Namespace, screen: Screen) -> int:
    target = target_of(options)
    if options.of is None:
        return _tell_recent(target, screen)
    if (found := find_backfill(target, options.of)) is not None:
        tell_backfill(found, BackfillWatch(target, found).look(), screen)
        return 0
    run = find_run(target, options.of)
    progress, answer = RunWatch(target, run).look()
    record = target.outputs.read_json(RunLayout(run.pipeline, run.run_id).run_json)
    if screen.as_json:
        facts = {
            "phase": progress.phase,
            "jobs": with_phases(target, progress.jobs, run_id=run.run_id, pauses=progress.pauses),
            "cause": answer.get("cause", ""),
            "record": record,
        }
        screen.facts({"run_id": run.run_id, "pipeline": run.pipeline, "status": progress.status} | facts)
        return 0
    waits = [pause.since for pause in progress.pauses if pause.phase == progress.phase]
    since = f" since {moment(format_instant(min(waits)))}" if waits else ""
    screen.say(f"{run.pipeline}  {run.run_id}  {progress.phase}{since}")
    if answer.get("cause"):
        screen.say(answer["cause"])
    if record is not None:
        screen.say(_numbers(record) + " (a dry run)" * bool(record.get("dry_run")))
    elif progress.planned is not None:
        done = (
            f"{progress.planned} planned"
            if progress.produced is None
            else f"{progress.produced} of {progress.planned} done"
        )
        screen.say(f"{done}, {progress.failed} failed")
    tell_jobs(target, progress.jobs, screen, run_id=run.run_id, pauses=progress.pauses)
    failures = {scene["id"]: scene["failure"] for scene in (record or {}).get("scenes", []) if "failure" in scene}
    for scene_id, failure in failures.items():
        screen.say(f"{scene_id}: {failure['reason']}")
    for what_to_do in dict.fromkeys(failure["advice"] for failure in failures.values() if failure["advice"]):
        screen.say(f"  {what_to_do}")
    return 0


def logs(options: argparse.Namespace, screen: Screen) -> int:
    target = target_of(options)
    run = find_run(target, options.of)
    count = 0
    for line in read_logs(target, run):
        count += 1
        if screen.as_json:
            screen.facts(line)
        else:
            screen.say(f"{line['stream']}  {line['message']}")
    if not count:
        screen.err.print(f"no processing job of {run.run_id} has written anything yet", markup=False)
    return 0


def _expected(expected: dict[str, Any]) -> str:
    hours, cost = expected["instance_hours"], expected["cost_usd"]
    return f"{amounts(bytes_=expected['bytes'], instance_hours=hours, cost_usd=cost)} ({expected['basis']})"


def follow_quietly(target: Target, name: str, asked: dict[str, Any], screen: Screen) -> Finished | int:
    """A run of which only the end matters."""
    return _follow(target, start(target, name, asked), screen, is_told=False)


def _follow(target: Target, run: RunHandle, screen: Screen, *, is_told: bool = True) -> Finished | int:
    try:
        if not is_told:
            return follow(target, run, on_progress=lambda _: None)
        with ProgressBar(screen.err) as bar:
            return follow(target, run, on_progress=bar.show)
    except KeyboardInterrupt:
        again = f".venv/bin/geocadence status {run.run_id}{target.flags}"
        screen.err.print(f"detached; the run goes on. How far it is: {again}", markup=False)
        return DETACHED


def _tell_end(finished: Finished, screen: Screen) -> None:
    if screen.as_json:
        end = {"status": finished.status, "error": finished.error, "cause": finished.cause}
        screen.facts(finished.output | end)
        return
    if finished.cause:
        screen.say(finished.cause)
    if "outcome" in finished.output:
        screen.say(_numbers(finished.output))
        screen.say(f"report: {finished.output['report']}")
    elif not finished.cause:
        screen.say(f"the execution ended as {finished.status.lower()}")


def _numbers(output: dict[str, Any]) -> str:
    return (
        f"{output['outcome']}: {output['planned']} planned, {output['produced']} produced, "
        f"{output['skipped']} skipped, {output['failed']} failed"
    )


def _tell_recent(target: Target, screen: Screen) -> int:
    found = recent_runs(target)
    if screen.as_json:
        screen.facts(found)
    elif not found:
        raise TargetError(f"stage {target.stage} in {target.region} has no runs yet")
    else:
        rows = [
            (r["pipeline"], r["run_id"], r["status"], moment(r["started_at"]), duration(r["seconds"])) for r in found
        ]
        screen.table(("pipeline", "run", "status", "started", "took"), rows, numbers=("took",))
    return 0
