"""CutWindows: the Lambda handler that checks a backfill's input and cuts its span into windows.

Needs nothing of AWS: what each run does is the run's own.
"""

from __future__ import annotations

from typing import Any

from geocadence.backfill import read_backfill
from geocadence.instants import parse_instant
from run_functions.environment import log_as_json


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    log_as_json(execution=event["execution_arn"])
    backfill = read_backfill(event.get("input"), started_at=parse_instant(event["started_at"]))
    return {"windows": backfill.windows, "run": backfill.run}
