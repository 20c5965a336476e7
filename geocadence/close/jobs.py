"""A run's processing jobs as SageMaker tells of them, and what to do about their failures."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from geocadence.console import quotas_page
from geocadence.instants import format_instant

log = logging.getLogger(__name__)

_QUOTA = re.compile(r"'(?P<quota>[^']*(?:for|instances)[^']*)' is (?P<value>\d+)", re.IGNORECASE)
# Python's own, and numpy's: the first words of a traceback's last line.
_NO_MEMORY = re.compile(r"[\w.]*MemoryError\b")
_MORE_MEMORY = "take a larger instance type, or read less at a time."
_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '(?P<module>[\w.]+)'")
_NO_PIP = re.compile(r".*/python[\d.]*: No module named pip\b")
# As boto3 and S3 say it, GDAL ("Access Denied"), and who learns no more than the status.
_DENIED = re.compile(r"Access ?Denied|not authorized to perform|code: 403\b|\(403\)|403 Client Error|Forbidden")
# The action that S3 names where an object is there, readable, and encrypted with a key that the role may not use.
_KEY_DENIED = re.compile(r"\bkms:(Decrypt|GenerateDataKey)\b")
_NO_KEY = (
    "The bucket's objects are encrypted with a KMS key that the job's role may not use: let the key's own policy allow "
    "that role kms:Decrypt, and for outputs kms:GenerateDataKey (a definition opens no keys)."
)
# ENOSPC, as the C library, and so Python, GDAL and everybody else, calls it.
_NO_DISK = "No space left on device"
# 128 and the signal: of what leaves no traceback.
_CRASHES = {"132": "SIGILL", "134": "SIGABRT", "135": "SIGBUS", "136": "SIGFPE", "139": "SIGSEGV"}
_EXIT_CODE = re.compile(r"exit code:? (?P<code>-?\d+)", re.IGNORECASE)


def list_jobs(sagemaker: Any, *, name_prefix: str) -> list[dict[str, Any]]:
    """The jobs whose names begin with `name_prefix`, oldest first; an AWS error where SageMaker won't say."""
    pages = sagemaker.get_paginator("list_processing_jobs").paginate(NameContains=name_prefix)
    names = [
        job["ProcessingJobName"]
        for page in pages
        for job in page["ProcessingJobSummaries"]
        if job["ProcessingJobName"].startswith(name_prefix)
    ]
    jobs = [describe(sagemaker.describe_processing_job(ProcessingJobName=name)) for name in names]
    return sorted(jobs, key=lambda job: (job["created"] or "", job["name"]))


def read_jobs(sagemaker: Any, *, name_prefix: str) -> list[dict[str, Any]]:
    """As `list_jobs`; none where SageMaker won't say.

    The report is worth having without them, so a refusal is logged, not raised.
    """
    try:
        return list_jobs(sagemaker, name_prefix=name_prefix)
    except (ClientError, BotoCoreError) as error:
        log.warning("the processing jobs could not be read", extra={"error": str(error)})
        return []


def has_open_jobs(sagemaker: Any, *, name_prefix: str) -> bool:
    """Whether a job whose name begins with `name_prefix` runs, or is being stopped."""
    return any(
        job["ProcessingJobName"].startswith(name_prefix)
        for status in ("InProgress", "Stopping")
        for page in sagemaker.get_paginator("list_processing_jobs").paginate(
            NameContains=name_prefix, StatusEquals=status
        )
        for job in page["ProcessingJobSummaries"]
    )


def describe(answer: dict[str, Any]) -> dict[str, Any]:
    """DescribeProcessingJob's answer in the words of the report."""
    cluster = answer.get("ProcessingResources", {}).get("ClusterConfig", {})
    started, ended = answer.get("ProcessingStartTime"), answer.get("ProcessingEndTime")
    return {
        "name": answer["ProcessingJobName"],
        "batch": batch_of(answer["ProcessingJobName"]),
        "status": answer["ProcessingJobStatus"],
        "failure_reason": answer.get("FailureReason") or "",
        "exit_message": (answer.get("ExitMessage") or "").strip(),
        "created": _instant(answer.get("CreationTime")),
        "started": _instant(started),
        "ended": _instant(ended),
        "seconds": round((ended - started).total_seconds(), 1) if started and ended else None,
        "instance_type": cluster.get("SelectedInstanceType") or cluster.get("InstanceType"),
        "instance_count": cluster.get("SelectedInstanceCount") or cluster.get("InstanceCount"),
        "max_runtime": answer.get("StoppingCondition", {}).get("MaxRuntimeInSeconds"),
    }


def batch_of(job_name: str) -> int | None:
    """The batch in `<pipeline>-<6 hex>-<12 hex>-<batch>-<attempt>-<redrive>`."""
    match = re.search(r"-[0-9a-f]{6}-[0-9a-f]{12}-(\d+)-\d+-\d+$", job_name)
    return int(match[1]) if match else None


def failure_by_batch(jobs: list[dict[str, Any]]) -> dict[int, str]:
    """Why the last job of each batch did not complete; batches that did are left out."""
    last = {job["batch"]: job for job in jobs if job["batch"] is not None}
    return {batch: failure_sentence(job) for batch, job in last.items() if job["status"] in ("Failed", "Stopped")}


def failure_sentence(job: dict[str, Any]) -> str:
    """What SageMaker and the script said of a job that did not complete."""
    said = [part for part in (job["failure_reason"], job["exit_message"]) if part]
    if job["status"] != "Stopped":
        return "the job failed: " + (" – ".join(dict.fromkeys(said)) or "SageMaker gives no reason")
    # A job past its time ends as one that a person stops, and SageMaker does not say which it was.
    limit = job["max_runtime"]
    why = f"its run time of {limit} s was up" if _ran_out_of_time(job) else "by a person, or with its execution"
    return f"the job was stopped: {' – '.join([why, *dict.fromkeys(said)])}"


def job_advice(
    job: dict[str, Any], *, run: str, region: str | None, last_lines: Mapping[str, Sequence[str]] | None = None
) -> str | None:
    """What to do about a job that did not complete, where that is known; `run` is what commands call its run.

    `last_lines`: of its hosts' logs, by host, which know of a Python that found no memory, no module, no room on the
    disk, or was denied something: its exit code is any exception's. Not so a signal's, whatever the script said before.
    """
    if job["status"] == "Stopped" and not _ran_out_of_time(job):
        return "What it had finished counts: start a run again for the rest."
    if killed := _signal_advice(failure_sentence(job)):
        return killed
    hosts = list((last_lines or {}).values())
    lines = [*(line for said in hosts for line in said), failure_sentence(job)]
    if any(_NO_MEMORY.match(line) for line in lines):
        return f"The script asked for more memory than the instance has: {_MORE_MEMORY}"
    if any(map(_NO_PIP.match, lines)):
        return "The container has no pip: name what the script installs in a file of processing.requirements."
    # Scripts try one library, log that it is not there, and go on without: what counts is what they ended by.
    ends = list(map(_end_of_traceback, hosts))
    if absent := next(filter(None, map(_NO_MODULE.match, ends)), None):
        return (
            f"The container has no module {absent['module']}: name its package in a file of processing.requirements "
            "(where it is one of the script's own, put it into the script's folder)."
        )
    if any(map(_KEY_DENIED.search, ends)):
        return _NO_KEY
    if any(map(_DENIED.search, ends)):
        return (
            "The script was denied what it asked for: S3 that it reads by itself belongs under access.read of the "
            "definition, what it writes under processing.outputs; of a bucket whose requester pays, environment needs "
            "AWS_REQUEST_PAYER: requester; an https:// address may ask for a signature, which the script has to bring."
        )
    if any(_NO_DISK in line for line in lines):
        return (
            "The instance's disk was full: raise processing.volume_size_gb, take more instances, or fewer scenes a job "
            "(limits.scenes_per_job)."
        )
    return advice(failure_sentence(job), run=run, region=region)


def _ran_out_of_time(job: dict[str, Any]) -> bool:
    return bool(job["max_runtime"] and job["seconds"] and job["seconds"] >= job["max_runtime"])


def _end_of_traceback(lines: Sequence[str]) -> str:
    """The last line of the last traceback, which is the first behind its frames that is not indented; "" without one.

    Its first line may be further up than the lines go.
    """
    end, is_within = "", False
    for line in lines:
        if line.startswith('  File "'):
            is_within = True
        elif is_within and line and not line[0].isspace():
            end, is_within = line, False
    return end


def advice(text: str, *, run: str, region: str | None = None) -> str | None:
    """What to do about a failure, where its text is known; `run` is what commands call its run."""
    if killed := _signal_advice(text):
        return killed
    if "ResourceLimitExceeded" in text or ("service limit" in text and "Service Quotas" in text):
        match = _QUOTA.search(text)
        quota = f"“{match['quota']}” (now {match['value']})" if match else "for this instance type and processing jobs"
        return (
            f"Retrying does not help: raise the account's quota {quota} in Service Quotas, "
            f"{quotas_page(region)} , "
            "or take another instance type or fewer instances."
        )
    if "CapacityError" in text or "InsufficientCapacity" in text or "insufficient capacity" in text.lower():
        return (
            "AWS had no such instances at that moment: start the run again later, or name other types beside it "
            "(processing.instance_preferences)."
        )
    if "ThrottlingException" in text or "Rate exceeded" in text:
        return "AWS throttled the requests: start the run again, or lower limits.concurrent_jobs."
    if "MaxRuntime" in text or "its run time of" in text:
        return "Raise processing.max_runtime, take more instances, or fewer scenes a job (limits.scenes_per_job)."
    if _KEY_DENIED.search(text):
        return _NO_KEY
    if "AccessDenied" in text or "not authorized" in text:
        return "A permission is missing: buckets that the scenes lie in belong under access.read of the definition."
    if "CannotPull" in text or "pull image" in text.lower():
        return "The image can't be pulled: check processing.image, its region, and whether the account may pull it."
    if _EXIT_CODE.search(text):
        return f"The script ended with an error: the job's logs say where (.venv/bin/geocadence logs {run})."
    return None


def _signal_advice(text: str) -> str | None:
    """What to do where the text has the exit code of a script that a signal ended."""
    match = _EXIT_CODE.search(text)
    code = match["code"] if match else ""
    if code in ("137", "-9"):
        told = "The script was killed (exit code 137), most often since the instance's memory was full"
        return f"{told}: {_MORE_MEMORY}"
    if code in _CRASHES:
        return (
            f"The script's Python crashed in a library's compiled code ({_CRASHES[code]}): with environment: "
            '{PYTHONFAULTHANDLER: "1"} in the definition the log says in which line of the script.'
        )
    return None


def _instant(value: datetime | None) -> str | None:
    return format_instant(value) if value is not None else None
