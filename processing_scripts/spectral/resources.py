"""What the scenes of a shard share: threads, connections, memory, and the turn to compute."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spectral.remote import Fetcher

_MB = 1 << 20
# What Python, numpy and GDAL take before the first block, and GDAL's cache.
_BASE = 160 * _MB
SMALLEST_MEMORY = 200 * _MB
_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


class Stopped(Exception):
    """The shard has been given up, so the scene is too."""


class Resources:
    """A context manager: at its end nothing runs on."""

    def __init__(self, *, threads: int, memory: int | None = None) -> None:
        """
        Args:
            threads: how many blocks are computed at a time.
            memory: bytes that the process may take; None: `usual_memory`.
        """
        self.threads = threads
        self.memory = usual_memory(threads) if memory is None else memory
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="compute")
        self._fetcher: Fetcher | None = None
        self._lock = Lock()
        # One scene computes; another may open its files and fetch ahead, a third write and describe its product.
        self.turn = Lock()
        self._stopped = Event()

    def __enter__(self) -> Resources:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.pool.shutdown(cancel_futures=True)
        if self._fetcher:
            self._fetcher.close()

    def fetcher(self) -> Fetcher:
        """The connections, made when something far is first opened: to read the system's certificates alone takes a
        tenth of the whole start.
        """
        from spectral.http_client import from_environment
        from spectral.remote import Fetcher

        with self._lock:
            self.check()
            self._fetcher = self._fetcher or Fetcher(from_environment())
            return self._fetcher

    @property
    def ahead(self) -> int:
        """How many bytes a scene may fetch ahead: two scenes do."""
        return max(16 * _MB, (self.memory - _BASE) // 4)

    def blocks(self, working: int, result: int) -> int:
        """How many blocks may be in the making at a time: one a thread, and as many that are done and wait their turn.

        Args:
            working: bytes that a block takes while it is computed.
            result: bytes that it takes afterwards.
        """
        free = self.memory - _BASE - 2 * self.ahead
        computing = max(1, min(self.threads, free // working))
        if computing < self.threads:
            return computing
        return computing + max(0, min(self.threads, (free - computing * working) // result))

    def stop(self) -> None:
        """Make the scenes under way end soon."""
        with self._lock:
            self._stopped.set()
            if self._fetcher:
                self._fetcher.client.stop()

    def check(self) -> None:
        """
        Raises:
            Stopped: the shard has been given up.
        """
        if self._stopped.is_set():
            raise Stopped


def usual_memory(threads: int) -> int:
    """Half of what the instance or its container has, and no more than so many threads have a use for."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CGROUPS:
        with suppress(OSError, ValueError):
            limits.append(int(path.read_text()))
    return max(SMALLEST_MEMORY, min(min(limits) // 2, 256 * _MB + 64 * _MB * threads))
