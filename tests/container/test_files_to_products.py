"""Scripts that leave files and no STAC Items: what the launcher makes of them once the script has ended."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.container.conftest import PYTHON

SCENES = [f"S2A_{n}" for n in range(3)]
FOLDERS = {"input": "/opt/ml/processing/input_data", "output": "/opt/ml/processing/output_data"}
PRODUCTS = {"script": "ndvi.py", "digest": "5f1c", **FOLDERS}
# In the manner of AWS's guide, with what it would read from afar made up.
GUIDE = """
import json, os, sys
from pathlib import Path
import numpy, rasterio
from rasterio.transform import from_origin

ROOT = os.environ["SAGEMAKER_BASE_DIR"] + "/processing"
items = [item for path in sorted(Path(ROOT, "input_data").rglob("*.json")) for item in json.loads(path.read_text())]
for item in items:
    profile = dict(driver="GTiff", width=8, height=8, count=1, dtype="float32", crs="EPSG:32629")
    path = f"{ROOT}/output_data/ndvi_{item['Id']}.tif"
    with rasterio.open(path, "w", transform=from_origin(592000, 4280000, 10, 10), **profile) as out:
        out.write(numpy.ones((1, 8, 8), "float32"))
"""


@pytest.fixture
def guide(job, tmp_path):
    """A job of a script that leaves files, `end`ing as it is told; its scenes are on the instance's disk."""

    def start(end: str = "", *, python: Path = PYTHON, script: str = GUIDE, moved: dict | None = None, **environment):
        products = PRODUCTS | (moved or {})
        places = {name: tmp_path / Path(products[name]).relative_to("/opt/ml") for name in FOLDERS}
        for place in places.values():
            place.mkdir(parents=True)
        for scene in SCENES:
            item = {"id": scene, "properties": {"datetime": "2026-03-17T11:21:21Z"}, "geometry": None, "links": []}
            result = [{"Id": scene, "Assets": {}, "geocadence:item": item}]
            (places["input"] / f"{scene}.json").write_text(json.dumps(result))
        made = job(script + end, products=products)
        return made.start(python=python, GEOCADENCE_RUN_ID="run1", GEOCADENCE_PIPELINE="guide", **environment)

    return start


def _left(folder: Path) -> set[str]:
    output = folder / "processing/output_data"
    return {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}


def test_so_they_do_with_the_oldest_libraries_that_a_job_takes(guide, oldest, tmp_path):
    ended = guide(python=oldest)
    assert ended.code == 0, ended.err
    assert "too old" not in ended.events
    assert {f"2026/03/{scene}/{scene}.json" for scene in SCENES} <= _left(tmp_path)


def test_files_become_products_wherever_the_definition_has_scenes_come_in_and_files_left(guide, tmp_path):
    script = GUIDE.replace("input_data", "input/scenes").replace("output_data", "output")
    moved = {"input": "/opt/ml/processing/input/scenes", "output": "/opt/ml/processing/output"}
    ended = guide(script=script, moved=moved)
    assert ended.code == 0, ended.err
    for scene in SCENES:
        folder = tmp_path / "processing/output/2026/03" / scene
        assert sorted(path.name for path in folder.iterdir()) == [f"{scene}.json", f"ndvi_{scene}.tif"]
    assert not (tmp_path / "processing/output_data").exists()


@pytest.mark.parametrize(
    "end",
    [
        "",
        "sys.exit(0)",
        # What a script does to its own process is its own business.
        "os.environ['PYTHONPATH'] = os.environ['GDAL_DATA'] = '/nowhere'; sys.path.insert(0, '.'); sys.stdout.close(); "
        "Path('json.py').write_text('raise ImportError')",
        "import atexit; atexit.register(lambda: os.rename(ROOT + '/output_data/ndvi_S2A_0.tif', ROOT + "
        "'/output_data/S2A_0_ndvi.tif'))",
        # So is what it does to its input: scenes that are done put away, written anew, JSON of its own beside them.
        "import shutil; shutil.rmtree(ROOT + '/input_data')",
        "[path.write_text('[{}]') for path in Path(ROOT, 'input_data').iterdir()]",
        "Path(ROOT, 'input_data', 'cache.json').write_text('{\"tile\": 1}')",
    ],
)
def test_files_of_a_script_that_ends_well_become_products(guide, tmp_path, end):
    ended = guide(end)
    assert ended.code == 0, ended.err
    left = {f"2026/03/{scene}/{scene}.json" for scene in SCENES}
    assert left < _left(tmp_path)
    for path in left:
        item = json.loads((tmp_path / "processing/output_data" / path).read_text())
        assert item["properties"]["processing:software"] == {"ndvi.py": "5f1c"}
        assert set(item["assets"]) == {"ndvi"}
    assert ended.err.splitlines()[-1].endswith('"event": "ended"}'), "what is left is the upload"


@pytest.mark.parametrize(("end", "code"), [("1 / 0", 1), ("sys.exit('no CRS')", 1), ("os.kill(os.getpid(), 9)", -9)])
def test_files_of_a_script_that_ends_otherwise_are_no_products(guide, tmp_path, end, code):
    ended = guide(end)
    assert ended.code == code, ended.err
    assert _left(tmp_path) == {f"ndvi_{scene}.tif" for scene in SCENES}


def test_a_thread_that_outlives_the_last_line_still_adds_to_the_products(guide, tmp_path):
    late = """
import shutil, threading, time

def work():
    time.sleep(0.3)
    for item in items:
        shutil.copy(f"{ROOT}/output_data/ndvi_{item['Id']}.tif", f"{ROOT}/output_data/evi_{item['Id']}.tif")

threading.Thread(target=work).start()
"""
    assert guide(late).code == 0
    assert {f"2026/03/{scene}/evi_{scene}.tif" for scene in SCENES} < _left(tmp_path)


def test_a_job_whose_files_cannot_be_made_products_fails_and_says_so(guide, tmp_path):
    ended = guide(
        "import shutil; shutil.rmtree(ROOT + '/output_data'); Path(ROOT, 'output_data').write_text(''); print('last')"
    )
    assert (ended.code, ended.out) == (1, "last\n")
    assert "What the script left can't be catalogued" in ended.message
    assert ended.err.splitlines()[-1].endswith('"event": "ended"}')


def test_an_instance_that_was_given_no_scene_ends_well(job):
    ended = job("print('nothing to do')", products=PRODUCTS).start(python=PYTHON)
    assert (ended.code, ended.out) == (0, "nothing to do\n"), ended.err


def test_a_forked_process_makes_no_products(guide, tmp_path):
    ended = guide("pid = os.fork()\nif pid == 0:\n    sys.exit(0)\nos.waitpid(pid, 0)\n1 / 0\n")
    assert ended.code == 1
    assert _left(tmp_path) == {f"ndvi_{scene}.tif" for scene in SCENES}


def test_a_rasterio_that_does_not_load_is_told_before_the_script_runs(guide, tmp_path):
    """As where a numpy of processing.requirements goes before the one that the image's rasterio was made with."""
    broken = tmp_path / "broken"
    (broken / "rasterio").mkdir(parents=True)
    (broken / "rasterio" / "__init__.py").write_text("raise ImportError('numpy.core.multiarray failed to import')")
    (broken / "rasterio-9.dist-info").mkdir()
    (broken / "rasterio-9.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: rasterio\nVersion: 9\n")
    ended = guide(script="print('ran')", PYTHONPATH=str(broken))
    assert (ended.code, ended.out) == (1, "")
    assert "numpy.core.multiarray failed to import" in ended.message
    assert "processing.provided" in ended.message


def test_a_script_that_closed_its_log_has_its_products_all_the_same(guide, tmp_path):
    assert guide("sys.stderr.close()").code == 0
    assert {f"2026/03/{scene}/{scene}.json" for scene in SCENES} < _left(tmp_path)


def test_a_job_whose_files_cannot_be_made_products_fails_without_a_log_as_well(guide, tmp_path):
    ended = guide(
        "import shutil; shutil.rmtree(ROOT + '/output_data'); Path(ROOT, 'output_data').write_text(''); "
        "sys.stderr.close()"
    )
    assert ended.code == 1
    assert "What the script left can't be catalogued" in ended.message


def test_an_image_without_rasterio_is_told_before_the_script_runs(guide, tmp_path):
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    ended = guide(python=bare / "bin/python", script="print('ran')")
    assert (ended.code, ended.out) == (1, "")
    assert "need rasterio" in ended.message
