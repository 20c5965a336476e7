"""Processes by pid: which one it is, what it started, how it ends; and which one has a port.

The gateway outlives whoever started it, so nothing here relies on being a process's parent.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def start_time(pid: int) -> float | None:
    """When process `pid` started, in the kernel's own unit; None when there is none (or only its remains)."""
    if PROC.is_dir():
        fields = _stat(pid)
        return None if fields is None or fields[0] in "ZX" else float(fields[19])
    words = _run("ps", "-o", "lstart=", "-p", str(pid)).strip()
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


def listener(port: int) -> int | None:
    """The process that listens on `port` of this machine; None without one, or where it is another user's."""
    if not PROC.is_dir():
        told = _run("lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-t").split()
        return int(told[0]) if told else None
    sockets = {f"socket:[{inode}]" for inode in _listening_sockets(port)}
    for pid, _ in _parents() if sockets else ():
        with suppress(OSError):
            if any(str(each.readlink()) in sockets for each in (PROC / str(pid) / "fd").iterdir()):
                return pid
    return None


def command_line(pid: int) -> str:
    """What process `pid` was started as, its words parted by blanks; empty where that can't be told."""
    if not PROC.is_dir():
        return _run("ps", "-o", "command=", "-p", str(pid)).strip()
    with suppress(OSError):
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def started_as(words: str) -> dict[int, str]:
    """The command lines that hold `words`, by process; without those of what another of them started."""
    parents = dict(_parents())
    found = {pid: line for pid in parents if words in (line := command_line(pid))}
    return {pid: line for pid, line in found.items() if parents[pid] not in found}


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


def _listening_sockets(port: int) -> Iterator[str]:
    """Inodes of the sockets that listen on `port`, as proc(5) lists them: `sl local rem st … inode`, in hex."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _parents() -> list[tuple[int, int]]:
    if not PROC.is_dir():
        table = _run("ps", "-axo", "pid=,ppid=").splitlines()
        return [(int(pid), int(parent)) for pid, parent in map(str.split, table)]
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


def _run(*command: str) -> str:
    """What a tool of the system prints, where there is no /proc (macOS)."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False).stdout
