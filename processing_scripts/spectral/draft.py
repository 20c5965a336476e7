"""Packed tiles on disk, in the order in which they came, until a COG's header says where they go."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

# What GDAL's COGs have around a tile: before it its size, behind it its last four bytes once more.
FRAME = 8


def framed(tile: bytes) -> tuple[bytes, bytes, bytes]:
    """A tile as it stands in the file."""
    return struct.pack("<I", len(tile)), tile, tile[-4:]


class Draft:
    """Any thread may add a tile: each one writes what it packed, and nothing waits in memory for its turn."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            OSError: it can't be made.
        """
        self._path = path
        self._file = path.open("w+b", buffering=0)
        self._lock = Lock()
        self._end = 0

    def add(self, tile: bytes) -> int:
        """Write a tile; returns the place of its frame.

        Raises:
            OSError: the disk is full.
        """
        with self._lock:
            place = self._end
            self._end += len(tile) + FRAME
        parts = framed(tile)
        done = os.pwritev(self._file.fileno(), parts, place)
        if done < len(tile) + FRAME:
            rest = memoryview(b"".join(parts))
            while done < len(rest):
                done += os.pwrite(self._file.fileno(), rest[done:], place + done)
        return place

    def read(self, start: int, end: int, buffer: bytearray) -> Iterator[memoryview]:
        """The bytes from `start` to `end`, as many at a time as `buffer` holds; each valid until the next.

        Raises:
            OSError: it was cut short meanwhile.
        """
        while start < end:
            view = memoryview(buffer)[: min(len(buffer), end - start)]
            count = os.preadv(self._file.fileno(), [view], start)
            if not count:
                raise OSError(errno.EIO, "the draft ends before a tile that was put into it", str(self._path))
            yield view[:count]
            start += count

    def close(self) -> None:
        """Remove it."""
        self._file.close()
        self._path.unlink(missing_ok=True)
