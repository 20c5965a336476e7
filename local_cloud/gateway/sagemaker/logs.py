"""Carries what one container prints to CloudWatch Logs, while it runs.

As on AWS, the job's own role writes the log: a role without `logs:CreateLogStream` and
`logs:PutLogEvents` runs its jobs all the same, but nobody sees what they print
(https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html lists them among the permissions that
a processing role needs).
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any, BinaryIO

from .errors import CALL_ERRORS

GROUP = "/aws/sagemaker/ProcessingJobs"
FLUSH_SECONDS = 0.5
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html: 256 KB an event and
# 1 MiB a batch, both counting 26 bytes an event; at most 10,000 events.
OVERHEAD = 26
EVENT_BYTES = 256 * 1024 - OVERHEAD
BATCH_BYTES = 1024 * 1024
BATCH_EVENTS = 10_000


class LogStream:
    """The log of one host. `follow` reads until the container's output ends."""

    def __init__(self, client: Any, *, job: str, host: str) -> None:
        self._client = client
        self._name = f"{job}/{host}-{int(time.time() * 1000)}"
        self._events: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._open = self._create()
        self._flusher = threading.Thread(target=self._flush_regularly, name=f"log {self._name}", daemon=True)
        self._flusher.start()

    def follow(self, output: BinaryIO) -> None:
        """Take lines from the container until it closes its output; over-long ones are cut into events."""
        rest = b""
        while chunk := output.read1(65536):  # type: ignore[attr-defined]
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._add(line)
            while len(rest) > EVENT_BYTES:
                self._add(rest[:EVENT_BYTES])
                rest = rest[EVENT_BYTES:]
        self._add(rest)

    def write(self, line: str) -> None:
        """A line of the platform's own, among the container's."""
        self._add(line.encode())

    def close(self) -> None:
        """Send what is left."""
        self._ended.set()
        self._flusher.join()

    def _add(self, line: bytes) -> None:
        # An event's message must not be empty, so blank lines are dropped, as AWS's log driver does.
        for start in range(0, len(line), EVENT_BYTES):
            text = line[start : start + EVENT_BYTES].decode("utf-8", "replace").rstrip("\r")
            if text:
                with self._lock:
                    self._events.append({"timestamp": int(time.time() * 1000), "message": text})

    def _create(self) -> bool:
        # A role may lack CreateLogGroup where the group exists already: the stream decides.
        with contextlib.suppress(*CALL_ERRORS):
            self._client.create_log_group(logGroupName=GROUP)
        try:
            self._client.create_log_stream(logGroupName=GROUP, logStreamName=self._name)
        except CALL_ERRORS:
            return False
        return True

    def _flush_regularly(self) -> None:
        while not self._ended.wait(FLUSH_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            events, self._events = self._events, []
        if not self._open:
            return
        for batch in _batches(events):
            try:
                self._client.put_log_events(logGroupName=GROUP, logStreamName=self._name, logEvents=batch)
            except CALL_ERRORS:
                # Nowhere to tell of it, and the job's work goes on: what AWS does.
                self._open = False
                return


def _batches(events: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    batches: list[list[dict[str, Any]]] = []
    size = 0
    for event in events:
        needs = len(event["message"].encode()) + OVERHEAD
        if not batches or size + needs > BATCH_BYTES or len(batches[-1]) == BATCH_EVENTS:
            batches.append([])
            size = 0
        batches[-1].append(event)
        size += needs
    return batches
