"""What a process cost is what the operating system counted, and nothing of this shell's settings reaches it."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from benchmarks.harness import CommandFailed, Cost, Run, interleaved, measure, median, output_folder


def python(code: str, *, leaves=("*", 0), **more) -> Run:
    return Run("one", lambda folder: [sys.executable, "-c", code, folder], leaves, **more)


def test_cpu_counts_the_commands_own_children():
    spin = "import time\nwhile time.process_time() < 0.3: pass"
    cost = measure(python(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spin!r}])"))
    assert cost.cpu >= 0.3
    assert cost.wall >= 0.3


def test_waiting_costs_wall_time_only():
    cost = measure(python("import time; time.sleep(0.5)"))
    assert cost.wall >= 0.5
    assert cost.cpu < 0.4


def test_peak_memory_is_the_commands_not_ours():
    here = np.ones(40_000_000)  # 320 MB in this process
    assert measure(python("pass")).peak_mb < 60
    assert 100 < measure(python("bytearray(100_000_000)[::4096]")).peak_mb < 180
    assert here.any()


def test_settings_of_this_shell_do_not_reach_the_command(monkeypatch):
    for name in ("PYTHONDONTWRITEBYTECODE", "GDAL_CACHEMAX", "CPL_DEBUG", "VSI_CACHE", "OPENBLAS_CORETYPE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("KEPT", "1")
    code = "import os, sys, pathlib; pathlib.Path(sys.argv[1], 'names').write_text(' '.join(os.environ))"
    measure(python(code, leaves=("names", 1), environment={"GDAL_HTTP_MULTIPLEX": "YES"}))
    names = set((output_folder("one") / "names").read_text().split())
    assert "KEPT" in names
    assert {name for name in names if name.startswith(("PYTHON", "GDAL", "CPL", "VSI", "OPENBLAS"))} == {
        "GDAL_HTTP_MULTIPLEX"
    }


def test_a_command_that_fails_is_no_measurement():
    with pytest.raises(CommandFailed, match=r"ended with 3(.|\n)*out of luck"):
        measure(python("import sys; print('out of luck'); sys.exit(3)"))


def test_a_command_that_leaves_nothing_is_no_measurement():
    with pytest.raises(CommandFailed, match="left 0 of 1 files"):
        measure(python("pass", leaves=("*.tif", 1)))


def test_what_the_run_before_has_left_is_gone():
    code = "import sys, pathlib; pathlib.Path(sys.argv[1], sys.argv[0] and 'a').touch(exist_ok=False)"
    for _ in range(2):
        measure(python(code, leaves=("a", 1)))


def test_commands_run_on_the_cores_they_are_given():
    code = "import os, sys; sys.exit(len(os.sched_getaffinity(0)) - 1)"
    measure(python(code, cpus=[0]))


def test_rounds_are_interleaved_and_begin_with_another_run_each():
    order = []
    runs = [Run(key, lambda folder: ["true"], ("*", 0)) for key in "ab"]
    costs = interleaved(runs, rounds=2, finished=lambda run, cost: order.append(run.key))
    assert order == ["a", "b", "b", "a"]
    assert {key: len(some) for key, some in costs.items()} == {"a": 2, "b": 2}


def test_medians_are_taken_of_each_figure():
    assert median([Cost(1, 9, 5), Cost(2, 7, 4), Cost(30, 8, 6)]) == Cost(2, 8, 5)
