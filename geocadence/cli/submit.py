"""`submit`: one processing job by the SageMaker SDK, followed to its end."""

from __future__ import annotations

import argparse
import time
from typing import Any

from botocore.exceptions import ClientError

from geocadence.cli.asking import execution_input, note_differences, pipeline_name
from geocadence.cli.cloud import target as target_of
from geocadence.cli.exit_codes import DETACHED
from geocadence.cli.job_lines import tell_jobs, with_phases
from geocadence.cli.left_out import left_out
from geocadence.cli.screen import Screen
from geocadence.close.jobs import describe
from geocadence.job_log import JobLog
from geocadence.layout import RunLayout
from geocadence.submission import prepare, start_job
from geocadence.target import Target

_ENDED = ("Completed", "Failed", "Stopped")


def submit(options: argparse.Namespace, screen: Screen) -> int:
    pipeline = pipeline_name(options, screen)
    if isinstance(pipeline, int):
        return pipeline
    target = target_of(options)
    note_differences(target, pipeline, options, screen)
    submission = prepare(target, pipeline, execution_input(options, dry_run=False))
    if options.scene or submission.request is None:
        _tell_left_out(target, RunLayout(pipeline, submission.run_id), screen, by_name=bool(options.scene))
    if submission.request is None:
        screen.facts({"run_id": submission.run_id, "planned": 0}) if screen.as_json else screen.say("nothing to do")
        return 0
    run_id, planned = submission.run_id, submission.planned

    def started(name: str) -> None:
        screen.err.print(f"run {run_id} of {pipeline}: job {name}, {planned} planned", markup=False)
        screen.err.print(_way_back(target, run_id), markup=False)

    name = start_job(target, pipeline, submission, started=started)
    facts = {"run_id": run_id, "planned": planned, "job": name}
    if not options.wait:
        screen.facts(facts) if screen.as_json else screen.say(run_id)
        return 0
    try:
        job = _follow(target, name, run_id, screen)
    except KeyboardInterrupt:
        screen.err.print(f"detached; the job goes on. {_way_back(target, run_id)}", markup=False)
        return DETACHED
    if screen.as_json:
        screen.facts(facts | {"status": job["status"], "exit_message": job["exit_message"]})
    else:
        tell_jobs(target, [job], screen, run_id=run_id)
    return 0 if job["status"] == "Completed" else 1


def _tell_left_out(target: Target, layout: RunLayout, screen: Screen, *, by_name: bool) -> None:
    """On stderr, where it can be told: who submits need not be able to read plans."""
    try:
        document = (target.inputs.read_json if by_name else target.inputs.read_head)(layout.plan) or {}
    except ClientError:
        return
    for sentence in left_out(document, by_name=by_name):
        screen.err.print(sentence, markup=False)


def _way_back(target: Target, run_id: str) -> str:
    """`status` alone lists executions, of which a submitted job has none."""
    command = ".venv/bin/geocadence"
    return (
        f"How far it is: {command} status {run_id}{target.flags}; what it wrote: {command} logs {run_id}{target.flags}"
    )


def _follow(target: Target, name: str, run_id: str, screen: Screen) -> dict[str, Any]:
    """Show each phase and each new line of the log until the job has ended."""
    log = JobLog(target.client("logs"), name)
    said = ""
    while True:
        answer = target.client("sagemaker").describe_processing_job(ProcessingJobName=name)
        (job,) = with_phases(target, [describe(answer)], run_id=run_id)
        if job["phase"] != said:
            said = job["phase"]
            screen.err.print(f"{said} ({job['elapsed']:.0f} s)", markup=False)
        for host, line in log.new_lines():
            screen.err.print(f"{host}  {line}", markup=False)
        if job["status"] in _ENDED:
            return job
        time.sleep(0.5 if target.is_local else 10)
