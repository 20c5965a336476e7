"""When a backfill was asked for first: by its earlier attempts that came to no good end.

Where only new scenes are wanted, a window is done when its products are there. Where all are to be made anew it is done
when they are newer than the wish, so whoever starts such a backfill again has to know of the first time. Step Functions
does: it keeps what was started, with which input and how it ended, for 90 days.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from geocadence.backfill import DEFAULT_STEP
from geocadence.instants import parse_instant


def first_asked(states: Any, *, execution_arn: str, asked: dict[str, Any], started_at: datetime) -> datetime:
    """The start of the first attempt since one succeeded; this execution's own where there was none.

    An attempt is an execution that was to recompute the same span in the same steps. Dry runs made nothing.
    """
    machine = execution_arn.replace(":execution:", ":stateMachine:").rpartition(":")[0]
    first = started_at
    # The latest first (https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html).
    for page in states.get_paginator("list_executions").paginate(stateMachineArn=machine):
        for execution in page["executions"]:
            if execution["executionArn"] == execution_arn or execution["startDate"] >= first:
                continue
            earlier = states.describe_execution(executionArn=execution["executionArn"])
            if not _is_the_same(json.loads(earlier.get("input") or "{}"), asked):
                continue
            if execution["status"] == "SUCCEEDED":
                return first
            first = execution["startDate"].astimezone(UTC)
    return first


def _is_the_same(earlier: Any, asked: dict[str, Any]) -> bool:
    """`asked` has been checked; what was typed in earlier may be anything."""
    if not isinstance(earlier, dict) or earlier.get("recompute") is not True or earlier.get("dry_run"):
        return False
    try:
        return _span(earlier) == _span(asked)
    except (ValueError, TypeError, AttributeError, KeyError):
        return False


def _span(asked: dict[str, Any]) -> tuple[Any, ...]:
    """Without an `end` it is the time at which an execution started, whichever that was."""
    end = parse_instant(asked["end"]) if "end" in asked else None
    return parse_instant(asked["start"]), end, asked.get("step", DEFAULT_STEP)
