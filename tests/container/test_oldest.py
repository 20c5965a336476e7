"""The oldest libraries that a job takes without a warning, under the geospatial image's Python, where it is here."""

from __future__ import annotations

import ast
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio

from stacks.components.container_image import GEOSPATIAL_PYTHON
from stacks.components.libraries import GLIBC, MACHINE, Libraries, packages_in
from stacks.components.script_asset import IN_EVERY_IMAGE, LIBRARIES_OF_BUILT_INS
from tests.container.conftest import LAUNCHER, PYTHON, ROOT, SCRIPTS, Ended, Job, script_tests
from tests.processing_scripts.factory import Folder, random_dn

# Of tests/processing_scripts those that need no more than that environment has, and in which the script opens, reads,
# computes and writes by it.
FILES = (
    "test_bad_scenes.py",
    "test_names.py",
    "test_codecs.py",
    "test_draft.py",
    "test_mask.py",
    "test_preview.py",
    "test_radiometry.py",
)


@pytest.fixture(scope="session")
def wheels() -> Path:
    """What travels with `spectral_index` for that Python."""
    lock = LIBRARIES_OF_BUILT_INS["spectral_index"]
    given = Libraries(lock, is_required=False, provided=IN_EVERY_IMAGE)
    return given.zips((GEOSPATIAL_PYTHON,))[GEOSPATIAL_PYTHON]


def test_they_are_the_oldest_that_the_launcher_says_nothing_of() -> None:
    (told,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(LAUNCHER.read_text()).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "OLDEST"
    )
    lock = (ROOT / "requirements/oldest.txt").read_text()
    found = dict(re.findall(r"^(numpy|rasterio)==(\d+\.\d+)\.", lock, re.MULTILINE))
    assert found == {name: told[name][0] for name in ("numpy", "rasterio")}
    assert told["python"][0] == GEOSPATIAL_PYTHON


def test_tests_of_the_built_in_script_pass_with_them_and_the_wheels_that_travel(
    oldest: Path, wheels: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(wheels) as packed:
        packed.extractall(tmp_path)
    script_tests(oldest, *FILES, behind=tmp_path)


INDICES = "NDVI,SR,MINE=N**1.5/R"


@pytest.fixture
def scene(tmp_path: Path) -> Folder:
    (tmp_path / "scene").mkdir()
    made = Folder(tmp_path / "scene")
    classes = np.random.default_rng(3).integers(0, 12, (300, 350))
    made.scene("A", red=random_dn((600, 700), seed=1), nir=random_dn((600, 700), seed=2), scl=classes)
    return made


@pytest.mark.parametrize("travelling", [True, False], ids=["with the wheels that travel", "without them"])
def test_a_job_makes_of_a_scene_what_it_makes_with_todays_libraries(
    scene: Folder, oldest: Path, wheels: Path, tmp_path: Path, travelling: bool
) -> None:
    expected, today = built_in(tmp_path / "today", scene, python=PYTHON)
    assert today.code == 0, today.err
    found, old = built_in(tmp_path / "old", scene, python=oldest, wheels=wheels if travelling else None)
    assert old.code == 0, old.err

    assert old.events["job"]["versions"]["python"].startswith(f"{GEOSPATIAL_PYTHON}.")
    assert "too old" not in old.events
    assert old.events.get("libraries", {}).get("used", False) is travelling
    assert ("imagecodecs" in old.err.partition('"event": "start"')[0]) is not travelling, "what is missing is told"
    assert {name: pixels.shape for name, pixels in found.items()} == {
        f"A_{index}.tif": (600, 700) for index in ("ndvi", "sr", "mine")
    }
    for name, pixels in found.items():
        # Last bits of a general power are each numpy's own.
        np.testing.assert_allclose(pixels, expected[name], rtol=1e-6 if name == "A_mine.tif" else 0, err_msg=name)


def built_in(
    folder: Path, scene: Folder, *, python: Path, wheels: Path | None = None
) -> tuple[dict[str, np.ndarray], Ended]:
    """A job of `spectral_index` over the scene: the products' pixels by name, and how it ended."""
    folder.mkdir()
    files = [SCRIPTS / "spectral_index.py", *(path for path in (SCRIPTS / "spectral").iterdir() if path.is_file())]
    script = {str(path.relative_to(SCRIPTS)): path.read_text() for path in files}
    job = Job(folder, script, entry="spectral_index.py")
    if wheels:
        shutil.copyfile(wheels, folder / "codecs.zip")
        told = {"name": "codecs.txt", "required": False, "packages": sorted(packages_in(wheels))}
        job.libraries.append(told | {"machine": MACHINE, "glibc": GLIBC, "zips": {GEOSPATIAL_PYTHON: "codecs.zip"}})
    products = folder / "products"
    ended = job.start("--input", str(scene.input), "--output", str(products), "--indices", INDICES, python=python)
    return {path.name: _pixels(path) for path in products.rglob("*.tif")}, ended


def _pixels(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)
