"""One processing job: its record, and its life from InProgress to its end.

A job past `MaxRuntimeInSeconds` ends as one that a person stops ("After the condition is met, the processing
job is stopped": https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingStoppingCondition.html).
When one instance fails, the others are stopped: AWS says only that the job fails then, and work that
relied on their going on would not be safe.
"""

from __future__ import annotations

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .capacity import Machine
from .environment import container_environment, python_folders
from .errors import REASON_LENGTH, JobFailure
from .inputs import list_objects
from .instance import MESSAGE_BYTES, Host, Instance
from .isolation import Mode

if TYPE_CHECKING:
    from local_cloud.gateway.clients import RoleClients

PRINCIPAL = "sagemaker.amazonaws.com"
SESSION = "SageMaker"
# In the words that users quote.
NO_CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
)


@unique
class Status(StrEnum):
    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"

    @property
    def ended(self) -> bool:
        return self in (Status.COMPLETED, Status.FAILED, Status.STOPPED)


@dataclass(frozen=True)
class Platform:
    """What every job of the service runs on."""

    clients: RoleClients
    folder: Path
    container_python: Path
    mode: Mode
    machine: Machine
    grace: float  # seconds between SIGTERM and SIGKILL; 120 on AWS

    @property
    def instances_folder(self) -> Path:
        return self.folder / "instances"


class Job:
    """A job on `instances` (type and number); `request` is complete (`with_defaults`)."""

    def __init__(
        self,
        request: dict[str, Any],
        *,
        arn: str,
        platform: Platform,
        instances: tuple[str, int],
        has_capacity: bool,
    ) -> None:
        self.name: str = request["ProcessingJobName"]
        self.arn = arn
        self.instance_type, self.instance_count = instances
        self._has_capacity = has_capacity
        self.status = Status.IN_PROGRESS
        self.created = self.modified = time.time()
        self.failure_reason: str | None = None
        self.exit_message: str | None = None
        self._started: float | None = None
        self._ended: float | None = None
        self._request = request
        self._platform = platform
        self._lock = threading.Lock()
        self._stop_asked = threading.Event()
        self._instances: list[Instance] = []
        self._thread = threading.Thread(target=self._live, name=f"job {self.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> bool:
        """Begin to stop; False when it has ended already."""
        with self._lock:
            if self.status.ended:
                return False
            self._change(Status.STOPPING)
            self._stop_asked.set()
            running = list(self._instances)
        for instance in running:
            instance.stop(grace=self._platform.grace)
        return True

    def kill(self, *, wait: float) -> None:
        """End it at once: the cloud goes down."""
        with self._lock:
            self._stop_asked.set()
            running = list(self._instances)
        for instance in running:
            instance.kill()
        self._thread.join(wait)

    def describe(self) -> dict[str, Any]:
        """In the shape of DescribeProcessingJobResponse; times in epoch seconds."""
        with self._lock:
            described = {
                **self._request,
                "ProcessingJobArn": self.arn,
                "ProcessingJobStatus": self.status.value,
                "CreationTime": self.created,
                "LastModifiedTime": self.modified,
                "ProcessingStartTime": self._started,
                "ProcessingEndTime": self._ended,
                "FailureReason": self.failure_reason,
                "ExitMessage": self.exit_message,
            }
        return {
            key: round(value, 3) if isinstance(value, float) else value
            for key, value in described.items()
            if value is not None
        }

    def summary(self) -> dict[str, Any]:
        """In the shape of ProcessingJobSummary."""
        return {key: value for key, value in self.describe().items() if key in _SUMMARY}

    def _live(self) -> None:
        if not self._has_capacity:
            self._end(NO_CAPACITY)
            return
        machine, count = self._platform.machine, self.instance_count
        if not machine.enter(count, cancelled=self._stop_asked.is_set):
            self._end(None)
            return
        try:
            self._end(self._run())
        finally:
            machine.leave(count)

    def _run(self) -> str | None:
        """Why the job failed, or None."""
        folder = self._platform.instances_folder / self.name
        with self._lock:
            self._started = self.modified = time.time()
        limit = threading.Timer(self._request["StoppingCondition"]["MaxRuntimeInSeconds"], self.stop)
        limit.daemon = True
        limit.start()
        try:
            return self._run_instances(folder)
        except JobFailure as failure:
            return failure.reason
        except Exception as error:  # noqa: BLE001
            # The boundary of the service: whatever broke, the job must end, and say how.
            return f"InternalServerError: {type(error).__name__}: {error}"[:REASON_LENGTH]
        finally:
            limit.cancel()
            shutil.rmtree(folder, ignore_errors=True)

    def _run_instances(self, folder: Path) -> str | None:
        common = self._common()
        with self._lock:
            self._instances = [
                Instance(common, number=number, folder=folder / host) for number, host in enumerate(common.hosts)
            ]
            if self._stop_asked.is_set():
                return None
        reasons: list[str] = []
        with ThreadPoolExecutor(self.instance_count, thread_name_prefix=self.name) as pool:
            list(pool.map(lambda instance: self._run_one(instance, reasons), self._instances))
        messages = "".join(instance.exit_message for instance in self._instances)
        # "the content of the ExitMessage from each processing container is concatenated, then truncated to 1 KB"
        # https://docs.aws.amazon.com/sagemaker/latest/dg/byoc-metadata.html
        self.exit_message = messages.encode()[:MESSAGE_BYTES].decode("utf-8", "ignore") or None
        return reasons[0] if reasons else None

    def _run_one(self, instance: Instance, reasons: list[str]) -> None:
        try:
            instance.run()
        except JobFailure as failure:
            reasons.append(failure.reason)
        except Exception as error:  # noqa: BLE001
            reasons.append(f"InternalServerError: {type(error).__name__}: {error}"[:REASON_LENGTH])
        else:
            return
        for other in self._instances:
            if other is not instance:
                other.stop(grace=self._platform.grace)

    def _common(self) -> Host:
        clients, role = self._platform.clients, self._request["RoleArn"]
        identity = {"service": PRINCIPAL, "session": SESSION, "source_arn": self.arn}
        s3 = clients.client("s3", role, **identity)
        python = self._platform.container_python
        needed = (*python_folders(python), *([Path(clients.ca_bundle)] if clients.ca_bundle else []))
        return Host(
            description=self.describe(),
            objects={
                entry["InputName"]: list_objects(s3, entry["S3Input"])
                for entry in self._request.get("ProcessingInputs", [])
                if not entry["AppManaged"]
            },
            environment=container_environment(
                clients.environment(role, **identity),
                self._request.get("Environment", {}),
                endpoint=clients.endpoint,
                ca_bundle=clients.ca_bundle,
                python=python,
                home="/tmp",  # noqa: S108
            ),
            s3=s3,
            logs=clients.client("logs", role, **identity),
            mode=self._platform.mode,
            hosts=[f"algo-{number}" for number in range(1, self.instance_count + 1)],
            hidden=self._platform.folder,
            needed=needed,
        )

    def _end(self, reason: str | None) -> None:
        with self._lock:
            if self._stop_asked.is_set():
                status = Status.STOPPED
            else:
                status = Status.FAILED if reason else Status.COMPLETED
                self.failure_reason = reason
            self._change(status)
            self._ended = self.modified
            self._instances = []

    def _change(self, status: Status) -> None:
        self.status = status
        self.modified = time.time()


_SUMMARY = {
    "ProcessingJobName",
    "ProcessingJobArn",
    "CreationTime",
    "ProcessingEndTime",
    "LastModifiedTime",
    "ProcessingJobStatus",
    "FailureReason",
    "ExitMessage",
}
