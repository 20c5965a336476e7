"""What a synthesis makes once is made by one of several that want it at the same time."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from stacks.components.made_once import made_once

ROOT = Path(__file__).resolve().parents[2]
# Makes the folder of its argument: says so in `makers`, and goes on once `go` is there, or half a minute is over.
SYNTHESIS = """
import sys, time
from pathlib import Path
from stacks.components.made_once import made_once

folder = Path(sys.argv[1])

def make(making):
    with (folder.parent / "makers").open("a") as makers:
        makers.write("one\\n")
    for _ in range(3000):
        if (folder.parent / "go").exists():
            break
        time.sleep(0.01)
    (making / "content").write_text("whole")

print((made_once(folder, make) / "content").read_text())
"""


def _synthesis(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SYNTHESIS, str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _until(path: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < deadline, f"{path} has not got {text!r}"
        time.sleep(0.01)


def test_of_two_syntheses_at_once_one_makes_it_and_the_other_says_that_it_waits(tmp_path: Path) -> None:
    folder = tmp_path / "libraries"
    with _synthesis(folder) as first:
        _until(tmp_path / "makers", "one")
        with _synthesis(folder) as second:
            assert second.stderr.readline() == f"waiting for another synthesis, which makes {folder}\n"
            (tmp_path / "go").touch()
            assert [each.communicate(timeout=60)[0] for each in (first, second)] == ["whole\n", "whole\n"]
    assert (tmp_path / "makers").read_text() == "one\n"
    assert {path.name for path in tmp_path.iterdir()} == {"libraries", "makers", "go"}


def test_after_one_that_failed_or_was_killed_the_next_makes_it(tmp_path: Path) -> None:
    folder = tmp_path / "libraries"
    with _synthesis(folder) as killed:
        _until(tmp_path / "makers", "one")
        killed.kill()

    def fail(_: Path) -> None:
        raise OSError("no index")

    with pytest.raises(OSError, match="no index"):
        made_once(folder, fail)
    assert not folder.exists()
    made_once(folder, lambda making: (making / "content").touch())
    assert [path.name for path in folder.iterdir()] == ["content"]
