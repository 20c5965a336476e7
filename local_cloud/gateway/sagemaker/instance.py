"""One instance of a job: its `/opt/ml`, its inputs, its container, its outputs, its last words."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import isolation
from .errors import JobFailure
from .inputs import InputObject, download, share
from .isolation import Container, Mode, Sandbox
from .logs import LogStream
from .outputs import Output
from .request import container_configuration

SYNC_SECONDS = 0.5
MESSAGE_BYTES = 1024
READING_SECONDS = 10


@dataclass(frozen=True)
class Host:
    """What all instances of a job have in common."""

    description: dict[str, Any]  # the job as DescribeProcessingJob shows it
    objects: dict[str, list[InputObject]]  # by InputName
    environment: dict[str, str]
    s3: Any
    logs: Any
    mode: Mode
    hosts: list[str]
    hidden: Path
    needed: tuple[Path, ...]


class Instance:
    """Instance `number` (from 0) of a job, below `folder`."""

    def __init__(self, common: Host, *, number: int, folder: Path) -> None:
        self.name = common.hosts[number]
        self.exit_message = ""
        self._common = common
        self._number = number
        self._ml = folder / "ml"
        self._tmp = folder / "tmp"
        self._stop_asked = threading.Event()
        self._container: Container | None = None

    def stop(self, *, grace: float) -> None:
        """End it: SIGTERM, and SIGKILL when it still runs after `grace` seconds. Returns at once."""
        self._stop_asked.set()
        if container := self._container:
            container.terminate()
            timer = threading.Timer(grace, self.kill)
            timer.daemon = True
            timer.start()

    def kill(self) -> None:
        """End it now."""
        self._stop_asked.set()
        if (container := self._container) and container.process.poll() is None:
            container.kill()

    def run(self) -> None:
        """The whole life of the instance. Raises JobFailure, unless it was asked to stop."""
        self._lay_out()
        self._download()
        if self._stop_asked.is_set():
            return
        outputs = self._outputs()
        code = self._run_container([output for output in outputs if output.continuous])
        message_is_text = self._read_message()
        upload_failure = self._finish([output for output in outputs if output.continuous or code == 0])
        if self._stop_asked.is_set():
            return
        if code != 0:
            # Wording: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-python-sdk-troubleshooting.html
            raise JobFailure(f"AlgorithmError: , exit code: {code}")
        if not message_is_text:
            raise JobFailure(f"ClientError: /opt/ml/output/message of {self.name} is not UTF-8 encoded")
        if upload_failure:
            raise upload_failure

    @staticmethod
    def _finish(outputs: list[Output]) -> JobFailure | None:
        """Upload what each output still holds, and return the first failure: the container's own goes before it."""
        failures = []
        for output in outputs:
            try:
                output.finish()
            except JobFailure as failure:
                failures.append(failure)
        return failures[0] if failures else None

    def _lay_out(self) -> None:
        """The files that https://docs.aws.amazon.com/sagemaker/latest/dg/byoc-config.html describes."""
        config = self._ml / "config"
        for folder in (config, self._ml / "output", self._ml / "processing", self._tmp):
            folder.mkdir(parents=True, exist_ok=True)
        hosts = {"current_host": self.name, "hosts": self._common.hosts}
        (config / "resourceconfig.json").write_text(json.dumps(hosts), encoding="utf-8")
        job = container_configuration(self._common.description)
        (config / "processingjobconfig.json").write_text(json.dumps(job), encoding="utf-8")

    def _download(self) -> None:
        for entry in self._common.description.get("ProcessingInputs", []):
            if entry["InputName"] not in self._common.objects:
                continue
            mine = share(
                self._common.objects[entry["InputName"]],
                distribution=entry["S3Input"]["S3DataDistributionType"],
                host=self._number,
                hosts=len(self._common.hosts),
            )
            folder = self._here(entry["S3Input"]["LocalPath"])
            download(self._common.s3, mine, folder=folder, cancelled=self._stop_asked.is_set)

    def _outputs(self) -> list[Output]:
        config = self._common.description.get("ProcessingOutputConfig", {})
        outputs = []
        for entry in config.get("Outputs", []):
            if not entry["AppManaged"]:
                # "This directory will be created by the platform" (service model, ProcessingS3Output.LocalPath).
                folder = self._here(entry["S3Output"]["LocalPath"])
                folder.mkdir(parents=True, exist_ok=True)
                key = config.get("KmsKeyId")
                outputs.append(Output(self._common.s3, entry, ml=self._ml, folder=folder, kms_key=key))
        return outputs

    def _run_container(self, continuous: list[Output]) -> int:
        log = LogStream(self._common.logs, job=self._common.description["ProcessingJobName"], host=self.name)
        ended = threading.Event()
        syncing = threading.Thread(target=self._sync, args=(continuous, ended), daemon=True)
        try:
            if self._common.mode is Mode.NONE:
                log.write(isolation.WARNING)
            container = self._start(log)
            syncing.start()
            if self._stop_asked.is_set():
                # Asked between the download and now, when there was nothing yet to signal.
                container.kill()
            reading = threading.Thread(target=log.follow, args=(container.process.stdout,), daemon=True)
            reading.start()
            code = container.exit_code()
            # Bounded: where nothing isolates processes, one that escaped may hold the pipe open for ever.
            reading.join(timeout=READING_SECONDS)
            return code
        finally:
            ended.set()
            if syncing.ident is not None:
                syncing.join()
            log.close()

    def _start(self, log: LogStream) -> Container:
        app = self._common.description["AppSpecification"]
        sandbox = Sandbox(
            self._ml,
            self._tmp,
            hidden=self._common.hidden,
            needed=self._common.needed,
            network=not self._common.description.get("NetworkConfig", {}).get("EnableNetworkIsolation", False),
        )
        command = [*app["ContainerEntrypoint"], *app.get("ContainerArguments", [])]
        try:
            self._container = isolation.start(self._common.mode, sandbox, command, environment=self._common.environment)
        except OSError as error:
            log.write(str(error))
            # Docker's exit code for a command that is not there.
            raise JobFailure("AlgorithmError: , exit code: 127") from error
        return self._container

    @staticmethod
    def _sync(outputs: list[Output], ended: threading.Event) -> None:
        while outputs and not ended.wait(SYNC_SECONDS):
            for output in outputs:
                output.sync()

    def _read_message(self) -> bool:
        """Whether /opt/ml/output/message is text (or absent); its first 1 KB becomes `exit_message`."""
        file = self._ml / "output" / "message"
        if file.is_symlink() or not file.is_file():
            return True
        content = file.read_bytes()
        try:
            content.decode("utf-8")
        except UnicodeDecodeError:
            return False
        self.exit_message = content[:MESSAGE_BYTES].decode("utf-8", "ignore")
        return True

    def _here(self, local_path: str) -> Path:
        """Where a path of the container, below /opt/ml, lies on this machine."""
        return self._ml / Path(local_path).relative_to(isolation.ML)
