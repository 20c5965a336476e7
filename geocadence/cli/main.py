"""Arguments in, exit code out: 0 well, 1 not well, 2 wrong usage, 130 detached by Ctrl-C."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from geocadence.backfill import DEFAULT_STEP
from geocadence.cli import again, backfill, cloud, definitions, doctor, runs, submit
from geocadence.cli.exit_codes import USAGE
from geocadence.cli.screen import Screen
from geocadence.target import DEFAULT_REGION, TargetError

_RUN = "a run's id, the name of one of its jobs, or an execution's ARN"


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    screen = Screen(as_json=getattr(options, "json", False))
    try:
        return options.run(options, screen)
    except TargetError as error:
        return screen.fail(str(error))
    except (ClientError, BotoCoreError) as error:
        return screen.fail(f"AWS said no: {error}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, with the verb's function as `run`; ends with 2 where they are wrong."""
    parser, verbs = parsers()
    options, unknown = parser.parse_known_args(arguments)
    if options.verb is None:
        parser.print_help(sys.stderr)
        sys.exit(2)
    if unknown:  # told with what the verb takes; argparse itself tells it with the list of verbs
        verbs[options.verb].error(f"unrecognized arguments: {' '.join(unknown)}")
    return options


def parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser, and that of each verb."""
    parser = argparse.ArgumentParser(prog="geocadence", description="Scheduled geospatial pipelines on SageMaker.")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")

    verb = _verb(verbs, "validate", definitions.validate, "check pipeline definitions")
    verb.add_argument("files", nargs="*", metavar="FILE", help="definitions, or folders of them (default: pipelines)")

    verb = verbs.add_parser(
        "schema",
        help="print the JSON Schema of a definition, for editors",
        description="Prints the JSON Schema of a pipeline definition. Editors with YAML support pick it up from the "
        "definition's first line: # yaml-language-server: $schema=pipeline.schema.json",
    )
    verb.set_defaults(run=definitions.schema)

    verb = _verb(verbs, "plan", runs.plan, "show what a run would take, and why (by a dry run)", on_target=True)
    _pipeline_arguments(verb)

    verb = _verb(verbs, "run", runs.run, "start a run and follow it to its end", on_target=True)
    _pipeline_arguments(verb)
    verb.add_argument("--dry-run", action="store_true", help="only plan; start no job")
    _following_arguments(verb)

    verb = _verb(
        verbs, "status", _status, "list the latest runs, show one run, or compare with the source", on_target=True
    )
    verb.add_argument("of", nargs="?", metavar="RUN", help=f"{_RUN}; or a backfill's name")
    verb.add_argument(
        "--reconcile", metavar="NAME", help="compare the source with the catalogue, from --start to --end"
    )
    verb.add_argument("--start", metavar="TIME", help="with --reconcile: the start of the span")
    verb.add_argument("--end", metavar="TIME", help="with --reconcile: the end of the span (default: now)")
    verb.add_argument(
        "--step",
        metavar="PERIOD",
        help=f"with --reconcile: how much to compare at a time (default: {DEFAULT_STEP})",
    )

    text = "run a long span, window by window; repeat the command to follow it, or to continue it"
    verb = _verb(verbs, "backfill", backfill.backfill, text, on_target=True)
    _naming_arguments(verb)
    verb.add_argument("--start", metavar="TIME", required=True, help="the start of the span, e.g. 2025-01-01")
    verb.add_argument("--end", metavar="TIME", help="the end of the span (default: now)")
    verb.add_argument(
        "--step", metavar="PERIOD", help=f"the length of a window, e.g. P1M or P7D (default: {DEFAULT_STEP})"
    )
    text = "also take scenes that have a product; when repeated after a failure, only those not remade yet"
    verb.add_argument("--recompute", action="store_true", help=text)
    verb.add_argument("--instance-count", type=int, metavar="N", help="instances of a job (default: the definition's)")
    verb.add_argument(
        "--dry-run", action="store_true", help="plan every window and say what it would take; start no job"
    )
    verb.add_argument(
        "--max-cost-usd",
        type=_amount,
        metavar="USD",
        help="plan every window first, and start nothing if the sum is above this",
    )
    verb.add_argument("--no-wait", action="store_true", help="print the backfill's name, and do not follow it")

    verb = _verb(verbs, "retry", again.retry, "run again what a run was to produce and did not", on_target=True)
    verb.add_argument("of", metavar="RUN", help=_RUN)
    _following_arguments(verb)

    verb = _verb(verbs, "recompute", again.recompute, "remake the products of all scenes of a window", on_target=True)
    _pipeline_arguments(verb, recompute=False)
    _following_arguments(verb)

    verb = _verb(verbs, "logs", runs.logs, "print what the processing jobs of a run wrote", on_target=True)
    verb.add_argument("of", metavar="RUN", help=_RUN)

    text = "start one job with the SageMaker SDK's ScriptProcessor, without the state machine"
    verb = _verb(verbs, "submit", submit.submit, text, on_target=True)
    _pipeline_arguments(verb)
    verb.add_argument(
        "--wait",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="follow the job's status and logs; --no-wait only prints the id of its run",
    )

    verb = _verb(
        verbs,
        "doctor",
        doctor.doctor,
        "check region, bootstrap, image, quotas, deployment and schedule",
        on_target=True,
    )
    verb.add_argument("name", nargs="?", metavar="NAME", help="only this pipeline (default: all under pipelines)")
    verb.add_argument("--definition", metavar="FILE", help="the pipeline of this definition file, instead of NAME")

    verb = _verb(
        verbs, "local", cloud.local, "start or stop the local cloud, an AWS on this machine, or show whether it runs"
    )
    verb.add_argument("action", choices=("up", "down", "status"))
    return parser, verbs.choices


def _status(options: argparse.Namespace, screen: Screen) -> int:
    if not options.reconcile:
        if options.start or options.end or options.step:
            screen.fail("--start, --end and --step go with --reconcile NAME")
            return USAGE
        return runs.status(options, screen)
    if options.of:
        screen.fail(f"--reconcile looks at a whole pipeline, not at {options.of} (take one of the two)")
        return USAGE
    return again.reconcile(options, screen)


def _amount(text: str) -> float:
    """`nan` would hold nothing, as no sum is above it."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise argparse.ArgumentTypeError(f"{text} is no amount of money (expected e.g. 50)")
    return number


def _verb(verbs, name, function, text, *, on_target: bool = False) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".")
    verb.set_defaults(run=function)
    verb.add_argument("--json", action="store_true", help="print facts as JSON")
    if on_target:
        verb.add_argument("--stage", help="the deployment (default: dev; with --local: local)")
        verb.add_argument("--local", action="store_true", help="on the local cloud instead of AWS")
        verb.add_argument("--region", help=f"AWS region (default: {DEFAULT_REGION})")
    return verb


def _following_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--out", metavar="DIR", help="download the results of the run to DIR/<run-id>/")
    verb.add_argument("--no-wait", action="store_true", help="print the run's id, and do not follow it")


def _naming_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("name", nargs="?", metavar="NAME", help="the pipeline's name")
    verb.add_argument("--definition", metavar="FILE", help="the pipeline of this definition file, instead of NAME")


def _pipeline_arguments(verb: argparse.ArgumentParser, *, recompute: bool = True) -> None:
    _naming_arguments(verb)
    verb.add_argument("--start", metavar="TIME", help="the window's start, e.g. 2026-11-01 or 2026-11-01T06:00:00Z")
    verb.add_argument("--end", metavar="TIME", help="the window's end (default: now)")
    verb.add_argument("--scene", action="append", metavar="ID", help="only this scene; may be given several times")
    if recompute:
        verb.add_argument("--recompute", action="store_true", help="also take scenes that have a product")
    verb.add_argument("--instance-count", type=int, metavar="N", help="instances of a job (default: the definition's)")
