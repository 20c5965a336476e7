"""CutWindows: the Lambda handler that checks a backfill's input and cuts its span into windows.

Needs, to go on with what is to be made anew: states:ListExecutions of its own machine and states:DescribeExecution of
the machine's executions. What each run does is the run's own.
"""

from __future__ import annotations

from typing import Any

from geocadence.backfill import read_backfill
from geocadence.backfill_attempts import first_asked
from geocadence.instants import format_instant, parse_instant
from run_functions.environment import client, log_as_json


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    log_as_json(execution=event["execution_arn"])
    asked, started_at = event.get("input"), parse_instant(event["started_at"])
    backfill = read_backfill(asked, started_at=started_at)
    run = backfill.run
    if run.get("recompute") is True:
        since = first_asked(
            client("stepfunctions"), execution_arn=event["execution_arn"], asked=asked, started_at=started_at
        )
        run = run | {"recompute": format_instant(since)}
    return {"windows": backfill.windows, "run": run}
