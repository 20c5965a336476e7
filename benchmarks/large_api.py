"""A STAC API with as many scenes as wanted, that really searches, and fails as large ones do.

Scenes lie evenly in time, one every `step`, and are made as they are asked for. By itself, `python -m
benchmarks.large_api SCENES PORT` serves so many of one year as Items as large as Earth Search's, with every 25th page
empty and no page behind 10,000 results; `python -m benchmarks.large_api SCENES FILE.ndjson` writes them as Items of
4 KB, one a line.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson

from benchmarks import full_item

CORE = "https://api.stacspec.org/v1.0.0/core"
SEARCH = "https://api.stacspec.org/v1.0.0/item-search"
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class LargeApi:
    """What it holds, and how it fails."""

    scenes: int
    step: timedelta = timedelta(minutes=5)
    says_matched: bool = True
    counts_until: int | None = None  # what it counts at most
    ends_after: int | None = None  # results after which there is no next page, as if these were all
    does_page: bool = True
    gives_at_once: int | None = None  # scenes at most on a page, whatever is asked for
    pages_until: int | None = None  # results after which paging stalls: the same page again and again
    dies_after: int | None = None  # results after which each page is HTTP 500
    empty_every: int | None = None  # each n-th page has no features, and a next one
    gives: float = 1.0  # the share of its scenes that it gives away
    padding: int = 0  # bytes of one long text in each Item
    is_full: bool = False  # whether Items are as large and as nested as Earth Search's
    slow_once: float = 0.0  # seconds that the first search takes
    slow: float = 0.0  # seconds that each takes
    largest_limit: int | None = None  # above which a search is refused
    dies_at: int | None = None  # a scene that no page can be had with
    url: str = ""
    searches: list[dict[str, Any]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    def answer(self, body: dict[str, Any]) -> dict[str, Any] | int:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            time.sleep(self.slow)
            return self._answer(body)
        finally:
            self.at_once -= 1

    def _answer(self, body: dict[str, Any]) -> dict[str, Any] | int:
        self.searches.append(body)
        if self.slow_once:
            pause, self.slow_once = self.slow_once, 0.0
            time.sleep(pause)
        low, high = self._range(body["datetime"])
        at, limit = body.get("token", 0), min(body["limit"], self.gives_at_once or body["limit"])
        if self.dies_after is not None and at >= self.dies_after:
            return 500
        if self.pages_until is not None and at >= self.pages_until:
            at = self.pages_until - limit
        if self.largest_limit is not None and limit > self.largest_limit:
            return 400
        if self.dies_at is not None and low + at <= self.dies_at < low + at + limit:
            return 500
        is_empty = self.empty_every is not None and len(self.searches) % self.empty_every == 0
        end = at if is_empty else min(at + limit, high - low)
        shown = [n for n in range(low + at, low + end) if n % 1000 < self.gives * 1000]
        following = body | {"token": end, "page": len(self.searches)}
        is_last = not self.does_page or end >= min(high - low, self.ends_after or high - low)
        links = [] if is_last else [self._next(following)]
        count = high - low if self.counts_until is None else min(high - low, self.counts_until)
        matched = {"numberMatched": count} if self.says_matched else {}
        return {"type": "FeatureCollection", "features": [self.item(n) for n in shown], "links": links, **matched}

    def item(self, n: int) -> dict[str, Any]:
        west, south = -10 + (n * 0.01) % 5, 37 + (n * 0.003) % 3
        ring = [[west, south], [west + 1, south], [west + 1, south + 1], [west, south + 1], [west, south]]
        scene, size = scene_id(n), 100_000_000 + 1000 * (n % 97)
        return {
            "type": "Feature",
            "stac_version": "1.0.0",
            "stac_extensions": full_item.EXTENSIONS if self.is_full else [],
            "id": scene,
            "collection": "sentinel-2-c1-l2a",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "bbox": [west, south, west + 1, south + 1],
            "properties": {
                "datetime": f"{FIRST + n * self.step:%Y-%m-%dT%H:%M:%SZ}",
                "s2:processing_baseline": "05.11",
                **(full_item.properties(scene) if self.is_full else {"padding": f"{n:08d}" * (self.padding // 8)}),
            },
            "links": full_item.links(scene) if self.is_full else [],
            "assets": full_item.assets(scene, file_size=size)
            if self.is_full
            else {"red": {"href": f"https://example.com/{n}/B04.tif", "file:size": size}},
        }

    def _range(self, interval: str) -> tuple[int, int]:
        start, end = (datetime.fromisoformat(text) for text in interval.split("/"))
        low = max(0, -(-(start - FIRST) // self.step))
        return low, max(low, min(self.scenes, (end - FIRST) // self.step + 1))

    def _next(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"rel": "next", "href": f"{self.url}/search", "method": "POST", "body": body}


def scene_id(n: int) -> str:
    return f"S2B_{n:07d}_L2A"


def of_a_year(scenes: int, **size: Any) -> LargeApi:
    step = timedelta(days=365) / scenes
    return LargeApi(scenes, step=step, empty_every=25, pages_until=10_000, **size)


@contextmanager
def serving_many(api: LargeApi, *, port: int = 0) -> Iterator[LargeApi]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            search = {"rel": "search", "href": f"{api.url}/search", "method": "POST", "type": "application/geo+json"}
            links = [{"rel": "self", "href": api.url}, {"rel": "root", "href": api.url}, search]
            landing = {"type": "Catalog", "stac_version": "1.0.0", "id": "large", "description": "d"}
            self._send(landing | {"conformsTo": [CORE, SEARCH], "links": links})

        def do_POST(self) -> None:
            self._send(api.answer(orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))))

        def _send(self, answer: dict[str, Any] | int) -> None:
            body = b"{}" if isinstance(answer, int) else orjson.dumps(answer)
            self.send_response(answer if isinstance(answer, int) else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    scenes, where = int(sys.argv[1]), sys.argv[2]
    if where.endswith(".ndjson"):
        api = of_a_year(scenes, padding=3000)
        with Path(where).open("wb") as file:
            file.writelines(orjson.dumps(api.item(n)) + b"\n" for n in range(scenes))
        return
    with serving_many(of_a_year(scenes, is_full=True), port=int(where)):
        threading.Event().wait()


if __name__ == "__main__":
    main()
