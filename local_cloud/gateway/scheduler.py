"""EventBridge Scheduler's clockwork: which schedules are due, once a second.

Flexible time windows open at the scheduled time, and that is when we deliver. A machine that slept makes
up for the latest occurrence that it missed, not for all of them.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local_cloud.gateway.clients import RoleClients
from local_cloud.gateway.schedule_delivery import Delivery, deliver
from local_cloud.gateway.schedule_expressions import InvalidExpression, parse

log = logging.getLogger(__name__)
TICK_SECONDS = 1.0
INSTANT = dt.timedelta(microseconds=1)


@dataclass
class Progress:
    """How far a schedule, as last modified, has come."""

    modified: float
    previous: dt.datetime
    completed: bool = False


class Scheduler:
    """Delivers what is due of the schedules that `schedules` lists, each a record as GetSchedule shows it."""

    def __init__(
        self,
        clients: RoleClients,
        *,
        schedules: Callable[[], list[dict[str, Any]]],
        delete: Callable[[str], None],
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._clients = clients
        self._schedules = schedules
        self._delete = delete
        self._now = now
        self._progress: dict[str, Progress] = {}
        self._stopping = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="scheduler", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def tick(self) -> list[threading.Thread]:
        """Start the delivery of everything due now; the threads that deliver."""
        listed = self._schedules()
        known = {schedule["Arn"] for schedule in listed}
        self._progress = {arn: progress for arn, progress in self._progress.items() if arn in known}
        return [thread for schedule in listed if (thread := self._check(schedule)) is not None]

    def _run(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            try:
                self.tick()
            except Exception:
                log.exception("a schedule can't be evaluated")

    def _check(self, schedule: dict[str, Any]) -> threading.Thread | None:
        arn, modified = schedule["Arn"], schedule["LastModificationDate"]
        progress = self._progress.get(arn)
        if progress is None or progress.modified != modified:
            # Just before, so that a rate, which starts at its creation, does.
            progress = self._progress[arn] = Progress(modified, _moment(modified) - INSTANT)
        if schedule["State"] != "ENABLED" or progress.completed:
            return None
        try:
            due, progress.completed = self._due(schedule, progress)
        except (InvalidExpression, KeyError) as problem:  # KeyError: a time zone that does not exist
            log.warning("%s never runs: %s", arn, problem)
            progress.completed = True
            return None
        delete = progress.completed and schedule.get("ActionAfterCompletion") == "DELETE"
        if due is None:
            if delete:
                self._delete(arn)
            return None
        thread = threading.Thread(target=self._deliver, args=(schedule, due, delete), daemon=True)
        thread.start()
        return thread

    def _due(self, schedule: dict[str, Any], progress: Progress) -> tuple[dt.datetime | None, bool]:
        """The latest occurrence up to now that wasn't delivered yet, and whether none follows."""
        expression = parse(schedule["ScheduleExpression"], schedule.get("ScheduleExpressionTimezone") or "UTC")
        start, end = _moment(schedule["CreationDate"]), None
        if not schedule["ScheduleExpression"].startswith("at("):
            start = _moment(schedule.get("StartDate")) or start
            end = _moment(schedule.get("EndDate"))
        due = None
        while True:
            following = expression.next_after(progress.previous, start=start)
            if following is None or (end is not None and following > end):
                return due, True
            if following > self._now():
                return due, False
            due = progress.previous = following

    def _deliver(self, schedule: dict[str, Any], due: dt.datetime, delete: bool) -> None:
        deliver(self._clients, Delivery.of(schedule, due), wait=self._stopping.wait)
        if delete:
            self._delete(schedule["Arn"])


def _moment(value: Any) -> dt.datetime | None:
    """A record's time: epoch seconds through the API, ISO text through CloudFormation."""
    if value is None:
        return None
    if isinstance(value, str):
        return dt.datetime.fromisoformat(value).astimezone(dt.UTC)
    return dt.datetime.fromtimestamp(value, dt.UTC)
