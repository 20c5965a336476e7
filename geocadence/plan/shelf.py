"""Items kept aside on disk while a plan is made: there can be more of them than memory has room for."""

from __future__ import annotations

import gzip
import json
import tempfile
from types import TracebackType
from typing import Any, NamedTuple

Item = dict[str, Any]


class Place(NamedTuple):
    """Where on the shelf an Item is."""

    start: int
    length: int


class Shelf:
    """Each Item is packed by itself, as one member of a gzip file."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)
        self._end = 0

    def __enter__(self) -> Shelf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def put(self, item: Item) -> Place:
        line = json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"
        member = gzip.compress(line, compresslevel=1, mtime=0)
        self._file.seek(self._end)
        self._file.write(member)
        place = Place(self._end, len(member))
        self._end += len(member)
        return place

    def get(self, place: Place) -> Item:
        self._file.seek(place.start)
        return json.loads(gzip.decompress(self._file.read(place.length)))
