"""`make bench`: run suites, write their results, say which targets were met."""

from __future__ import annotations

import argparse
import fcntl
import sys
import time
from pathlib import Path

from benchmarks import machine
from benchmarks.agreement import Disagreement
from benchmarks.bench import Bench
from benchmarks.harness import CommandFailed, compile_bytecode, free_cores
from benchmarks.places import CACHE
from benchmarks.plot import draw
from benchmarks.results import RESULTS, Result, save
from benchmarks.scene import FULL_TILE
from benchmarks.suites import SUITES

# What an ml.m5.large has, and what the targets are meant for.
_CORES = 2


def main() -> int:
    """Returns the exit code: 0 when every suite ran through, whatever it found; 1 when one could not."""
    asked = _arguments()
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:7.1f} s  {text}\n")
        sys.stdout.flush()

    CACHE.mkdir(parents=True, exist_ok=True)
    alone = (CACHE / "running").open("w")
    try:
        fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("make bench: it is running already in this clone; two at once would measure each other")
    cores = free_cores()[: asked.cores]
    facts = machine.facts(size=asked.size, rounds=asked.rounds, cores_used=len(cores))
    if not facts["quiet"]:
        say(f"this machine is busy (load {facts['load_before']}): the figures will not be worth keeping")
    compile_bytecode()
    bench = Bench(size=asked.size, rounds=asked.rounds, say=say, cores=cores)
    broken = []
    for name in asked.suite:
        say(f"suite {name}")
        try:
            result = SUITES[name](bench)
        except (CommandFailed, Disagreement) as error:
            # The others take the better part of an hour, and are as good without it.
            say(f"suite {name} has no result: {error}")
            broken.append(name)
            continue
        path = save(result, facts, asked.output)
        draw(result, path.with_suffix(".svg"))
        _tell(result, say)
        say(f"written: {path}.json, .md, .svg")
    if broken:
        say(f"without result: {', '.join(broken)}")
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--suite", type=_suites, default=list(SUITES), metavar="A,B", help=f"of {', '.join(SUITES)}")
    parser.add_argument("--rounds", type=int, default=3, help="how often each command is run")
    parser.add_argument("--size", type=int, default=FULL_TILE, help="pixels along each side of the scene")
    parser.add_argument("--cores", type=int, default=_CORES, help="how many the measured programs get")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="DIR", help="where the results go")
    asked = parser.parse_args()
    if asked.rounds < 1 or asked.cores < 1:
        parser.error("--rounds and --cores start at 1")
    if not 64 <= asked.size <= FULL_TILE:
        parser.error(f"--size {asked.size} is not between 64 and {FULL_TILE}")
    return asked


def _suites(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    if unknown := sorted(set(names) - set(SUITES)):
        raise argparse.ArgumentTypeError(f"no suite is called {', '.join(unknown)}: expected {', '.join(SUITES)}")
    return names or list(SUITES)


def _tell(result: Result, say) -> None:
    for target in result.targets:
        met = {True: "met", False: "NOT met", None: "not measured"}[target.met]
        measured = "" if target.measured is None else f"{target.measured:.2f} "
        say(f"  {target.what}: {measured}({target.limit}) {met}")


if __name__ == "__main__":
    sys.exit(main())
