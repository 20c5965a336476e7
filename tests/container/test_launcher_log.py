"""What a job's log begins with: versions, the size of the shard, and what is too old."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.container.conftest import LAUNCHER, PYTHON


def test_the_log_begins_with_versions_and_the_size_of_the_shard(job, tmp_path):
    data = tmp_path / "processing/input_data/2026"
    data.mkdir(parents=True)
    (data / "a.json").write_text("x" * 10)
    (data / "b.json").write_text("x" * 5)
    started = job("")
    inputs = [
        {"InputName": name, "S3Input": {"LocalPath": str(tmp_path / "processing" / name)}}
        for name in ("code", "input_data", "area")
    ]
    (tmp_path / "config").mkdir()
    (tmp_path / "config/processingjobconfig.json").write_text(json.dumps({"ProcessingInputs": inputs}))
    (tmp_path / "config/resourceconfig.json").write_text('{"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}')
    ended = started.start(python=PYTHON)
    said = ended.events["job"]
    assert (said["host"], said["hosts"]) == ("algo-2", 2)
    assert said["inputs"] == {"input_data": {"files": 2, "bytes": 15}, "area": {"files": 0, "bytes": 0}}
    installed = (
        "import rasterio, numpy, platform as p\n"
        "print(p.python_version(), numpy.__version__, rasterio.__version__, rasterio.__gdal_version__)"
    )
    told = subprocess.run([PYTHON, "-c", installed], capture_output=True, text=True, check=True).stdout.split()
    assert [said["versions"][name] for name in ("python", "numpy", "rasterio", "gdal")] == told
    assert "too old" not in ended.events


def versions(python="3.10.0", numpy="1.21.0", rasterio="1.3.0", gdal="3.1.0"):
    """Of a container: files of libraries that have them, and a Python that calls itself so."""
    files = {
        f"{name}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        for name, version in (("numpy", numpy), ("rasterio", rasterio))
    }
    files["rasterio/__init__.py"] = f"__gdal_version__ = '{gdal}'\n"
    return files, f"import platform\nplatform.python_version = lambda: '{python}'\n"


@pytest.mark.parametrize(
    ("library", "found", "needed"),
    [
        ("python", "3.9.19", "3.10"),
        ("numpy", "1.20.3", "1.21"),
        ("rasterio", "1.2.10", "1.3"),
        ("gdal", "3.0.4", "3.1"),
        # The oldest that are not.
        ("python", "3.10.0", None),
    ],
)
def test_what_is_too_old_is_named_with_what_is_needed_and_why(job, tmp_path, library, found, needed):
    files, python = versions(**{library: found})
    (tmp_path / "old").mkdir()
    (tmp_path / "old/sitecustomize.py").write_text(python)
    ended = job("print('runs')").with_libraries(files).start(PYTHONPATH=str(tmp_path / "old"))
    assert ended.out == "runs\n"
    assert ended.events["job"]["versions"][library] == found
    said = ended.events.get("too old", {})
    assert [said.get(key) for key in ("library", "found", "needed", "level")] == (
        [library, found, needed, "warning"] if needed else [None] * 4
    )
    assert bool(said.get("reason")) is bool(needed)
    assert ended.err.count('"event": "too old"') == bool(needed), "and nothing else is"


def test_a_rasterio_that_does_not_load_is_told_and_does_not_stop_the_script(job):
    files = {
        "rasterio/__init__.py": "raise ImportError('libexpat.so.1: cannot open shared object file')",
        "rasterio-1.4.3.dist-info/METADATA": "Metadata-Version: 2.1\nName: rasterio\nVersion: 1.4.3\n",
    }
    ended = job("print('runs')").with_libraries(files).start()
    assert ended.out == "runs\n"
    assert "libexpat.so.1" in ended.events["rasterio"]["reason"]


def test_what_is_odd_about_a_container_costs_a_line_and_never_the_script(job, tmp_path):
    odd = {"numpy-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: numpy\n"}
    ended = job("print('runs')").with_libraries(odd).start()
    assert (ended.code, ended.out) == (0, "runs\n"), ended.err
    assert ended.events["job"]["level"] == "warning"
    assert "can't be told" in ended.events["job"]["reason"]


def test_an_input_that_can_not_be_counted_never_stops_the_script(job, tmp_path):
    data = tmp_path / "processing/input_data"
    data.mkdir(parents=True)
    (data / "gone.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / "config").mkdir()
    inputs = [{"InputName": "input_data", "S3Input": {"LocalPath": str(data)}}]
    (tmp_path / "config/processingjobconfig.json").write_text(json.dumps({"ProcessingInputs": inputs}))
    ended = job("print('runs')").start()
    assert (ended.code, ended.out) == (0, "runs\n"), ended.err
    assert "FileNotFoundError" in ended.events["job"]["reason"]


def test_outside_of_a_container_it_starts_all_the_same(job):
    ended = job("print('runs')").start(SAGEMAKER_BASE_DIR="/nowhere")
    assert ended.out == "runs\n"
    assert ended.events["job"]["inputs"] == {}


def test_the_launcher_can_be_read_by_pythons_that_are_too_old():
    """No traceback of a SyntaxError, in a job that is paid for."""
    ast.parse(Path(LAUNCHER).read_text(), feature_version=(3, 6))


def test_a_python_that_is_too_old_is_told_before_anything_else(job, tmp_path):
    started = job("print('runs')")
    archive = started.archive()
    (tmp_path / "output").mkdir()
    # Of Python 3.6, as far as it can be had here: what it calls itself, and what its library lacks.
    old = (
        "import runpy, sys; sys.modules['importlib.metadata'] = None; sys.version_info = (3, 6, 15, 'final', 0); "
        f"sys.argv[0] = '{archive}'; runpy.run_path('{archive}', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", old],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(tmp_path)},
    )
    told = (
        "This image's Python is 3.6.15, which is too old: jobs start under 3.8 or newer, and Geocadence's own scripts "
        "under 3.10 (take another image: processing.image)."
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{told}\n")
    assert (tmp_path / "output/message").read_text() == told
