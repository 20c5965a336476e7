"""The pinned CDK CLI on the real app, as `make deploy` runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stacks.conftest import ROOT
from tools.cdk import cdk

# What a laptop without an AWS account has.
NO_CREDENTIALS = {
    **{key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_"))},
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


def _cdk(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "tools" / "cdk.py"), *arguments]
    given = {**NO_CREDENTIALS, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=given, cwd=ROOT, check=False)


def test_synth_works_without_credentials_and_leaves_what_the_readme_says_in_a_home(
    pipelines: Path, tmp_path: Path
) -> None:
    out, home = tmp_path / "out", tmp_path / "home"
    home.mkdir()
    context = ("-c", f"pipelines={pipelines}", "-c", "pipeline=tiles")
    done = _cdk("synth", "--quiet", "--output", str(out), *context, HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert "Successfully synthesized" in done.stdout + done.stderr
    artifacts = json.loads((out / "manifest.json").read_text())["artifacts"]
    stacks = {key: each["environment"] for key, each in artifacts.items() if each["type"] == "aws:cloudformation:stack"}
    assert stacks == {
        "geocadence-dev-storage": "aws://unknown-account/us-west-2",
        "geocadence-dev-tiles": "aws://unknown-account/us-west-2",
    }
    left = {path.parent.relative_to(home) for path in home.rglob("*") if path.is_file()}
    assert left <= {Path(".cdk/cache/fingerprints")}
    assert "`~/.cdk`" in (ROOT / "README.md").read_text()


def test_wrong_definitions_end_synth_in_their_sentences(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: bad\nsource: {prefix: {uri: s3://bucket/x/}}\nprocessing: {}\n")
    done = _cdk("synth", "--quiet", "--output", str(tmp_path / "out"), "-c", f"pipelines={tmp_path}")
    assert done.returncode == 1
    assert "bad.yaml:3: processing" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_exit_code_of_the_cli_is_passed_on() -> None:
    assert _cdk("no-such-verb").returncode != 0


def test_the_feature_flags_are_all_those_that_this_cli_recommends() -> None:
    recommended = ROOT / "node_modules" / "aws-cdk" / "lib" / "init-templates" / ".recommended-feature-flags.json"
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    ours = {"cli-telemetry": False}  # nobody's deployments are anybody else's business
    assert context == json.loads(recommended.read_text()) | ours


def test_no_account_is_written_down() -> None:
    import re

    for path in (ROOT / "cdk.json", ROOT / "app.py", *(ROOT / "stacks").rglob("*.py")):
        accounts = set(re.findall(r"\b\d{12}\b", path.read_text()))
        # The geospatial image's own registry, and the documentation's example account.
        assert accounts <= {"081189585635", "123456789012"}, path


def test_the_entry_stays_an_entry() -> None:
    assert len((ROOT / "app.py").read_text().splitlines()) <= 50


def test_what_podman_builds_is_in_dockers_format_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, str]] = []

    def run(command: list[str], *, env: dict[str, str], **_: object) -> subprocess.CompletedProcess:
        given.append(env)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    cdk(["deploy"], environment={})
    cdk(["deploy"], environment={"BUILDAH_FORMAT": "oci"})
    assert [each["BUILDAH_FORMAT"] for each in given] == ["docker", "oci"]
