"""The image that `processing.image: build` makes, as far as it can be tried without Docker."""

from __future__ import annotations

import csv
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from examples.made_up_data import bands, classes, halves, tiff
from geocadence.definition.images import BUILD_CONTEXT
from stacks.components.container_image import BUILT_PYTHON
from stacks.components.libraries import Libraries
from stacks.components.uv import uv
from tests.container.conftest import HERE, LAUNCHER, PYTHON, ROOT
from tests.end_to_end.examples import read_tiff

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
        "scipy",
        "netcdf4",
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
    """Where they are called by themselves: `make test` has them run by the set itself (test_script_tests.py)."""
    lock = LOCK.read_text()
    for name in ("numpy", "rasterio", "affine", "imagecodecs", "llvmlite"):
        version = re.escape(importlib.metadata.version(name))
        assert re.search(rf"^{name}=={version}\b", lock, re.MULTILINE), f"{name} {version}"


def run(
    python: Path,
    folder: Path,
    files: dict[str, str],
    *arguments: str,
    libraries: Path | None = None,
) -> None:
    """Start a job of these files by the launcher, `/opt/ml/processing` in them being `folder`."""
    own = {"name": "requirements.txt", "required": True, "packages": [], "machine": "x86_64", "glibc": [2, 28]}
    travel = [own | {"zips": {HERE: "libraries.zip"}}] if libraries else []
    with zipfile.ZipFile(folder / "job.zip", "w") as packed:
        packed.write(LAUNCHER, "__main__.py")
        packed.writestr("start.json", json.dumps({"entry": next(iter(files)), "libraries": travel}))
        for name, text in files.items():
            packed.writestr(f"script/{name}", text.replace("/opt/ml/processing", str(folder)))
        if libraries:
            packed.write(libraries, "libraries.zip")
    done = subprocess.run(
        [python, folder / "job.zip", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr


def folders(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).mkdir()


def test_the_examples_script_in_awss_manner_works_with_the_fresh_set(fresh: Path, tmp_path: Path) -> None:
    folders(tmp_path, "input_data", "output_data")
    for name, band in zip(("red", "nir"), bands(0), strict=True):
        (tmp_path / f"{name}.tif").write_bytes(tiff(band))
    hrefs = {name: {"Href": str(tmp_path / f"{name}.tif")} for name in ("red", "nir")}
    (tmp_path / "input_data/items.json").write_text(json.dumps([{"Id": "A", "Assets": hrefs}]))

    run(fresh, tmp_path, {"ndvi.py": (ROOT / "examples/ndvi/ndvi.py").read_text()})

    found = np.ma.masked_invalid(read_tiff((tmp_path / "output_data/ndvi_A.tif").read_bytes()))
    red, nir = (np.ma.masked_equal(band, 0).astype("float64") for band in bands(0))
    np.testing.assert_allclose(found.compressed(), ((nir - red) / (nir + red)).compressed(), rtol=1e-6)


def test_the_examples_script_with_a_library_of_its_own_works_with_the_fresh_set(fresh: Path, tmp_path: Path) -> None:
    folders(tmp_path, "input_data", "output_data", "areas", "statistics")
    example = ROOT / "examples/zonal_statistics"
    shutil.copy(example / "areas.geojson", tmp_path / "areas")
    (tmp_path / "input_data/march.tif").write_bytes(tiff(halves()))
    zips = Libraries(example / "script/requirements.txt", provided=("numpy",)).zips((HERE,))
    files = {name: (example / "script" / name).read_text() for name in ("main.py", "zones.py")}

    run(fresh, tmp_path, files, "--column", "name", libraries=zips[HERE])

    rows = csv.DictReader((tmp_path / "statistics/march.csv").open())
    assert {row["name"]: float(row["mean"]) for row in rows} == {"west": 10, "east": 30}
    assert (tmp_path / "output_data/march.geojson").is_file()


def test_the_examples_script_that_interpolates_and_writes_cubes_works_with_the_fresh_set(
    fresh: Path, tmp_path: Path
) -> None:
    folders(tmp_path, "input", "input/objects", "input/scenes", "output")
    shutil.copy(ROOT / "examples/data_cube/fields.geojson", tmp_path / "input/objects")
    for name, pixels in zip(("red", "nir", "scl"), (*bands(0), classes()), strict=True):
        (tmp_path / f"{name}.tif").write_bytes(tiff(pixels))
    hrefs = {name: {"Href": str(tmp_path / f"{name}.tif")} for name in ("red", "nir", "scl")}
    result = {"Id": "A", "DateTime": "2026-03-01T11:21:21Z", "Assets": hrefs}
    (tmp_path / "input/scenes/0.json").write_text(json.dumps([result]))

    files = {"data_cube.py": (ROOT / "examples/data_cube/data_cube.py").read_text()}
    run(fresh, tmp_path, files, "fields.geojson", "0.3")

    assert [path.name for path in (tmp_path / "output").iterdir()] == ["west-A.nc"]
    # xarray falls back to netCDF 3 where scipy alone is there.
    assert (tmp_path / "output/west-A.nc").read_bytes()[:4] == b"\x89HDF"


def instructions() -> list[str]:
    """The Dockerfile's, each in a line."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    return [" ".join(line.split()) for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def test_what_rasterios_wheel_asks_the_system_for_is_installed(installed: Path) -> None:
    """The local cloud's jobs find it on this machine, so that none of them would miss it."""
    libraries = {path.name: path.read_bytes() for path in (installed / "rasterio.libs").iterdir()}
    assert any(b"\0libexpat.so.1\0" in content for content in libraries.values())
    assert not any(name.startswith("libexpat") for name in libraries)
    (system,) = (line for line in instructions() if line.startswith("RUN apt-get"))
    assert "libexpat1" in re.findall(r"install ([^&]*)&&", system)[0].split()


def test_the_image_gets_the_locked_files_and_no_others() -> None:
    (install,) = (line for line in instructions() if line.startswith("RUN pip"))
    wheels = install.partition(" && ")[0].split()
    assert "--require-hashes" in wheels, "a file with another digest would do"
    assert wheels[wheels.index("--only-binary") + 1] == ":all:", "sources would be built by whatever is there"
    assert wheels[wheels.index("--requirement") + 1] == "/opt/geocadence/requirements.txt"


def test_a_jobs_lines_reach_the_log_as_they_are_written() -> None:
    """Where they are kept until 8 KB are full, those of a job that is killed never do."""
    assert "ENV PYTHONUNBUFFERED=1" in instructions()
