"""Reading far files ahead of their use: neighbouring tiles by one request, so many requests at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from rasterio.io import MemoryFile

from spectral.failures import InputFailure, TransientFailure
from spectral.gdal_errors import GDAL_ERRORS
from spectral.http_client import HttpClient, NoRanges
from spectral.tiles import Layout, TileSource

CONNECTIONS = 16
# Holds the directories of a COG of a tile's size, whatever its blocks.
_HEADER = 1 << 16
# Between two tiles lie the bytes that frame them; a few more are cheaper than another request.
_GAP = 1 << 14
_LARGEST = 4 << 20


@dataclass
class _Request:
    """One range that holds the tiles of one turn or more."""

    turn: int  # that needs it first
    start: int
    end: int
    tiles: int
    future: Future | None = field(default=None)


class Fetcher:
    """The connections of a shard: all scenes share them."""

    def __init__(self, client: HttpClient) -> None:
        self.client = client
        self._pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="fetch")

    def submit(self, work, *arguments) -> Future:
        """Do something on a thread of its own."""
        return self._pool.submit(work, *arguments)

    def close(self) -> None:
        """Give up what has not begun, and close the connections."""
        self._pool.shutdown(cancel_futures=True)
        self.client.close()


class RemoteFile:
    """A far file, as `ranges.Ranges`."""

    def __init__(self, url: str, name: str, fetcher: Fetcher) -> None:
        self._url = url
        self._name = name
        self._fetcher = fetcher
        self._lock = threading.Lock()
        self._waiting: list[_Request] = []  # the next one last
        self._of_start: dict[int, _Request] = {}
        self._ahead = 0

    def plan(self, wanted: Sequence[tuple[int, int, int]], memory: int) -> None:
        """Merge what lies side by side, and see how far ahead `memory` bytes reach; then begin."""
        requests = self._merged(wanted)
        turns = 1 + max((request.turn for request in requests), default=0)
        a_turn = max(1, sum(request.end - request.start for request in requests) // turns)
        self._ahead = max(1, memory // a_turn)
        self._waiting = sorted(requests, key=lambda request: -request.turn)
        self.reached(0)

    def reached(self, turn: int) -> None:
        """Ask for what the turns up to `turn` and so many ahead need."""
        with self._lock:
            while self._waiting and self._waiting[-1].turn <= turn + self._ahead:
                request = self._waiting.pop()
                request.future = self._fetcher.submit(self._fetch, request.start, request.end)

    def read(self, start: int, size: int) -> memoryview:
        """The bytes; see `Ranges`."""
        with self._lock:
            request = self._of_start.pop(start, None)
            if request is None or request.future is None:
                content, first = None, start
            else:
                content, first = request.future, request.start
                request.tiles -= 1
                if not request.tiles:
                    request.future = None
        found = self._fetch(start, start + size) if content is None else content.result()
        view = memoryview(found)[start - first : start - first + size]
        if len(view) < size:
            where = f"it ends before byte {start + size}, which its directory names"
            raise InputFailure(f"{self._name} ({self._url}) is truncated: {where}.")
        return view

    def close(self) -> None:
        """Give up what has not been asked for yet."""
        with self._lock:
            self._waiting.clear()
            for request in self._of_start.values():
                if request.future:
                    request.future.cancel()
            self._of_start.clear()

    def _merged(self, wanted: Sequence[tuple[int, int, int]]) -> list[_Request]:
        requests: list[_Request] = []
        for turn, start, size in sorted(wanted, key=lambda tile: tile[1]):
            last = requests[-1] if requests else None
            if last and 0 <= start - last.end <= _GAP and start + size - last.start <= _LARGEST:
                last.turn, last.end, last.tiles = min(last.turn, turn), start + size, last.tiles + 1
            else:
                last = _Request(turn, start, start + size, 1)
                requests.append(last)
            self._of_start[start] = last
        return requests

    def _fetch(self, start: int, end: int) -> bytes | bytearray:
        try:
            return self._fetcher.client.get(self._url, start, end - start).content
        except (InputFailure, TransientFailure) as error:
            raise type(error)(f"{self._name} ({self._url}) can't be read: {error}.") from error
        except NoRanges as error:
            raise TransientFailure(f"{self._name} ({self._url}): the server no longer sends ranges.") from error


def open_remote(url: str, path: str, name: str, fetcher: Fetcher) -> TileSource | None:
    """A far band whose tiles can be read straight; None for what is GDAL's.

    Args:
        path: the same for GDAL.

    Raises:
        InputFailure, TransientFailure: there is no such file, or asking for it failed.
    """
    layout = _layout(url, name, fetcher) if fetcher.client.can_ask(url) else None
    return TileSource(path, name, layout, RemoteFile(url, name, fetcher)) if layout else None


def _layout(url: str, name: str, fetcher: Fetcher) -> Layout | None:
    """That of a far file, whose first bytes GDAL gets to see."""
    try:
        header = bytes(fetcher.client.get(url, 0, _HEADER).content)
    except NoRanges:
        return None
    except (InputFailure, TransientFailure) as error:
        raise type(error)(f"{name} ({url}) can't be opened: {error}.") from error
    try:
        with MemoryFile(header) as memory, memory.open(driver="GTiff", sharing=False) as dataset:
            layout = Layout.of(dataset, header[:4])
    except (OverflowError, ValueError, *GDAL_ERRORS):
        return None
    # A tile left out looks as one whose entry lies beyond the header.
    return layout if layout and layout.places[..., 1].all() else None
