"""Ranges of bytes of one file, near or far."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from spectral.failures import InputFailure

# Each thread's own memory, for one read after the other of whatever file: memory that is new costs as much as reading.
_own = threading.local()


class Ranges(Protocol):
    """Where a source's bytes come from."""

    def plan(self, wanted: Sequence[tuple[int, int, int]], memory: int) -> None:
        """What will be read, once each: (turn in which it is needed first, first byte, number of bytes).

        Args:
            memory: how many bytes may be fetched ahead.
        """

    def reached(self, turn: int) -> None:
        """Work has come to this turn: what the next turns need may be fetched."""

    def read(self, start: int, size: int) -> bytes | memoryview:
        """The bytes, valid until the thread's next read.

        Raises:
            InputFailure: they are not there.
            TransientFailure: they can't be had for the moment.
        """

    def close(self) -> None:
        """Let go of the file."""


class LocalFile:
    """A file on disk: the system's page cache fetches ahead well enough."""

    def __init__(self, path: str, name: str) -> None:
        """
        Raises:
            OSError: it can't be opened.
        """
        self._path = path
        self._name = name
        self._file = Path(path).open("rb", buffering=0)  # noqa: SIM115 (closed by `close`)
        self._size = os.fstat(self._file.fileno()).st_size

    def plan(self, wanted: Sequence[tuple[int, int, int]], memory: int) -> None:
        """Nothing to do."""

    def reached(self, turn: int) -> None:
        """Nothing to do."""

    def read(self, start: int, size: int) -> memoryview:
        """The bytes; see `Ranges`."""
        # Looked at first: a damaged directory may name more bytes than there is memory.
        if start + size > self._size:
            raise self._truncated(start + size)
        buffer = getattr(_own, "buffer", None)
        if buffer is None or buffer.size < size:
            buffer = _own.buffer = np.empty(size + size // 4, np.uint8)
        view = memoryview(buffer)[:size]
        done = 0
        while done < size:
            try:
                count = os.preadv(self._file.fileno(), [view[done:]], start + done)
            except OSError as error:
                raise InputFailure(f"{self._name} ({self._path}) can't be read: {error}.") from error
            if not count:
                raise self._truncated(start + size)
            done += count
        return view

    def _truncated(self, end: int) -> InputFailure:
        where = f"it ends before byte {end}, which its directory names"
        return InputFailure(f"{self._name} ({self._path}) is truncated: {where}.")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
