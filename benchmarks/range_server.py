"""An HTTP server with ranges, as far away as a bucket: some latency a request, so many bytes a second a connection.

    python range_server.py FOLDER LATENCY RATE

listens on a free port of 127.0.0.1 and prints it. Each line on its standard input is answered by a line of JSON with
what was asked of it since the one before (requests, bytes, connections); it ends with its standard input.
"""

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_CHUNK = 1 << 18


class Server(ThreadingHTTPServer):
    """Counts what is asked of it."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, root: Path, *, latency: float, rate: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root, self.latency, self.rate = root.resolve(), latency, rate
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(("requests", "bytes", "connections"), 0)

    def count(self, name: str, more: int = 1) -> None:
        with self._lock:
            self._counts[name] += more

    def counts(self) -> dict[str, int]:
        """The counts, which begin anew."""
        with self._lock:
            seen = dict(self._counts)
            self._counts = dict.fromkeys(seen, 0)
        return seen


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.count("connections")

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.server.count("requests")
        time.sleep(self.server.latency)
        path = (self.server.root / self.path.partition("?")[0].lstrip("/")).resolve()
        if not path.is_relative_to(self.server.root) or not path.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        size = path.stat().st_size
        first, last, status = self._span(size)
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        if body:
            self._send(path, first, last - first + 1)

    def _span(self, size: int) -> tuple[int, int, int]:
        asked = self.headers.get("Range", "")
        if not asked.startswith("bytes="):
            return 0, size - 1, 200
        first, _, last = asked.removeprefix("bytes=").partition("-")
        return int(first), min(int(last or size), size - 1), 206

    def _send(self, path: Path, offset: int, size: int) -> None:
        begun, sent = time.monotonic(), 0
        with path.open("rb") as opened:
            while sent < size:
                asked = min(_CHUNK, size - sent)
                # Counted beforehand: whoever has the last byte may ask for the counts at once.
                self.server.count("bytes", asked)
                done = os.sendfile(self.connection.fileno(), opened.fileno(), offset + sent, asked)
                self.server.count("bytes", done - asked)
                sent += done
                early = sent / self.server.rate - (time.monotonic() - begun)
                if early > 0:
                    time.sleep(early)


def main() -> None:
    folder, latency, rate = sys.argv[1:]
    with Server(Path(folder), latency=float(latency), rate=float(rate)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        for _ in sys.stdin:
            sys.stdout.write(json.dumps(server.counts()) + "\n")
            sys.stdout.flush()
        server.shutdown()


if __name__ == "__main__":
    main()
