"""How many instances exist: on this machine, and in the account's quotas.

Both are files so that a test, or a person who prepares a deployment, can set them: `quotas.json` =
`{"ml.m5.4xlarge": 20}` is what the account may have, `capacity.json`, of the same form, what AWS has just now. Types
that they do not name are unlimited.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

from .errors import ApiError

LOOK_SECONDS = 0.5


class Machine:
    """Lets jobs in, first come, first served, while their instances fit on this machine.

    Instances of one job may talk to each other, so a job gets all of its instances or waits, as on AWS a
    job waits (`InProgress`) until all of its instances are launched. A job that is larger than the
    machine runs alone.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._running = 0
        self._queue: list[object] = []
        self._changed = threading.Condition()

    def enter(self, instances: int, *, cancelled: Callable[[], bool]) -> bool:
        """Wait for room; False when `cancelled` while waiting, else `leave` must follow."""
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                while not cancelled():
                    fits = self._running + instances <= self._size or self._running == 0
                    if self._queue[0] is ticket and fits:
                        self._running += instances
                        return True
                    self._changed.wait(LOOK_SECONDS)
                return False
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def leave(self, instances: int) -> None:
        """Give the room back."""
        with self._changed:
            self._running -= instances
            self._changed.notify_all()


def check_quota(file: Path, *, instance_type: str, wanted: int, used: int) -> None:
    """Raise ResourceLimitExceeded, in AWS's words, when the quotas in `file` do not allow `wanted` more."""
    try:
        quotas = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except ValueError as error:
        raise ApiError("InternalFailure", f"{file} is not JSON: {error}", status=500) from error
    quota = quotas.get(instance_type)
    if quota is not None and used + wanted > quota:
        raise ApiError(
            "ResourceLimitExceeded",
            f"The account-level service limit '{instance_type} for processing job usage' is {quota} Instances, "
            f"with current utilization of {used} Instances and a request delta of {wanted} Instances. "
            "Please use AWS Service Quotas to request an increase for this quota. If AWS Service Quotas is not "
            "available, contact AWS support to request an increase for this quota.",
        )


def select(file: Path, choices: list[tuple[str, int]]) -> tuple[str, int] | None:
    """The first of (type, count) that the capacities in `file` allow; None where they allow none."""
    try:
        capacities = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return choices[0]
    return next((choice for choice in choices if choice[1] <= capacities.get(choice[0], choice[1])), None)
