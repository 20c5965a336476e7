"""The log of a processing job while it is written: each line once, whatever their number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from geocadence.job_phase import LOG_GROUP, streams_of


class JobLog:
    """What the hosts of a job wrote, from the first line on; each call goes on where the one before ended."""

    def __init__(self, logs: Any, job: str) -> None:
        self._logs = logs
        self._job = job
        self._next: dict[str, str] = {}

    def new_lines(self) -> Iterator[tuple[str, str]]:
        """(host, line), host by host. Where the log can't be read it ends; the rest comes with the next call."""
        try:
            for host, stream in streams_of(self._logs, self._job):
                yield from ((host, line) for line in self._of(stream))
        except (ClientError, BotoCoreError):
            return

    def _of(self, stream: str) -> Iterator[str]:
        """GetLogEvents gives 1 MB or 10,000 lines at once, and at the end the token that it was asked with.

        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
        """
        while True:
            since = {"nextToken": self._next[stream]} if stream in self._next else {}
            answer = self._logs.get_log_events(
                logGroupName=LOG_GROUP, logStreamName=stream, startFromHead=True, **since
            )
            for event in answer["events"]:
                yield event["message"].rstrip("\n")
            token, before = answer["nextForwardToken"], since.get("nextToken")
            self._next[stream] = token
            if token == before:
                return
