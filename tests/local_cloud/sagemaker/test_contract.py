"""What a container finds when it starts, as AWS's documentation promises it, and what it must not find."""

from __future__ import annotations

import ctypes
import json
import os
from pathlib import Path

import pytest

from .conftest import ROLE, ROOT, s3_input, s3_output, wait_until

REPORT = """
import json, os, pathlib
resourceconfig = json.loads(pathlib.Path("/opt/ml/config/resourceconfig.json").read_text())
mine = pathlib.Path("/opt/ml/processing/out", resourceconfig["current_host"])
mine.touch()  # before anybody looks: whoever looks last would see both
facts = {
    "environment": dict(os.environ),
    "resourceconfig": resourceconfig,
    "processingjobconfig": json.loads(pathlib.Path("/opt/ml/config/processingjobconfig.json").read_text()),
    "ml": sorted(str(path) for path in pathlib.Path("/opt/ml").rglob("*")),
}
mine.write_text(json.dumps(facts))
print("hello from", mine.name)
"""


@pytest.fixture(scope="module")
def reported(service):
    """A job of two hosts that report what they find: its description, and the reports by host."""
    out = service.bucket()
    described = service.run(
        REPORT,
        ClusterConfig={"InstanceCount": 2},
        Environment={"GREETING": "good day", "LANG": "pt_PT.UTF-8"},
        ProcessingOutputConfig={"Outputs": [s3_output("out", f"s3://{out}/", "/opt/ml/processing/out")]},
        Tags=[{"Key": "team", "Value": "maps"}],
    )
    assert described["ProcessingJobStatus"] == "Completed", described.get("FailureReason")
    return described, {host: json.loads(body) for host, body in service.objects(out).items()}


def test_an_unmodified_script_that_hard_codes_opt_ml_runs(service):
    data, out = service.bucket({"in/a.txt": "alpha"}), service.bucket()
    described = service.run(
        """
        import shutil, sys
        assert sys.argv[1:] == ["--mode", "copy it"], sys.argv
        shutil.copytree("/opt/ml/processing/input_data", "/opt/ml/processing/output_data/copy")
        """,
        AppSpecification={
            "ImageUri": "any",
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/main.py"],
            "ContainerArguments": ["--mode", "copy it"],
        },
        ProcessingInputs=[s3_input("data", f"s3://{data}/in/", "/opt/ml/processing/input_data")],
        ProcessingOutputConfig={
            "Outputs": [s3_output("result", f"s3://{out}/results/", "/opt/ml/processing/output_data")]
        },
    )
    assert described["ProcessingJobStatus"] == "Completed", described.get("FailureReason")
    assert service.objects(out) == {"results/copy/a.txt": "alpha"}


def test_each_host_knows_itself_and_the_others(reported):
    _, reports = reported
    assert {host: report["resourceconfig"] for host, report in reports.items()} == {
        host: {"current_host": host, "hosts": ["algo-1", "algo-2"]} for host in ("algo-1", "algo-2")
    }


def test_the_configuration_file_echoes_the_request(reported):
    described, reports = reported
    config = reports["algo-1"]["processingjobconfig"]
    assert config["ProcessingJobArn"] == described["ProcessingJobArn"]
    assert config["RoleArn"] == ROLE
    assert config["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
    for part in ("ProcessingJobName", "ProcessingInputs", "Environment"):
        assert config[part] == described[part]
    assert config["AppSpecification"] == described["AppSpecification"] | {"ContainerArguments": None}
    assert config["ProcessingOutputConfig"] == described["ProcessingOutputConfig"] | {"KmsKeyId": None}
    assert "ProcessingJobStatus" not in config


def test_hosts_do_not_see_each_others_files(reported):
    _, reports = reported
    seen = {
        host: [path for path in report["ml"] if path.startswith("/opt/ml/processing/out/")]
        for host, report in reports.items()
    }
    assert seen == {host: [f"/opt/ml/processing/out/{host}"] for host in ("algo-1", "algo-2")}


def test_nothing_appears_under_the_machines_own_opt(reported):
    assert not Path("/opt/ml").exists()


def test_the_environment_is_the_roles_and_the_jobs_and_nothing_else(reported):
    environment = reported[1]["algo-1"]["environment"]
    assert environment["GREETING"] == "good day"
    assert environment["LANG"] == "pt_PT.UTF-8"
    assert environment["AWS_ACCESS_KEY_ID"] == "test"
    assert environment["AWS_REGION"] == "us-west-2"
    assert environment["AWS_S3_ENDPOINT"].startswith("127.0.0.1:")
    assert "GATEWAY_SECRET" not in environment
    assert "PYTHONPATH" not in environment


def test_each_host_has_a_log_stream(service, reported):
    name = reported[0]["ProcessingJobName"]
    assert service.log(name, "algo-1") == ["hello from algo-1"]
    assert service.log(name, "algo-2") == ["hello from algo-2"]


def test_the_instances_folders_are_gone_afterwards(service, reported):
    assert not (service.folder / "instances" / reported[0]["ProcessingJobName"]).exists()


def test_the_job_writes_only_where_a_container_may(service):
    # A clone below /tmp shows there, since the container's Python lies in it.
    ours = {ROOT.parts[2]} if ROOT.is_relative_to("/tmp") else set()
    described = service.run(
        f"""
        import os, pathlib
        pathlib.Path("/tmp/mine").write_text("fine")
        pathlib.Path("/opt/ml/processing/new").write_text("fine")
        assert set(os.listdir("/tmp")) == {ours | {"mine"}!r}, os.listdir("/tmp")
        for forbidden in ("/etc/x", "/usr/x", "/home/x", os.path.dirname(os.__file__) + "/x"):
            try:
                open(forbidden, "w")
            except OSError:
                continue
            raise SystemExit("could write " + forbidden)
        # With one of them root could mount again what it may not write.
        status = pathlib.Path("/proc/self/status").read_text().split("\\n")
        assert "CapEff:\\t0000000000000000" in status, status
        """
    )
    assert described["ProcessingJobStatus"] == "Completed", service.log(described["ProcessingJobName"])


def test_the_job_shares_no_memory_with_this_machine(service):
    """A segment that anyone here may attach to by its key (System V) is not there inside, as on another machine."""
    libc = ctypes.CDLL(None, use_errno=True)
    key = 0x47E0 << 16 | os.getpid() & 0xFFFF
    segment = libc.shmget(key, 4096, 0o1000 | 0o666)  # IPC_CREAT
    assert segment >= 0, os.strerror(ctypes.get_errno())
    try:
        assert libc.shmget(key, 0, 0) == segment
        described = service.run(f"import ctypes; assert ctypes.CDLL(None).shmget({key}, 0, 0) == -1")
        assert described["ProcessingJobStatus"] == "Completed", service.log(described["ProcessingJobName"])
    finally:
        libc.shmctl(segment, 0, None)  # IPC_RMID


def test_output_reaches_the_log_while_the_container_runs(service):
    job = service.create("import sys, time; print('begun', file=sys.stderr); time.sleep(60)")
    try:

        def logged() -> bool:
            try:
                return service.log(job) == ["begun"]
            except (AssertionError, service.logs.exceptions.ResourceNotFoundException):
                return False

        wait_until(logged, seconds=15)
        assert service.describe(job)["ProcessingJobStatus"] == "InProgress"
    finally:
        service.sagemaker.stop_processing_job(ProcessingJobName=job)


def test_very_long_lines_and_odd_bytes_reach_the_log(service):
    described = service.run(
        r"""
        import sys
        print("x" * 600_000)
        print()
        sys.stdout.flush()
        sys.stdout.buffer.write(b"\xff caf\xc3\xa9\r\nno newline at the end")
        """
    )
    lines = service.log(described["ProcessingJobName"])
    assert sum(len(line) for line in lines if line.startswith("x")) == 600_000
    assert max(len(line) for line in lines) <= 256 * 1024
    assert lines[-2:] == ["\ufffd café", "no newline at the end"]


def test_network_isolation_leaves_no_network(service):
    script = """
    import os, socket, sys
    from urllib.parse import urlsplit
    address = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    socket.create_connection((address.hostname, address.port), timeout=5)
    """
    open_job = service.create(script)
    closed_job = service.create(script, NetworkConfig={"EnableNetworkIsolation": True})
    assert service.wait(open_job)["ProcessingJobStatus"] == "Completed"
    assert service.wait(closed_job)["FailureReason"] == "AlgorithmError: , exit code: 1"
    assert "Error" in service.log(closed_job)[-1]
