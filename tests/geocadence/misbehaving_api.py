"""A STAC API that fails as real ones do, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CORE = "https://api.stacspec.org/v1.0.0/core"
SEARCH = "https://api.stacspec.org/v1.0.0/item-search"
QUERY = "https://api.stacspec.org/v1.0.0/item-search#query"
FILTER = "https://api.stacspec.org/v1.0.0/item-search#filter"


class Answer:
    """What the server says to one search: JSON, or what comes in its place."""

    def __init__(
        self,
        body: Any = None,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        cut: bool = False,
        hang_up: bool = False,
    ) -> None:
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.status = status
        self.headers = headers or {}
        self.cut = cut  # promise more bytes than come
        self.hang_up = hang_up  # close the connection without a word


class Api:
    """The answers in turn, the last one for ever; `searches` are the requests' bodies.

    Where there is `answering`, it makes them of the requests.
    """

    answering: Callable[[dict[str, Any]], dict[str, Any]] | None = None

    def __init__(self, answers: list[Answer], conforms_to: list[str]) -> None:
        self.answers = answers
        self.conforms_to = conforms_to
        self.searches: list[dict[str, Any]] = []
        self.url = ""

    def next(self, body: dict[str, Any]) -> Answer:
        n = len(self.searches)
        self.searches.append(body)
        return Answer(self.answering(body)) if self.answering else self.answers[min(n, len(self.answers) - 1)]


def page(items: list[dict[str, Any]], *, next_body: dict[str, Any] | None = None) -> Callable[[str], dict[str, Any]]:
    """A page of a search; `next_body` is what the request for the next one is to hold."""

    def at(url: str) -> dict[str, Any]:
        link = {"rel": "next", "href": f"{url}/search", "method": "POST", "merge": True, "body": next_body}
        return {"type": "FeatureCollection", "features": items, "links": [link] if next_body else []}

    return at


@contextmanager
def misbehaving(
    *answers: Answer | Callable[[str], dict[str, Any]],
    conforms_to: tuple[str, ...] = (CORE, SEARCH),
    has_search: bool = True,
    answering: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> Iterator[Api]:
    api = Api([], list(conforms_to))
    api.answering = answering

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            search = {"rel": "search", "href": f"{api.url}/search", "method": "POST", "type": "application/geo+json"}
            landing = {
                "type": "Catalog",
                "stac_version": "1.0.0",
                "id": "misbehaving",
                "description": "d",
                "conformsTo": api.conforms_to,
                "links": [
                    {"rel": "self", "href": api.url},
                    {"rel": "root", "href": api.url},
                    *([search] if has_search else []),
                ],
            }
            self._send(Answer(landing))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._send(api.next(json.loads(body)))

        def _send(self, answer: Answer) -> None:
            if answer.hang_up:
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)
            if answer.cut:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    api.answers = [answer if isinstance(answer, Answer) else Answer(answer(api.url)) for answer in answers]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
