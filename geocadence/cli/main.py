"""Arguments in, exit code out: 0 well, 1 not well, 2 wrong usage, 130 detached by Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from geocadence.backfill import DEFAULT_STEP
from geocadence.cli import again, backfill, checkup, cloud, definitions, jobs, runs
from geocadence.cli.screen import Screen
from geocadence.target import DEFAULT_REGION, TargetError

_RUN = "a run's id, the name of one of its jobs, or an execution's ARN"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    screen = Screen(as_json=getattr(options, "json", False))
    try:
        return options.run(options, screen)
    except TargetError as error:
        return screen.fail(str(error))
    except (ClientError, BotoCoreError) as error:
        return screen.fail(f"AWS said no: {error}")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser, verbs = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if options.verb is None:
        parser.print_help(sys.stderr)
        sys.exit(2)
    if unknown:  # told with what the verb takes; argparse itself tells it with the list of verbs
        verbs[options.verb].error(f"unrecognized arguments: {' '.join(unknown)}")
    return options


def _parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
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

    verb = _verb(verbs, "plan", runs.plan, "what a run would take, and why: an execution as a dry run", on_target=True)
    _pipeline_arguments(verb)

    verb = _verb(verbs, "run", runs.run, "start a run and follow it to its end", on_target=True)
    _pipeline_arguments(verb)
    verb.add_argument("--dry-run", action="store_true", help="plan only, start no job")
    _following_arguments(verb)

    verb = _verb(verbs, "status", _status, "the latest runs, one run in detail, or what is missing", on_target=True)
    verb.add_argument("of", nargs="?", metavar="RUN", help=f"{_RUN}; or a backfill's name")
    verb.add_argument(
        "--reconcile", metavar="NAME", help="compare the source's catalogue with ours, from --start to --end"
    )
    verb.add_argument("--start", metavar="TIME", help="with --reconcile: from when")
    verb.add_argument("--end", metavar="TIME", help="with --reconcile: until when (default: now)")
    verb.add_argument(
        "--step",
        metavar="PERIOD",
        default=DEFAULT_STEP,
        help=f"with --reconcile: compare so much at once ({DEFAULT_STEP})",
    )

    text = "a long span, window by window: each one a run; again to follow it, or to do what is missing"
    verb = _verb(verbs, "backfill", backfill.backfill, text, on_target=True)
    _naming_arguments(verb)
    verb.add_argument("--start", metavar="TIME", required=True, help="from when, e.g. 2025-01-01")
    verb.add_argument("--end", metavar="TIME", help="until when (default: now)")
    verb.add_argument("--step", metavar="PERIOD", help=f"how long a window is, e.g. P1M, P7D (default: {DEFAULT_STEP})")
    text = "take scenes that have a product, too; again: those that an attempt which did not succeed has not made anew"
    verb.add_argument("--recompute", action="store_true", help=text)
    verb.add_argument("--instance-count", type=int, metavar="N", help="instances of a job (default: the definition's)")
    verb.add_argument("--dry-run", action="store_true", help="plan every window, start no job: what it would take")
    verb.add_argument(
        "--max-cost-usd", type=float, metavar="USD", help="plan every window first; above this sum start nothing"
    )
    verb.add_argument("--no-wait", action="store_true", help="start, print the backfill's name, do not follow")

    verb = _verb(verbs, "retry", again.retry, "what a run was to produce and did not, once more", on_target=True)
    verb.add_argument("of", metavar="RUN", help=_RUN)
    _following_arguments(verb)

    verb = _verb(verbs, "recompute", again.recompute, "make the products of a window's scenes anew", on_target=True)
    _pipeline_arguments(verb, recompute=False)
    _following_arguments(verb)

    verb = _verb(verbs, "logs", runs.logs, "what a run's processing jobs wrote", on_target=True)
    verb.add_argument("of", metavar="RUN", help=_RUN)

    text = "one job by the SageMaker SDK's ScriptProcessor, past the state machine"
    verb = _verb(verbs, "submit", jobs.submit_job, text, on_target=True)
    _pipeline_arguments(verb)
    verb.add_argument(
        "--wait",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="follow the job's status and logs; --no-wait prints its run's id",
    )

    verb = _verb(
        verbs, "doctor", checkup.doctor, "region, bootstrap, image, quotas, deployment, schedule", on_target=True
    )
    verb.add_argument("name", nargs="?", metavar="NAME", help="this pipeline only (default: all under pipelines)")
    verb.add_argument("--definition", metavar="FILE", help="the pipeline of this definition, instead of NAME")

    verb = _verb(verbs, "local", cloud.local, "the local cloud: AWS on this machine")
    verb.add_argument("action", choices=("up", "down", "status"))
    return parser, verbs.choices


def _status(options: argparse.Namespace, screen: Screen) -> int:
    return again.reconcile(options, screen) if options.reconcile else runs.status(options, screen)


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
    verb.add_argument("--out", metavar="DIR", help="fetch what the run made into DIR/<run-id>/")
    verb.add_argument("--no-wait", action="store_true", help="start, print the run's id, do not follow")


def _naming_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("name", nargs="?", metavar="NAME", help="the pipeline's name")
    verb.add_argument("--definition", metavar="FILE", help="the pipeline of this definition, instead of NAME")


def _pipeline_arguments(verb: argparse.ArgumentParser, *, recompute: bool = True) -> None:
    _naming_arguments(verb)
    verb.add_argument("--start", metavar="TIME", help="the window's start, e.g. 2026-11-01 or 2026-11-01T06:00:00Z")
    verb.add_argument("--end", metavar="TIME", help="the window's end (default: now)")
    verb.add_argument("--scene", action="append", metavar="ID", help="this scene only; may be given several times")
    if recompute:
        verb.add_argument("--recompute", action="store_true", help="take scenes that have a product, too")
    verb.add_argument("--instance-count", type=int, metavar="N", help="instances of a job (default: the definition's)")
