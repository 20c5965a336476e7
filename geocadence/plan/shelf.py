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
    """Where on the shelf an Item is, and how long its footprint is, which lies behind it."""

    start: int
    length: int
    footprint: int


class Shelf:
    """Each Item is packed by itself, as one member of a gzip file.

    Members put one after the other are a gzip file again, so that an Item goes on into another file as it lies here.
    Its footprint is kept once more by itself: to unpack and read all of a hundred thousand Items for theirs takes as
    long as to search for them again.
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
        member, footprint = packed(dumps(item)), dumps(item.get("geometry"))
        self._file.write(member + footprint)
        place = Place(self._end, len(member), len(footprint))
        self._end += len(member) + len(footprint)
        return place

    def footprint(self, place: Place) -> Any:
        """Where an Item's scene lies, as GeoJSON."""
        return loads(os.pread(self._file.fileno(), place.footprint, place.start + place.length))

    def member(self, place: Place) -> bytes:
        """An Item as it is packed; for several threads at once."""
        return os.pread(self._file.fileno(), place.length, place.start)


def packed(text: bytes) -> bytes:
    """One member of a gzip file."""
    return igzip.compress(text, compresslevel=1, mtime=0)
