"""The script as people and containers start it: exit codes, messages, logs, interpreters, zips."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.processing_scripts.factory import SCRIPTS, Folder, random_dn

ROOT = SCRIPTS.parent
CONTAINER = ROOT / ".local" / "container" / "bin" / "python"


def run(*arguments: object, python: object = sys.executable, script: object = None, **environment: str):
    """The script in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GDAL", "GEOCADENCE"))}
    command = [str(part) for part in (python, script or SCRIPTS / "spectral_index.py", *arguments)]
    return subprocess.run(command, env={**clean, **environment}, capture_output=True, text=True, check=False)


def arguments(folder: Folder, *more: object) -> list[object]:
    return ["--input", folder.input, "--output", folder.output, "--indices", "NDVI", *more]


@pytest.fixture
def filled(folder: Folder) -> Folder:
    folder.scene("A", red=random_dn((600, 700), seed=1), nir=random_dn((600, 700), seed=2))
    return folder


@pytest.fixture
def ml(tmp_path: Path) -> Path:
    """A container's /opt/ml, under the name that AWS's toolkits know for it."""
    for part in ("config", "output", "processing/input_data", "processing/output_data"):
        (tmp_path / "ml" / part).mkdir(parents=True)
    hosts = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
    (tmp_path / "ml/config/resourceconfig.json").write_text(json.dumps(hosts))
    return tmp_path / "ml"


def log_lines(done: subprocess.CompletedProcess) -> list[dict]:
    return [json.loads(line) for line in done.stderr.splitlines()]


def content(output: Path) -> dict[str, bytes]:
    return {str(path.relative_to(output)): path.read_bytes() for path in output.rglob("*") if path.is_file()}


def test_it_works_by_itself_and_logs_one_line_a_scene(filled: Folder):
    filled.scene("B", red=random_dn((8, 8)))
    done = run(*arguments(filled))
    assert done.returncode == 0, done.stderr
    assert filled.products() == {"A"}
    start, *scenes, end = log_lines(done)
    assert start["scenes"] == 2
    assert start["gdal"] == rasterio.__gdal_version__
    assert [(line["scene"], line["outcome"]) for line in scenes] == [("A", "produced"), ("B", "failed")]
    assert end["summary"].startswith("1 scene produced, 1 failed (1 input). First: The scene has no band N")


def test_folders_default_to_the_containers(filled: Folder, ml: Path):
    shutil.copytree(filled.input, ml / "processing/input_data", dirs_exist_ok=True)
    done = run("--indices", "NDVI", SAGEMAKER_BASE_DIR=str(ml), GEOCADENCE_RUN_ID="run-1")
    assert done.returncode == 0, done.stderr
    assert (ml / "processing/output_data/2026/04/A/A.json").exists()
    assert (ml / "output/message").read_text() == "1 scene produced.\n"
    start = log_lines(done)[0]
    assert (start["host"], start["hosts"]) == ("algo-2", 2)
    assert [path.name for path in (ml / "processing").iterdir() if path.name.startswith(".")] == []


def test_failures_go_to_the_runs_folder(folder: Folder):
    folder.scene("BAD", red=random_dn((8, 8)))
    assert run(*arguments(folder), GEOCADENCE_RUN_ID="20261122T201300Z-1a2b3c4d").returncode == 0
    record = json.loads((folder.output / "runs/20261122T201300Z-1a2b3c4d/failures/BAD.json").read_text())
    assert (record["scene"], record["class"]) == ("BAD", "input")


def test_a_run_id_does_not_lead_outside(folder: Folder):
    folder.scene("BAD", red=random_dn((8, 8)))
    assert run(*arguments(folder, "--run-id", "../../x")).returncode == 0
    assert [path.name for path in folder.output.iterdir()] == ["runs"]
    assert len(list(folder.output.glob("runs/*/failures/BAD.json"))) == 1


def test_an_empty_shard_ends_well(folder: Folder, ml: Path):
    done = run(*arguments(folder), SAGEMAKER_BASE_DIR=str(ml))
    assert done.returncode == 0
    assert (ml / "output/message").read_text() == "No scenes in this shard.\n"
    assert content(folder.output) == {}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (["--indices", "NDIV"], "there is no index 'NDIV'"),
        (["--mask", "fog"], "'fog' is no class"),
        (["--constants", "L=0.5"], "the constant L is in none of the formulas of NDVI"),
        (["--offset", "1000"], "--offset 1000 is neither auto nor a reflectance"),
        (["--offset", "nan"], "--offset nan is neither"),
        (["--input", "/nowhere"], "--input /nowhere is no folder"),
        (["--input", "/", "--output", "/usr/.."], "--input and --output are both /: "),
        (
            ["--input", "/usr/bin", "--output", "/usr"],
            "--input /usr/bin lies below --output /usr, where nothing is taken",
        ),
        (["--mask", "none,cloud"], "'none,cloud' asks for no mask and for classes"),
        (["--threads", "0"], "--threads 0 is below 1"),
        (["--indicies", "NDVI"], "unrecognized arguments"),
        (["--indices", "Preview=N-R"], "'Preview' can't name an index: a product has another asset of that name"),
    ],
)
def test_wrong_arguments_are_refused_with_a_sentence(filled: Folder, ml: Path, wrong, why):
    done = run(*arguments(filled), *wrong, SAGEMAKER_BASE_DIR=str(ml))
    assert done.returncode == 2
    assert why in done.stderr
    assert why in (ml / "output/message").read_text()
    assert not filled.output.exists()


def test_without_indices_the_container_hears_why(ml: Path):
    done = run(SAGEMAKER_BASE_DIR=str(ml))
    assert done.returncode == 2
    assert "--indices" in (ml / "output/message").read_text()


@pytest.mark.parametrize("given", [["--offset", "-0.1"], ["--offset=-0.1"], ["--offset", "-1e-1"]])
def test_a_negative_offset_is_no_option(filled: Folder, given):
    assert run(*arguments(filled, *given, "--mask", "default")).returncode == 0
    assert filled.item("A")["properties"]["geocadence:offset"]["source"] == "argument"


def test_float32_on_request(filled: Folder):
    assert run(*arguments(filled)).returncode == 0
    packed = filled.values("A")
    assert run(*arguments(filled, "--dtype", "float32")).returncode == 0
    with rasterio.open(filled.product("A")) as dataset:
        assert (dataset.dtypes, dataset.nodata, dataset.scales) == (("float32",), -9999, (1.0,))
    (band,) = filled.item("A")["assets"]["ndvi"]["bands"]
    assert (band["data_type"], band["nodata"]) == ("float32", -9999)
    assert "raster:scale" not in band
    difference = np.abs(filled.values("A") - packed)
    assert 0 < np.nanmax(difference) <= 5.1e-5


def test_constants_are_computed_with_and_recorded(folder: Folder):
    folder.scene("A", red=np.full((4, 4), 2000), nir=np.full((4, 4), 4000))
    more = ["--indices", "SAVI,EVI2,MINE=K*N", "--constants", "L=0.25,EVI2.g=2,K=3"]
    assert run(*arguments(folder, *more)).returncode == 0
    assert folder.values("A", "savi")[0, 0] == pytest.approx(1.25 * 0.2 / (0.4 + 0.25), abs=5.1e-5)
    assert folder.values("A", "evi2")[0, 0] == pytest.approx(2 * 0.2 / (0.3 + 0.24 + 0.25), abs=5.1e-5)
    assert folder.values("A", "mine")[0, 0] == pytest.approx(0.9)
    assets = folder.item("A")["assets"]
    assert assets["savi"]["geocadence:constants"] == {"L": 0.25}
    assert assets["evi2"]["geocadence:constants"] == {"g": 2.0, "L": 0.25}


def test_an_unfit_instance_ends_with_1(filled: Folder, ml: Path):
    filled.output.write_text("a file")
    done = run(*arguments(filled), SAGEMAKER_BASE_DIR=str(ml))
    assert done.returncode == 1
    assert (ml / "output/message").read_text().startswith("The instance is unfit: The output folder")


def test_without_rasterio_it_says_what_is_missing(filled: Folder, ml: Path, tmp_path: Path):
    (tmp_path / "rasterio.py").write_text("raise ImportError('libgdal is missing')")
    done = run(*arguments(filled), SAGEMAKER_BASE_DIR=str(ml), PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "libgdal is missing" in (ml / "output/message").read_text()


@pytest.mark.parametrize(
    "broken",
    [
        "ValueError('numpy.dtype size changed, may indicate binary incompatibility')",
        "OSError('libexpat.so.1: cannot open shared object file')",
        "RuntimeError('module compiled against ABI version 0x1000009')",
    ],
)
def test_libraries_that_do_not_fit_make_the_instance_unfit(filled: Folder, ml: Path, tmp_path: Path, broken):
    """A rasterio built against another numpy says so by a ValueError; nobody heard of it."""
    (tmp_path / "rasterio.py").write_text(f"raise {broken}")
    done = run(*arguments(filled), SAGEMAKER_BASE_DIR=str(ml), PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    kind, words = broken.removesuffix("')").split("('")
    expected = f"The instance is unfit: numpy and rasterio are needed: {kind}: {words}.\n"
    assert (ml / "output/message").read_text() == expected
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("library", ["imagecodecs", "llvmlite"])
def test_a_fast_library_that_does_not_fit_is_gone_without(filled: Folder, tmp_path: Path, library):
    """It travels with the code, and the image's numpy may be another than it was built against."""
    (tmp_path / f"{library}.py").write_text("raise ValueError('numpy.dtype size changed')")
    done = run(*arguments(filled), PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert filled.products() == {"A"}
    assert any(line["event"] == "fallback" and library in line["reason"] for line in log_lines(done))


def test_an_older_python_is_told_so(filled: Folder, ml: Path, monkeypatch):
    from spectral import cli, container

    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    monkeypatch.setattr(container.leave_message, "__defaults__", (ml,))
    assert cli.main([str(argument) for argument in arguments(filled)]) == 1
    assert (ml / "output/message").read_text().startswith("The instance is unfit: Python 3.10 or newer is needed")


def test_what_rasterio_warns_of_while_it_draws_an_area_is_kept_still_in_every_thread(filled: Folder, monkeypatch):
    """It quiets itself for one thread at a time, so that one run in five had a line of it."""
    from rasterio.errors import NotGeoreferencedWarning
    from spectral import area, cli

    def drawn(*given, **settings):
        warnings.warn("Dataset has no geotransform", NotGeoreferencedWarning, stacklevel=2)
        return rasterize(*given, **settings)

    rasterize = area.rasterize
    monkeypatch.setattr(area, "rasterize", drawn)
    ring = [[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]
    (filled.root / "area.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert cli.main([str(a) for a in (*arguments(filled), "--area", filled.root / "area.geojson")]) == 0
    assert [str(one.message) for one in told if one.category is NotGeoreferencedWarning] == []


def test_what_nobody_foresaw_is_told_too(filled: Folder, ml: Path, monkeypatch):
    from spectral import cli, container, shard

    def broken(folder, output):
        raise RuntimeError("surprise")

    monkeypatch.setattr(shard, "read_scenes", broken)
    monkeypatch.setattr(container.leave_message, "__defaults__", (ml,))
    with pytest.raises(RuntimeError):
        cli.main([str(argument) for argument in arguments(filled)])
    assert (ml / "output/message").read_text() == "Unforeseen RuntimeError: surprise\n"


def test_the_message_is_short_valid_text_whatever_the_reason(folder: Folder, ml: Path):
    item = folder.scene("BAD", add=False)
    folder.add({**item, "assets": {"é" * 60 + str(number): {} for number in range(40)}})
    assert run(*arguments(folder), SAGEMAKER_BASE_DIR=str(ml)).returncode == 0
    message = (ml / "output/message").read_bytes()
    assert 1000 < len(message) <= 1024
    assert message.decode("utf-8").startswith("0 scenes produced, 1 failed")


def test_same_input_same_bytes_whatever_the_threads(filled: Folder, tmp_path: Path):
    outputs = []
    for number, threads in enumerate((1, 3, 3)):
        output = tmp_path / f"again-{number}"
        done = run("--input", filled.input, "--output", output, "--indices", "NDVI,SR", "--threads", threads)
        assert done.returncode == 0
        outputs.append(content(output))
    assert outputs[0] == outputs[1] == outputs[2]
    assert len(outputs[0]) == 4


def test_the_containers_python_writes_the_same(filled: Folder, tmp_path: Path):
    """Only numpy and rasterio are there for the script, and no spyndex."""
    assert run(*arguments(filled)).returncode == 0
    done = run("--input", filled.input, "--output", tmp_path / "there", "--indices", "NDVI", python=CONTAINER)
    assert done.returncode == 0, done.stderr
    assert content(tmp_path / "there") == content(filled.output)


def test_it_runs_from_a_zip(filled: Folder, tmp_path: Path):
    archive = tmp_path / "script.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.write(SCRIPTS / "spectral_index.py", "__main__.py")
        for path in (SCRIPTS / "spectral").iterdir():
            if path.suffix in (".py", ".json"):
                bundle.write(path, f"spectral/{path.name}")
    done = run(*arguments(filled), python=CONTAINER, script=archive)
    assert done.returncode == 0, done.stderr
    assert filled.products() == {"A"}


def test_it_imports_nothing_but_numpy_rasterio_and_the_standard_library():
    allowed = {*sys.stdlib_module_names, "numpy", "rasterio", "spectral", "cataloguing"}
    for path in SCRIPTS.rglob("*.py"):
        extra = {"codecs.py": {"imagecodecs"}, "llvm.py": {"llvmlite"}}.get(path.name, set())  # it does without as well
        for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 10))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= allowed | extra, path


def test_boto3_is_not_waited_for_and_can_still_be_had():
    """The container has it, and rasterio would import it: a third of the start, for nothing that is used here."""
    code = (
        "import sys; from spectral.cli import main; main(['--indices', 'NDVI', '--check']); "
        "assert 'rasterio' in sys.modules; print('boto3' in sys.modules); import boto3; print(bool(boto3.Session))"
    )
    done = subprocess.run(
        [CONTAINER, "-c", code], env={"PYTHONPATH": str(SCRIPTS)}, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["False", "True"], done.stderr


def test_what_is_near_waits_neither_for_http_nor_for_the_collector(filled: Folder):
    code = (
        "import gc, sys; sys.path.insert(0, sys.argv[1]); from spectral.cli import main; ended = main(sys.argv[2:]); "
        "assert gc.isenabled() and gc.get_freeze_count() > 10_000; assert 'http.client' not in sys.modules; "
        "sys.exit(ended)"
    )
    given = [SCRIPTS, "--input", filled.input, "--output", filled.output, "--indices", "NDVI"]
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, *map(str, given)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert filled.products() == {"A"}


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_job_leaves_no_drafts_and_says_so(filled: Folder, ml: Path, sent: signal.Signals, code: int):
    for number in range(40):
        item = json.loads((filled.input / "A.json").read_text())
        filled.add({**item, "id": f"S{number}"})
    command = [sys.executable, str(SCRIPTS / "spectral_index.py"), *map(str, arguments(filled))]
    environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(ml)}
    # In the background shells have Ctrl-C ignored, and what they start inherits that.
    started = {"stderr": subprocess.PIPE, "env": environment, "text": True}
    with subprocess.Popen(
        command, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler), **started
    ) as process:
        deadline = time.monotonic() + 20
        while not filled.products() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(sent)
        _, log = process.communicate(timeout=20)
    assert process.returncode == code
    assert "Traceback" not in log
    assert (ml / "output/message").read_text().startswith("Stopped before the shard was worked through")
    assert 0 < len(filled.products()) < 41
    assert not list(filled.root.glob(".*"))
    for scene_id in filled.products():
        assert len(list(filled.output.glob(f"*/*/{scene_id}/*"))) == 3


def test_a_job_that_is_stopped_while_it_still_imports_says_so_too(filled: Folder, ml: Path, tmp_path: Path):
    stops = "import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(20)"
    (tmp_path / "rasterio.py").write_text(stops)
    done = run(*arguments(filled), SAGEMAKER_BASE_DIR=str(ml), PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (143, "")
    assert (ml / "output/message").read_text().startswith("Stopped before the shard was worked through")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (["--indices", "NDVI"], 0),
        (["--indices", "NOPE"], 2),
        (["--indices", "SAVI,MINE=K*N", "--constants", "L=0.25,K=2", "--mask", "default,snow,dilated-cloud"], 0),
        (["--indices", "MINE=K*N"], 2),
        (["--indices", "NDVI", "--resolution", "20"], 0),
        (["--indices", "NDVI", "--resolution", "20m"], 2),
        (["--nosuch"], 2),
        (["--indi", "NDVI"], 2),
    ],
)
def test_arguments_can_be_checked_without_any_folder(tmp_path: Path, given: list[str], code: int):
    ended = run("--check", "--input", str(tmp_path / "none"), "--output", str(tmp_path / "none"), *given)
    assert ended.returncode == code, ended.stderr
    assert not list(tmp_path.iterdir())


def test_the_command_line_sets_its_environment_before_numpy_looks_at_it():
    """OpenBLAS and GDAL read theirs when they are imported; set later, OpenBLAS' threads cost 0.1 s of spinning."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from spectral import cli; print({'numpy', 'rasterio'} & {*sys.modules})"],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"
