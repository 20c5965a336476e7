"""Items kept aside on disk while a plan is made: there can be more of them than memory has room for."""

from __future__ import annotations

import os
import tempfile
from types import TracebackType
from typing import Any, NamedTuple

from isal import igzip

from geocadence.fast_json import dumps, loads

Item = dict[str, Any]


class Place(NamedTuple):
    """Where on the shelf an Item is."""

    start: int
    length: int


class Shelf:
    """Each Item is packed by itself, as one member of a gzip file.

    Members put one after the other are a gzip file again, so that an Item goes on into another file as it lies here.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed by __exit__)
        self._end = 0

    def __enter__(self) -> Shelf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def put(self, item: Item) -> Place:
        member = packed(dumps(item))
        self._file.write(member)
        place = Place(self._end, len(member))
        self._end += len(member)
        return place

    def get(self, place: Place) -> Item:
        return loads(igzip.decompress(self.member(place)))

    def member(self, place: Place) -> bytes:
        """An Item as it is packed; for several threads at once."""
        return os.pread(self._file.fileno(), place.length, place.start)


def packed(text: bytes) -> bytes:
    """One member of a gzip file."""
    return igzip.compress(text, compresslevel=1, mtime=0)
