"""What a job starts: the script finds what `python3 script.py` would have given it, and the log says what is there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest

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
