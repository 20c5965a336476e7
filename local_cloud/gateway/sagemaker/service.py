"""The actions of the SageMaker API that concern processing jobs, over HTTP as AWS speaks it (JSON 1.1)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .capacity import Machine, check_quota, select
from .environment import python_folders
from .errors import ApiError, invalid
from .isolation import Mode, detect
from .job import PRINCIPAL, SESSION, Job, Platform, Status
from .listing import list_jobs
from .request import check_semantics, choices, with_defaults
from .validation import check_request

if TYPE_CHECKING:
    from local_cloud.gateway.clients import RoleClients

Response = tuple[int, dict[str, str], bytes]

MAX_TAGS = 50
GRACE_SECONDS = 10.0
SHUTDOWN_SECONDS = 5.0


def create_service(
    clients: RoleClients,
    *,
    folder: Path,
    container_python: Path,
    grace: float = GRACE_SECONDS,
    mode: Mode | None = None,
    size: int | None = None,
) -> Service:
    """The service, with its files below `folder` and jobs in the Python `container_python`.

    `grace`: seconds between SIGTERM and SIGKILL (AWS gives 120; a laptop's user waits less). `mode`: how
    instances are isolated, by default the strongest way that works here. `size`: how many instances run
    at once, by default as many as there are processors, but two at least.
    Raises RuntimeError when that Python does not run.
    """
    python_folders(container_python)
    platform = Platform(
        clients=clients,
        folder=folder,
        container_python=container_python,
        mode=mode or detect(),
        machine=Machine(size or max(2, os.cpu_count() or 1)),
        grace=grace,
    )
    # What an earlier process left when it was killed.
    shutil.rmtree(platform.instances_folder, ignore_errors=True)
    platform.instances_folder.mkdir(parents=True)
    return Service(platform)


class Service:
    """SageMaker Processing. Requests arrive authenticated and authorized."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._jobs: dict[str, Job] = {}
        self._tags: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()
        self._actions: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
            "CreateProcessingJob": self._create,
            "DescribeProcessingJob": self._describe,
            "ListProcessingJobs": self._list,
            "StopProcessingJob": self._stop,
            "AddTags": self._add_tags,
            "ListTags": self._list_tags,
            "DeleteTags": self._delete_tags,
        }

    def isolation(self) -> str:
        """`bubblewrap`, `unshare` or `none`: how instances are kept apart on this machine."""
        return self._platform.mode.value

    async def handle_request(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
    ) -> Response:
        """Answer one request; the action is named by the header `X-Amz-Target: SageMaker.<Action>`."""
        target = next((value for name, value in headers.items() if name.lower() == "x-amz-target"), "")
        # In a thread, since assuming a role is itself a request to the process that runs this loop.
        return await asyncio.to_thread(self._answer, target.rpartition(".")[2], body)

    def shutdown(self) -> None:
        """Stop every running instance and remove their folders."""
        with self._lock:
            running = [job for job in self._jobs.values() if not job.status.ended]
        for job in running:
            job.kill(wait=0)
        for job in running:
            job.kill(wait=SHUTDOWN_SECONDS)
        shutil.rmtree(self._platform.instances_folder, ignore_errors=True)

    def _answer(self, action: str, body: bytes) -> Response:
        try:
            if action not in self._actions:
                raise ApiError("UnknownOperationException", f"{action or 'No action'} is not in the local cloud.")
            request = self._parse(body)
            check_request(action, request)
            # JSON null is the same as leaving a member out.
            response = self._actions[action](_without_nulls(request))
        except ApiError as error:
            return _response(error.status, {"__type": error.code, "message": error.message}, error=error.code)
        # "If the action is successful, the service sends back an HTTP 200 response with an empty HTTP body."
        return _response(200, response)

    @staticmethod
    def _parse(body: bytes) -> Any:
        try:
            return json.loads(body or b"{}")
        except ValueError as error:
            raise ApiError("SerializationException", f"The request is not JSON: {error}") from error

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        check_semantics(request, account=self._platform.clients.account)
        name = request["ProcessingJobName"]
        arn = self._arn(name)
        complete = with_defaults(request)
        possible = choices(complete)
        chosen = select(self._platform.folder / "capacity.json", possible)
        instance_type, count = chosen or possible[0]
        if chosen and "InstancePreferences" in (cluster := complete["ProcessingResources"]["ClusterConfig"]):
            cluster["SelectedInstanceType"], cluster["SelectedInstanceCount"] = chosen
        self._check_role(request["RoleArn"], arn)
        with self._lock:
            # By ARN, which is in lower case: "Weekly" and "weekly" would share their tags.
            if arn in self._tags:
                raise ApiError(
                    "ResourceInUse",
                    "Job name must be unique within an AWS account and region, "
                    f"and a job with this name already exists ({arn})",
                )
            running = (job for job in self._jobs.values() if not job.status.ended)
            used = sum(job.instance_count for job in running if job.instance_type == instance_type)
            check_quota(self._platform.folder / "quotas.json", instance_type=instance_type, wanted=count, used=used)
            job = self._jobs[name] = Job(
                complete,
                arn=arn,
                platform=self._platform,
                instances=(instance_type, count),
                has_capacity=chosen is not None,
            )
            self._tags[arn] = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
        job.start()
        return {"ProcessingJobArn": arn}

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._job(request["ProcessingJobName"]).describe()

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            jobs = list(self._jobs.values())
        return list_jobs((job.summary() for job in jobs), request)

    def _stop(self, request: dict[str, Any]) -> None:
        job = self._job(request["ProcessingJobName"])
        if not job.stop():
            raise invalid(
                f"The request was rejected because the processing job is in status {job.status}. "
                f"Only a job that is {Status.IN_PROGRESS} can be stopped: {job.arn}"
            )

    def _add_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            tags = self._tags_of(request["ResourceArn"])
            merged = {**tags, **{tag["Key"]: tag["Value"] for tag in request["Tags"]}}
            if len(merged) > MAX_TAGS:
                raise ApiError("ResourceLimitExceeded", f"A resource can have {MAX_TAGS} tags, not {len(merged)}.")
            tags.update(merged)
            return {"Tags": _as_list(tags)}

    def _list_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            return {"Tags": _as_list(self._tags_of(request["ResourceArn"]))}

    def _delete_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            tags = self._tags_of(request["ResourceArn"])
            for key in request["TagKeys"]:
                tags.pop(key, None)
        return {}

    def _job(self, name: str) -> Job:
        with self._lock:
            job = self._jobs.get(name)
        if job is None:
            raise invalid(f"Could not find requested job with name: {name}")
        return job

    def _tags_of(self, arn: str) -> dict[str, str]:
        tags = self._tags.get(arn.lower())
        if tags is None:
            raise invalid(f"Could not find the resource {arn}; the local cloud has processing jobs only.")
        return tags

    def _check_role(self, role_arn: str, job_arn: str) -> None:
        from local_cloud.gateway.clients import RoleNotAssumable

        try:
            self._platform.clients.environment(role_arn, service=PRINCIPAL, session=SESSION, source_arn=job_arn)
        except RoleNotAssumable as error:
            raise invalid(
                f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
                f"'{PRINCIPAL}' to assume the role."
            ) from error

    def _arn(self, name: str) -> str:
        clients = self._platform.clients
        return f"arn:aws:sagemaker:{clients.region}:{clients.account}:processing-job/{name}".lower()


def _as_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(member) for key, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_without_nulls(member) for member in value]
    return value


def _response(status: int, content: dict[str, Any] | None, *, error: str | None = None) -> Response:
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": str(uuid.uuid4())}
    if error:
        headers["x-amzn-ErrorType"] = error
    return status, headers, b"" if content is None else json.dumps(content).encode()
