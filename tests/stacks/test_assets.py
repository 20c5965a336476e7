"""What is uploaded: the script as the job starts it, and the functions as Lambda imports them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import aws_cdk as cdk
import pytest

from geocadence.definition import load_pipeline
from stacks.components import function_asset
from stacks.components.script_asset import BUILT_IN, ScriptAsset, UnusableScript
from tests.stacks.templates import Stack, Synthesis

ROOT = Path(__file__).resolve().parent.parent.parent


def _script(synthesis: Synthesis, pipeline: str) -> tuple[str, Path]:
    """(name in the container, file in the assembly) of a pipeline's script."""
    stack: Stack = synthesis.stack(f"geocadence-dev-{pipeline}")
    name = stack.task["Arguments"]["AppSpecification"]["ContainerEntrypoint"][1].rpartition("/")[2]
    return name, synthesis.folder / f"asset.{name}"


def _run(archive: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run it as the container does, with nothing of the clone on the path."""
    command = [sys.executable, "-I", str(archive), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=archive.parent, check=False)


def _unpacked(archive: Path, folder: Path) -> Path:
    """What is in it, as the launcher lays it out."""
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            Path(packed.extract(entry, folder)).chmod(entry.external_attr >> 16)
    return folder


def test_a_built_in_script_runs_from_its_zip_with_its_modules(synthesis: Synthesis) -> None:
    name, archive = _script(synthesis, "ndvi-weekly")
    assert name.endswith(".zip")
    done = _run(archive, "--help")
    assert done.returncode == 0, done.stderr
    assert "--indices" in done.stdout


def test_a_folder_runs_from_its_zip_with_all_that_lies_in_it_but_hidden_files(
    synthesis: Synthesis, tmp_path: Path
) -> None:
    name, archive = _script(synthesis, "tiles")
    assert name.endswith(".zip")
    assert _run(archive).stdout == "a folder\n"
    folder = _unpacked(archive, tmp_path)
    files = sorted(
        str(path.relative_to(folder / "script")) for path in (folder / "script").rglob("*") if path.is_file()
    )
    assert files == ["__main__.py", "helper.py", "tests/test_pattern.md", "tool.sh"]
    assert (folder / "script" / "tool.sh").stat().st_mode & 0o111


def test_a_link_to_a_built_in_script_is_the_built_in_script(tmp_path: Path) -> None:
    stack = cdk.Stack(app := cdk.App(outdir=str(tmp_path / "out"), analytics_reporting=False), "Stack")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "indices.py").symlink_to(BUILT_IN / "spectral_index.py")
    asset = ScriptAsset(stack, "Script", script=tmp_path / "mine" / "indices.py", python="3.10")
    app.synth()
    archive = tmp_path / "out" / f"asset.{asset.file_name}"
    assert "--indices" in _run(archive, "--help").stdout


def test_one_file_runs_from_its_zip_as_it_is(synthesis: Synthesis) -> None:
    name, archive = _script(synthesis, "orthos")
    assert name.endswith(".zip")
    assert _run(archive).stdout == "one file\n"
    with zipfile.ZipFile(archive) as packed:
        assert packed.read("script/single.py") == b"print('one file')\n"


def test_a_script_that_leaves_no_items_travels_with_what_makes_products_of_its_files(
    synthesis: Synthesis, pipelines: Path, tmp_path: Path
) -> None:
    folder = _unpacked(_script(synthesis, "cubes")[1], tmp_path / "cubes")
    told = json.loads((folder / "start.json").read_text())["products"]
    assert told == {
        "script": "single.py",
        "digest": load_pipeline(pipelines / "cubes.yaml").code_digest,
        "input": "/opt/ml/processing/input/scenes",
        "output": "/opt/ml/processing/output",
    }
    program = [sys.executable, folder / "products/_catalogue_files.py", "--help"]
    done = subprocess.run(program, capture_output=True, text=True, cwd=folder, env={}, check=False)
    assert done.returncode == 0, done.stderr
    other = _unpacked(_script(synthesis, "orthos")[1], tmp_path / "orthos")
    assert "products" not in json.loads((other / "start.json").read_text())
    assert not (other / "products").exists()


def test_no_caches_tests_or_tool_settings_travel_with_a_built_in_script(synthesis: Synthesis, tmp_path: Path) -> None:
    folder = _unpacked(_script(synthesis, "ndvi-weekly")[1], tmp_path)
    # Nor what is of no use to it, and would make its products anew with each change.
    unwanted = ("__pycache__", "tests", "ruff.toml", "cataloguing", "_catalogue_files.py")
    assert not [path for path in folder.rglob("*") if path.name in unwanted or path.suffix == ".pyc"]
    assert (folder / "script" / "spectral_index.py").read_bytes() == (BUILT_IN / "spectral_index.py").read_bytes()


def test_a_folder_that_cannot_be_started_is_refused(tmp_path: Path) -> None:
    stack = cdk.Stack(cdk.App(outdir=str(tmp_path / "out"), analytics_reporting=False), "Stack")
    (tmp_path / "script").mkdir()
    with pytest.raises(UnusableScript, match=r"has no __main__\.py"):
        ScriptAsset(stack, "Script", script=tmp_path / "script")


def test_what_a_link_leads_to_travels_under_its_name(tmp_path: Path) -> None:
    stack = cdk.Stack(app := cdk.App(outdir=str(tmp_path / "out"), analytics_reporting=False), "Stack")
    (tmp_path / "shared" / "bands").mkdir(parents=True)
    (tmp_path / "shared" / "bands" / "red.py").write_text("RED = 3")
    (tmp_path / "tool.sh").write_text("#!/bin/sh\n")
    (tmp_path / "tool.sh").chmod(0o755)
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "__main__.py").touch()
    (tmp_path / "script" / "bands").symlink_to(tmp_path / "shared" / "bands")
    (tmp_path / "script" / "tool").symlink_to("../tool.sh")
    asset = ScriptAsset(stack, "Script", script=tmp_path / "script")
    app.synth()
    folder = _unpacked(tmp_path / "out" / f"asset.{asset.file_name}", tmp_path / "unpacked") / "script"
    assert (folder / "bands" / "red.py").read_text() == "RED = 3"
    assert (folder / "tool").stat().st_mode & 0o111
    assert not [path for path in folder.rglob("*") if path.is_symlink()]


def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    stack = cdk.Stack(cdk.App(outdir=str(tmp_path / "out"), analytics_reporting=False), "Stack")
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "__main__.py").touch()
    (tmp_path / "script" / "model.bin").symlink_to("gone.bin")
    with pytest.raises(UnusableScript, match=r"model\.bin is a link to gone\.bin, where there is nothing"):
        ScriptAsset(stack, "Script", script=tmp_path / "script")


# Lambda's Python brings boto3 and what it needs, and nothing else.
LAMBDA_BRINGS = ("boto3", "botocore", "s3transfer", "jmespath", "six.py")


def test_functions_import_with_nothing_but_their_assets_and_what_lambda_brings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    # Lambda's own Python is not on this machine; what goes to the local cloud is for the one that is.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:4566")
    site = Path(boto3.__file__).parent.parent
    for name in LAMBDA_BRINGS:
        if (site / name).exists():
            (tmp_path / name).symlink_to(site / name)
    asset = function_asset.function_code()
    libraries = function_asset.function_dependencies()
    program = (
        "import sys; sys.path[:0] = sys.argv[1:]; sys.path = [p for p in sys.path if 'site-packages' not in p]\n"
        "import run_functions.plan_run, run_functions.close_run\n"
        "print(run_functions.plan_run.handler.__name__, run_functions.close_run.__file__)"
    )
    command = [sys.executable, "-I", "-B", "-c", program, str(asset), str(libraries), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"handler {asset / 'run_functions' / 'close_run.py'}"


def test_lambda_can_read_the_code_whatever_the_umask_of_who_deploys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The CDK's archive keeps the modes of files (writeZipFile of its CLI), and Lambda reads as nobody in particular.
    monkeypatch.setattr(function_asset, "CACHE", tmp_path)
    before = os.umask(0o077)
    try:
        asset = function_asset.function_code()
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in asset.rglob("*") if path.is_file()} == {0o644}


def test_the_command_line_and_boto3_stay_at_home() -> None:
    asset = function_asset.function_code()
    names = {path.name for folder in (asset, function_asset.function_dependencies()) for path in folder.iterdir()}
    assert {"geocadence", "run_functions", "duckdb", "shapely"} <= names
    assert not names & {"boto3", "botocore", "pydantic", "aws_cdk", "rich"}
    assert not (asset / "geocadence" / "cli").exists()


def test_the_libraries_are_lambdas_and_far_below_its_limit() -> None:
    with zipfile.ZipFile(function_asset.function_libraries()) as archive:
        entries = archive.infolist()
    assert all(entry.filename.startswith("python/") for entry in entries)
    compiled = [entry.filename for entry in entries if entry.filename.endswith(".so")]
    assert any("shapely" in name and "cpython-313-x86_64-linux-gnu" in name for name in compiled)
    assert sum(entry.file_size for entry in entries) < 0.75 * function_asset.LARGEST


@pytest.mark.parametrize(
    ("endpoint", "is_here"),
    [("https://127.0.0.1:4566", True), ("http://localhost:1", True), ("https://s3.amazonaws.com", False), ("", False)],
)
def test_what_goes_to_an_aws_on_this_machine_is_resolved_for_its_python(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, is_here: bool
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert (sys.executable in function_asset._target()) is is_here
    assert (function_asset.PLATFORM in function_asset._target()) is not is_here


def test_the_same_sources_are_gathered_once() -> None:
    first = function_asset.function_code(), function_asset.function_libraries()
    made = [path.stat().st_mtime_ns for path in first]
    assert (function_asset.function_code(), function_asset.function_libraries()) == first
    assert [path.stat().st_mtime_ns for path in first] == made
