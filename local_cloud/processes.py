"""Processes by pid: which one it is, what it started, how it ends.

The gateway outlives whoever started it, so nothing here relies on being a process's parent.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def start_time(pid: int) -> float | None:
    """When process `pid` started, in the kernel's own unit; None when there is none (or only its remains)."""
    if PROC.is_dir():
        fields = _stat(pid)
        return None if fields is None or fields[0] in "ZX" else float(fields[19])
    words = _ps("-o", "lstart=", "-p", str(pid)).strip()
    return time.mktime(time.strptime(words, "%a %b %d %H:%M:%S %Y")) if words else None


def descendants(pid: int) -> list[int]:
    """Every process that `pid` started, directly or not, nearest first."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found, queue = [], [pid]
    while queue:
        for child in children.get(queue.pop(0), []):
            found.append(child)
            queue.append(child)
    return found


def stop(pid: int, *, patience: float) -> None:
    """End process `pid` and all that it started: asked first, killed after `patience` seconds."""
    family = {member: start_time(member) for member in [pid, *descendants(pid)]}
    _signal([pid], signal.SIGTERM)
    _wait_for(lambda: start_time(pid) != family[pid], patience)
    # What the gateway did not take down itself: only processes that are still the ones listed above.
    left = [member for member, started in family.items() if started is not None and start_time(member) == started]
    left += [child for member in left for child in descendants(member)]
    _signal(left, signal.SIGKILL)
    _wait_for(lambda: all(start_time(member) is None for member in left), 5)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _wait_for(condition, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def _parents() -> list[tuple[int, int]]:
    if not PROC.is_dir():
        return [(int(pid), int(parent)) for pid, parent in map(str.split, _ps("-axo", "pid=,ppid=").splitlines())]
    pairs = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields is not None:
                pairs.append((int(entry.name), int(fields[1])))
    return pairs


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the state on; the name before it may hold blanks and brackets."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _ps(*arguments: str) -> str:
    """Where there is no /proc (macOS)."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    return subprocess.run(["ps", *arguments], capture_output=True, text=True, env=environment, check=False).stdout  # noqa: S607
