"""Fresh processes, one after the other in interleaved rounds, and what each cost."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.places import CONTAINER_PYTHON, ROOT, SCRIPT, WORK

# Settings of this shell that would reach the measured programs: interpreters without bytecode, GDAL with another
# cache, BLAS with other kernels. None of them is passed on.
_STRIPPED = ("PYTHON", "GDAL_", "CPL_", "VSI_", "PROJ_", "OPENBLAS_", "OMP_", "MKL_", "NUMBA_", "AWS_", "GEOCADENCE_")
_LIMIT = 1800  # seconds


class CommandFailed(Exception):
    """A measured command ended badly; the message has the end of its output."""


@dataclass(frozen=True)
class Cost:
    """What one process took: seconds, and MB (of 10⁶ bytes) at its peak."""

    wall: float
    cpu: float  # user + system, its own children included
    peak_mb: float


@dataclass(frozen=True)
class Run:
    """A command to measure. `argv` is built for an empty folder of its own, which holds the run's output.

    `leaves` are the files that it must leave there, as a pattern and their number: a program may well end with 0 when
    its scenes failed.
    """

    key: str
    argv: Callable[[Path], Sequence[str | Path]]
    leaves: tuple[str, int]
    environment: Mapping[str, str] = field(default_factory=dict)
    cpus: Sequence[int] | None = None


def measure(run: Run) -> Cost:
    """Run it once, in a fresh process with a clean environment.

    Raises:
        CommandFailed: its exit code was not 0, it took longer than half an hour, or it left something else than
            it should.
    """
    folder = output_folder(run.key)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    log = folder.with_name(f"{run.key}.log")
    asked = {
        "argv": [os.fspath(part) for part in run.argv(folder)],
        "environment": {**clean_environment(), **run.environment},
        "cpus": list(run.cpus) if run.cpus else None,
        "log": str(log),
        "limit": _LIMIT,
    }
    # What the run before has written must not be written back during this one.
    os.sync()
    small = [sys.executable, "-I", "-S", ROOT / "benchmarks" / "measure.py"]
    answer = subprocess.run(small, input=json.dumps(asked), capture_output=True, text=True, check=False)
    if answer.returncode:
        raise CommandFailed(f"{run.key}: {answer.stderr.strip()}")
    cost = json.loads(answer.stdout)
    pattern, expected = run.leaves
    left = len(list(folder.glob(pattern)))
    if cost["exit"] or left != expected:
        told = log.read_text(errors="replace").strip()[-2000:]
        raise CommandFailed(f"{run.key} ended with {cost['exit']} and left {left} of {expected} files:\n{told}")
    return Cost(cost["wall"], cost["user"] + cost["system"], cost["peak_kb"] * 1024 / 1e6)


def interleaved(
    runs: Sequence[Run], *, rounds: int, finished: Callable[[Run, Cost], None] = lambda run, cost: None
) -> dict[str, list[Cost]]:
    """Each run once in every round, so that a slow moment of the machine hits all alike; by key, its costs.

    Every round begins with another run. `finished` is called after each, with its output still there.
    """
    costs: dict[str, list[Cost]] = {run.key: [] for run in runs}
    for number in range(rounds):
        begin = number % max(1, len(runs))
        for run in (*runs[begin:], *runs[:begin]):
            cost = measure(run)
            costs[run.key].append(cost)
            finished(run, cost)
    return costs


def median(costs: Sequence[Cost]) -> Cost:
    """The medians, each figure's for itself."""
    return Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in ("wall", "cpu", "peak_mb")))


def compile_bytecode() -> None:
    """Compile our script, as set-up has compiled every environment: a fresh interpreter must find bytecode."""
    command = [CONTAINER_PYTHON, "-m", "compileall", "-q", SCRIPT.parent]
    subprocess.run(command, env=clean_environment(), check=True)


def output_folder(key: str) -> Path:
    """Where the run called `key` has its output."""
    return WORK / key


def clean_environment() -> dict[str, str]:
    """This process's environment without what would change the measured programs' ways."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_STRIPPED)}


def free_cores() -> list[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0))
