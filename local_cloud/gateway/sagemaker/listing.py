"""ListProcessingJobs: which jobs, in which order, in pages."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Any

from .errors import invalid

# Not documented for this action; the other List actions of SageMaker state it.
PAGE = 10

_SORT_BY = {"Name": "ProcessingJobName", "CreationTime": "CreationTime", "Status": "ProcessingJobStatus"}


def list_jobs(summaries: Iterable[dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    """The response to a checked `request` over all jobs' summaries."""
    field = _SORT_BY[request.get("SortBy", "CreationTime")]
    descending = request.get("SortOrder", "Ascending") == "Descending"

    def position(summary: dict[str, Any]) -> list[Any]:
        return [summary[field], summary["ProcessingJobName"]]

    found = sorted((entry for entry in summaries if _matches(entry, request)), key=position, reverse=descending)
    if token := request.get("NextToken"):
        # A place, not an offset: jobs created between two pages neither repeat nor hide others.
        last = _read_token(token)
        found = [entry for entry in found if (position(entry) < last if descending else position(entry) > last)]
    size = request.get("MaxResults", PAGE)
    response: dict[str, Any] = {"ProcessingJobSummaries": found[:size]}
    if len(found) > size:
        response["NextToken"] = base64.urlsafe_b64encode(json.dumps(position(found[size - 1])).encode()).decode()
    return response


def _matches(summary: dict[str, Any], request: dict[str, Any]) -> bool:
    created, modified = summary["CreationTime"], summary["LastModifiedTime"]
    return (
        request.get("NameContains", "") in summary["ProcessingJobName"]
        and request.get("StatusEquals", summary["ProcessingJobStatus"]) == summary["ProcessingJobStatus"]
        and created >= request.get("CreationTimeAfter", created)
        and created <= request.get("CreationTimeBefore", created)
        and modified >= request.get("LastModifiedTimeAfter", modified)
        and modified <= request.get("LastModifiedTimeBefore", modified)
    )


def _read_token(token: str) -> list[Any]:
    try:
        place = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError) as error:
        raise invalid("Invalid NextToken: pass the one that the previous page returned.") from error
    if not (isinstance(place, list) and len(place) == 2):
        raise invalid("Invalid NextToken: pass the one that the previous page returned.")
    return place
