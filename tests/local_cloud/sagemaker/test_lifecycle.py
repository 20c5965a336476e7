"""How a job ends: by itself, by its exit code, by its time limit, by being stopped; and what is told of it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from .conftest import wait_until

SLEEP = "import time; time.sleep(120)"
SLEEP_UNTIL_ASKED = """
import signal, sys, time
def end(number, frame):
    open("/opt/ml/output/message", "w").write("asked to stop")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready")
time.sleep(120)
"""


def wait_for_log(service, job: str, line: str) -> None:
    def logged() -> bool:
        try:
            return line in service.log(job)
        except (AssertionError, ClientError):
            return False

    wait_until(logged, seconds=20)


def test_a_job_completes_when_every_host_exits_with_zero(service):
    described = service.run("pass", ClusterConfig={"InstanceCount": 3})
    assert described["ProcessingJobStatus"] == "Completed"
    assert "FailureReason" not in described
    assert "ExitMessage" not in described
    assert (
        described["CreationTime"]
        <= described["ProcessingStartTime"]
        <= described["ProcessingEndTime"]
        <= described["LastModifiedTime"]
    )


def test_one_failing_host_fails_the_job(service):
    described = service.run(
        """
        import json, sys, time
        if json.load(open("/opt/ml/config/resourceconfig.json"))["current_host"] == "algo-2":
            sys.exit(42)
        time.sleep(120)
        """,
        ClusterConfig={"InstanceCount": 3},
    )
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["FailureReason"] == "AlgorithmError: , exit code: 42"


def test_a_signal_is_told_as_its_exit_code(service):
    described = service.run(
        "import os, subprocess, sys; sys.exit(subprocess.run(['sh', '-c', 'kill -9 $$; true']).returncode % 256)"
    )
    assert described["FailureReason"] == "AlgorithmError: , exit code: 247"
    entry_point = {"ImageUri": "any", "ContainerEntrypoint": ["sh", "-c", "ulimit -t 1; while :; do :; done"]}
    assert service.run("", AppSpecification=entry_point)["FailureReason"] == "AlgorithmError: , exit code: 137"


def test_a_command_that_is_not_there_fails_the_job(service):
    described = service.run("", AppSpecification={"ImageUri": "any", "ContainerEntrypoint": ["no-such-command"]})
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("AlgorithmError: , exit code: ")
    assert "no-such-command" in service.log(described["ProcessingJobName"])[0]


def test_the_message_becomes_the_exit_message_also_after_a_failure(service):
    described = service.run("open('/opt/ml/output/message', 'w').write('no scene é'); raise SystemExit(1)")
    assert described["ExitMessage"] == "no scene é"
    assert described["FailureReason"] == "AlgorithmError: , exit code: 1"


def test_messages_of_all_hosts_are_joined_and_cut_to_one_kilobyte(service):
    described = service.run("open('/opt/ml/output/message', 'w').write('é' * 400)", ClusterConfig={"InstanceCount": 2})
    assert described["ExitMessage"] == "é" * 512


def test_a_message_that_is_not_text_fails_the_job(service):
    described = service.run(r"open('/opt/ml/output/message', 'wb').write(b'\xff\xfe')")
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("ClientError: /opt/ml/output/message of algo-1 is not UTF-8")


def test_a_job_past_its_time_limit_is_stopped(service):
    described = service.run(SLEEP_UNTIL_ASKED, StoppingCondition={"MaxRuntimeInSeconds": 2})
    assert described["ProcessingJobStatus"] == "Stopped"
    assert described["ExitMessage"] == "asked to stop"
    assert "FailureReason" not in described


def test_a_stopped_job_is_asked_first(service):
    job = service.create(SLEEP_UNTIL_ASKED, ClusterConfig={"InstanceCount": 2})
    wait_for_log(service, job, "ready")
    service.sagemaker.stop_processing_job(ProcessingJobName=job)
    described = service.wait(job)
    assert described["ProcessingJobStatus"] == "Stopped"
    assert "asked to stop" in described["ExitMessage"]


def test_a_job_that_ignores_being_asked_is_killed(service):
    # Python as a container's first process has no handler for SIGTERM unless the script sets one.
    job = service.create("print('ready')\n" + SLEEP)
    wait_for_log(service, job, "ready")
    service.sagemaker.stop_processing_job(ProcessingJobName=job)
    assert service.describe(job)["ProcessingJobStatus"] == "Stopping"
    assert service.wait(job, seconds=10)["ProcessingJobStatus"] == "Stopped"


def test_a_job_that_ended_cannot_be_stopped(service):
    name = service.run("pass")["ProcessingJobName"]
    with pytest.raises(ClientError, match=r"ValidationException.*Completed"):
        service.sagemaker.stop_processing_job(ProcessingJobName=name)


def test_jobs_beyond_the_machines_size_wait_and_can_be_stopped_while_they_do(service):
    first = service.create(SLEEP_UNTIL_ASKED, ClusterConfig={"InstanceCount": 6})
    wait_for_log(service, first, "ready")
    waiting = service.create("pass", ClusterConfig={"InstanceCount": 2})
    assert "ProcessingStartTime" not in service.describe(waiting)
    service.sagemaker.stop_processing_job(ProcessingJobName=waiting)
    assert service.wait(waiting, seconds=5)["ProcessingJobStatus"] == "Stopped"
    next_one = service.create("pass", ClusterConfig={"InstanceCount": 2})
    service.sagemaker.stop_processing_job(ProcessingJobName=first)
    assert service.wait(next_one)["ProcessingJobStatus"] == "Completed"
    assert service.describe(next_one)["ProcessingStartTime"] >= service.describe(first)["LastModifiedTime"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_the_service(serve, number):
    own = serve()
    marker = str(7_654_000 + number)
    entry_point = {"ImageUri": "any", "ContainerEntrypoint": ["sleep", marker]}
    own.create("", AppSpecification=entry_point, ClusterConfig={"InstanceCount": 2})
    wait_until(lambda: len(sleepers(marker)) == 2)
    own.process.send_signal(number)
    wait_until(lambda: not sleepers(marker), seconds=10)
    own.process.wait(10)
    assert number == signal.SIGKILL or not (own.folder / "instances").exists()


def sleepers(marker: str) -> list[Path]:
    """Processes of this machine that run `sleep <marker>`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", marker.encode()]:
            found.append(process)
    return found
