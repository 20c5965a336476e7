"""The image that `processing.image: build` makes, as far as it can be tried without Docker."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from geocadence.definition.images import BUILD_CONTEXT
from stacks.components.container_image import BUILT_PYTHON
from stacks.components.uv import uv
from tests.container.conftest import HERE, LAUNCHER, PYTHON, ROOT

DOCKERFILE, LOCK = BUILD_CONTEXT["Dockerfile"], BUILD_CONTEXT["requirements.txt"]
LINT = Path(sys.executable).with_name("hadolint")


def test_the_linter_has_nothing_to_say() -> None:
    done = subprocess.run([LINT, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_linter_would_have(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python:latest\nRUN apt-get install x\n")
    done = subprocess.run([LINT, tmp_path / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode
    assert "DL3007" in done.stdout


def test_the_images_python_is_the_one_that_libraries_travel_for() -> None:
    assert re.findall(r"^FROM \S+/python:(3\.\d+)\.\d+-slim-bookworm$", DOCKERFILE.read_text(), re.MULTILINE) == [
        BUILT_PYTHON
    ]


def test_what_is_copied_is_in_the_context() -> None:
    copied = re.findall(r"^COPY (\S+) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
    # What the recipe knows of, too: no other file makes the image what it is.
    assert ["Dockerfile", *copied] == list(BUILD_CONTEXT)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The locked set in a fresh folder, as wheels for the image's Python and Debian bookworm's glibc, 2.36."""
    folder = tmp_path_factory.mktemp("image")
    done = uv(
        *("pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "--link-mode", "symlink"),
        *("--python-platform", "x86_64-manylinux_2_36", "--python-version", BUILT_PYTHON),
        *("--target", str(folder), "--requirements", str(LOCK)),
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_locked_set_installs_from_wheels_for_the_images_python(installed: Path) -> None:
    named = set(re.findall(r"^([a-z0-9_.-]+)==", LOCK.read_text(), re.MULTILINE))
    found = {path.name.partition("-")[0].lower().replace("_", "-") for path in installed.glob("*.dist-info")}
    assert {
        "numpy",
        "rasterio",
        "xarray",
        "rioxarray",
        "geopandas",
        "shapely",
        "pandas",
        "boto3",
        "imagecodecs",
        "llvmlite",
    } <= found
    assert {name.replace("_", "-").replace(".", "-") for name in named} >= {name.replace(".", "-") for name in found}
    compiled = [path.name for path in (installed / "numpy").rglob("*.so")]
    assert compiled
    assert all(f"cpython-{BUILT_PYTHON.replace('.', '')}-x86_64" in name for name in compiled)


def test_the_local_clouds_jobs_run_with_the_very_same_set() -> None:
    told = subprocess.run(
        [PYTHON, "-c", "import importlib.metadata as m\nfor d in m.distributions(): print(d.name, d.version)"],
        capture_output=True,
        text=True,
        check=True,
    )
    here = {name.lower().replace("_", "-"): version for name, version in map(str.split, told.stdout.splitlines())}
    lock = LOCK.read_text()
    for name, version in here.items():
        assert re.search(rf"^{re.escape(name)}=={re.escape(version)}\b", lock, re.MULTILINE), name


def test_the_tests_of_the_built_in_script_run_with_the_very_same_versions() -> None:
    """So what tests/processing_scripts holds, it holds for the image's set, as far as Pythons are the same."""
    lock = LOCK.read_text()
    for name in ("numpy", "rasterio", "imagecodecs", "llvmlite"):
        version = re.escape(importlib.metadata.version(name))
        assert re.search(rf"^{name}=={version}\b", lock, re.MULTILINE), f"{name} {version}"


def test_the_examples_script_works_with_it(installed: Path, tmp_path: Path) -> None:
    """With the fresh set where this Python is the image's; any other runs the same lock's, which jobs run with."""
    import json

    from tests.end_to_end.examples import bands, tiff

    red, nir = bands(0)
    for name, band in (("red", red), ("nir", nir)):
        (tmp_path / f"{name}.tif").write_bytes(tiff(band))
    data, output = tmp_path / "input", tmp_path / "output"
    data.mkdir()
    output.mkdir()
    hrefs = {name: {"Href": str(tmp_path / f"{name}.tif")} for name in ("red", "nir")}
    (data / "items.json").write_text(json.dumps([{"Id": "A", "Assets": hrefs}]))
    script = (ROOT / "examples/ndvi/ndvi.py").read_text()
    script = script.replace("/opt/ml/processing/input_data/", str(data)).replace(
        "/opt/ml/processing/output_data", str(output)
    )
    with zipfile.ZipFile(tmp_path / "job.zip", "w") as packed:
        packed.write(LAUNCHER, "__main__.py")
        packed.writestr("start.json", '{"entry": "ndvi.py", "libraries": []}')
        packed.writestr("script/ndvi.py", script)
    python = [sys.executable, "-S"] if HERE == BUILT_PYTHON else [PYTHON]
    paths = {"PYTHONPATH": str(installed)} if HERE == BUILT_PYTHON else {}
    done = subprocess.run(
        [*python, tmp_path / "job.zip"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], **paths},
    )
    assert done.returncode == 0, done.stderr
    assert (output / "ndvi_A.tif").stat().st_size > 0
