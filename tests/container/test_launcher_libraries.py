"""Libraries that travel with a job: before the container's own where they are required, aside where they don't fit."""

from __future__ import annotations

import pytest

from tests.container.conftest import HERE, PYTHON


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
