"""What a job starts: the script finds what `python3 script.py` would have given it, and the log says what is there."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.container.conftest import HERE, LAUNCHER, PYTHON

SEEN = """
import json, sys
from pathlib import Path
print(json.dumps({
    "name": __name__,
    "arguments": sys.argv[1:],
    "own": Path(sys.argv[0]).name == Path(__file__).name == "main.py",
    "beside": (Path(__file__).parent / "model.json").read_text(),
    "first": sys.path[0] == str(Path(__file__).parent),
    "here": str(Path.cwd()),
}))
"""


def test_a_script_runs_as_if_python_had_been_given_its_file(job, tmp_path):
    ended = job({"main.py": SEEN, "model.json": "weights"}).start("--indices", "NDVI,EVI", "a b")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out) == {
        "name": "__main__",
        "arguments": ["--indices", "NDVI,EVI", "a b"],
        "own": True,
        "beside": "weights",
        "first": True,
        "here": str(tmp_path),
    }


def test_a_folder_is_run_by_its_entry_with_its_modules_and_packages(job):
    files = {
        "go.py": "import helper\nfrom bands.red import NAME\nprint(helper.WORD, NAME)",
        "helper.py": "WORD = 'helped'",
        "bands/__init__.py": "",
        "bands/red.py": "NAME = 'red'",
    }
    assert job(files, entry="go.py").start().out == "helped red\n"


def test_a_program_beside_the_script_can_be_started(job):
    script = """
import subprocess
from pathlib import Path
print(subprocess.run([Path(__file__).parent / "tool.sh"], capture_output=True, text=True, check=True).stdout)
"""
    ended = job({"main.py": script, "tool.sh": "#!/bin/sh\necho a tool\n"}, programs=("tool.sh",)).start()
    assert ended.out.strip() == "a tool", ended.err


def test_a_file_of_the_definition_has_its_own_name_again(job, tmp_path):
    areas = tmp_path / "processing/areas"
    areas.mkdir(parents=True)
    (areas / "04b1fe48.geojson").write_text("{}")
    named = {"/opt/ml/processing/areas": "parishes.geojson", "/opt/ml/processing/gone": "soil.csv"}
    ended = job("print('runs')", files=named).start()
    assert [path.name for path in areas.iterdir()] == ["parishes.geojson"]
    assert ended.out == "runs\n"
    assert (ended.events["file"]["name"], ended.events["file"]["level"]) == ("soil.csv", "warning")


def test_processes_that_a_script_spawns_find_its_functions(job):
    script = """
import multiprocessing

def square(n):
    return n * n

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(pool.map(square, [1, 2, 3]))
"""
    ended = job(script).start()
    assert ended.out == "[1, 4, 9]\n", ended.err


@pytest.mark.parametrize(
    ("end", "code"), [("raise SystemExit(3)", 3), ("sys.exit('no CRS')", 1), ("1 / 0", 1), ("", 0)]
)
def test_the_scripts_exit_code_is_the_jobs(job, end, code):
    ended = job(f"import sys\n{end}\n").start()
    assert ended.code == code
    assert "ended" in ended.events
    if "1 / 0" in end:
        assert 'main.py", line 2' in ended.err
        assert "ZeroDivisionError" in ended.err


@pytest.mark.parametrize(
    ("end", "is_told"),
    [
        ("os.close(2)", True),
        ("sys.stderr.close()", True),
        ("sys.stderr = None", True),
        ("os.close(1); sys.exit(3)", True),
        ("os.closerange(0, 256)", False),
    ],
)
def test_a_script_that_closes_its_log_ends_with_its_own_code(job, tmp_path, end, is_told):
    script = f"import os, sys\n{end}\n"
    (tmp_path / "main.py").write_text(script)
    alone = subprocess.run([sys.executable, tmp_path / "main.py"], capture_output=True, check=False)
    ended = job(script).start()
    assert (ended.code, "ended" in ended.events) == (alone.returncode, is_told), ended.err


@pytest.mark.parametrize("closed", ["os.close(2)", "os.closerange(2, 256)"])
def test_nothing_is_written_to_a_file_that_a_script_opens_where_its_log_was(job, tmp_path, closed):
    script = f"import os\n{closed}\nfiles = [open(f'{tmp_path}/{{n}}.csv', 'w') for n in range(20)]\n"
    assert job(script).start().code == 0
    assert [path.read_text() for path in tmp_path.glob("*.csv")] == [""] * 20


@pytest.mark.parametrize(
    "script",
    [
        "def work():\n    raise ValueError('no CRS')\n\nwork()\n",
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise OSError('a') from error\n",
        "x = (\n",
        "import runpy\nrunpy.run_module('no_such_module')\n",
    ],
)
def test_a_traceback_is_the_one_of_the_script_alone(job, tmp_path, script):
    (tmp_path / "main.py").write_text(script)
    alone = subprocess.run([sys.executable, tmp_path / "main.py"], capture_output=True, text=True, check=False)
    ended = job(script).start()
    said = [line for line in ended.err.splitlines() if not line.startswith('{"time"')]
    laid_out = re.sub(r'"[^"]*/job-\w+/script/', f'"{tmp_path}/', "\n".join(said))
    assert (ended.code, laid_out) == (alone.returncode, alone.stderr.rstrip("\n"))


def test_threads_that_outlive_the_last_line_find_what_lies_beside_the_script(job):
    script = """
import threading, time

def work():
    time.sleep(0.3)
    import beside
    print(beside.WORD, __import__("__main__").NAME)

NAME = "mine"
threading.Thread(target=work).start()
"""
    ended = job({"main.py": script, "beside.py": "WORD = 'late'"}).start()
    assert (ended.code, ended.out) == (0, "late mine\n"), ended.err
    assert ended.err.splitlines()[-1].endswith('"event": "ended"}')


def test_the_end_of_a_forked_process_is_not_the_scripts(job, tmp_path):
    script = """
import os, sys
from pathlib import Path
if os.fork() == 0:
    sys.exit(0)
os.wait()
print((Path(__file__).parent / "model.json").read_text())
"""
    ended = job({"main.py": script, "model.json": "weights"}).start(TMPDIR=str(tmp_path))
    assert (ended.code, ended.out) == (0, "weights\n"), ended.err
    assert ended.err.count('"event": "ended"') == 1
    assert not list(tmp_path.glob("job-*")), "its folder is left behind"


def test_a_stop_reaches_the_script(job, tmp_path):
    script = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
print("up", flush=True)
time.sleep(60)
"""
    command = [sys.executable, job(script).archive()]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 9
    assert not list(tmp_path.glob("job-*")), "its folder is left behind"


def test_libraries_go_before_the_containers_own_and_reach_other_processes(job):
    script = """
import subprocess, sys
import colorama
print(colorama.NAME, flush=True)
subprocess.run([sys.executable, "-c", "import colorama; print(colorama.NAME)"], check=True)
"""
    started = job(script).with_libraries({"colorama/__init__.py": "NAME = 'ours'"})
    ended = started.start()
    assert ended.out.split() == ["ours", "ours"], ended.err
    assert ended.events["libraries"]["used"] is True


def test_programs_of_libraries_are_found_by_their_names_before_the_containers_own(job):
    script = (
        "import subprocess, sys\nfor name in ('tool', 'sh'): print(subprocess.check_output([name], text=True).strip())"
    )
    files = {"bin/tool": "#!/bin/sh\necho a tool\n", "bin/sh": "#!/bin/bash\necho theirs\n", "a/data": ""}
    ended = job(script, programs=("bin/tool", "bin/sh")).with_libraries(files).start()
    assert ended.out.split("\n")[:2] == ["a tool", "theirs"], ended.err


def test_a_program_within_a_package_can_be_started(job):
    script = "import node, subprocess\nsubprocess.run([node.__path__[0] + '/bin/run'], check=True)"
    files = {"node/__init__.py": "", "node/bin/run": "#!/bin/sh\necho ran\n"}
    ended = job(script, programs=("node/bin/run",)).with_libraries(files).start()
    assert ended.out == "ran\n", ended.err


def test_a_library_never_goes_before_the_scripts_own_module(job):
    files = {"main.py": "import bands\nprint(bands.WHOSE)", "bands.py": "WHOSE = 'mine'"}
    assert job(files).with_libraries({"bands.py": "WHOSE = 'theirs'"}).start().out == "mine\n"


def test_what_is_called_as_a_module_of_pythons_own_stays_out(job):
    """Requirements name `typing` and `pathlib`, whose wheels are for Pythons of old; under pip they do no harm."""
    script = """
import pathlib, subprocess, sys, typing
import bands, concurrent.futures
print(bands.HERE)
print(*(hasattr(each, "OLD") for each in (pathlib, typing, concurrent.futures)), flush=True)
subprocess.run([sys.executable, "-c", "import pathlib, typing; print(hasattr(pathlib, 'OLD'))"], check=True)
"""
    old = dict.fromkeys(("pathlib.py", "typing.py", "concurrent/__init__.py", "concurrent/futures.py"), "OLD = 1")
    ended = job(script).with_libraries({"bands.py": "HERE = 'bands'", "typing_more.py": "", **old}).start()
    assert ended.out.split() == ["bands", "False", "False", "False", "False"], ended.err
    assert ended.events["libraries"]["without"] == ["concurrent", "pathlib.py", "typing.py"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"zips": {"3.7": "0.zip", "2.7": "0.zip"}},
            f"they travel for Python 2.7 and 3.7, this container's is {HERE} (name it under processing.python)",
        ),
        ({"machine": "s390x"}, "they are for Linux on s390x, this is linux on"),
        ({"glibc": [99, 1]}, "they need glibc 99.1 or newer, this container's is"),
    ],
)
def test_required_libraries_that_do_not_fit_end_the_job_before_the_script(job, changes, why):
    ended = job("print('the script')").with_libraries({"a.py": ""}, **changes).start()
    assert (ended.code, ended.out) == (1, "")
    assert ended.message == ended.err.splitlines()[-1]
    assert ended.message.startswith("The libraries of requirements.txt can't be used: ")
    assert why in ended.message


@pytest.mark.parametrize("changes", [{"zips": {"3.7": "0.zip"}}, {"machine": "s390x"}, {"glibc": [99, 1]}])
def test_other_libraries_that_do_not_fit_cost_a_line(job, changes):
    ended = job("print('the script')").with_libraries({"a.py": ""}, required=False, **changes).start()
    assert (ended.code, ended.out) == (0, "the script\n")
    assert ended.message is None
    assert ended.events["libraries"]["level"] == "warning"


def test_other_libraries_that_do_not_load_are_not_in_the_containers_way(job):
    script = "import sys, colorama\nprint(hasattr(colorama, 'BROKEN'), 'broken_codec' in sys.modules)"
    files = {
        "broken_codec/__init__.py": "import colorama\nraise OSError('libdeflate.so.0: no such file')",
        "colorama.py": "BROKEN = 1",
    }
    ended = job(script).with_libraries(files, required=False).start()
    assert ended.out == "False False\n", ended.err
    assert ended.events["libraries"]["reason"] == "OSError: libdeflate.so.0: no such file"


def test_other_libraries_are_not_laid_out_where_the_container_has_them(job):
    script = "import affine\nprint(hasattr(affine, 'THEIRS'))"
    given = {"affine.py": "THEIRS = 1"}
    ended = job(script).with_libraries(given, required=False, packages=["rasterio"]).start(python=PYTHON)
    assert ended.out == "False\n", ended.err
    assert ended.events["libraries"]["reason"] == "the container has its own"


def test_required_libraries_are_taken_whatever_the_container_has(job):
    script = "import affine\nprint(hasattr(affine, 'THEIRS'))"
    ended = job(script).with_libraries({"affine.py": "THEIRS = 1"}, packages=["rasterio"]).start(python=PYTHON)
    assert ended.out == "True\n", ended.err


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
