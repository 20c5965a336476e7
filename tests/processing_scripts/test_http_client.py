"""What servers do that they should not: no more is taken than was asked for, and no longer waited than was said."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from spectral.failures import InputFailure, TransientFailure
from spectral.http_client import HttpClient, Ranged


class Answers(BaseHTTPRequestHandler):
    """Answers as no server should: each path in its own way."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        status, told, sent = {
            "/more": (206, 200 << 20, 200 << 20),
            "/words": (503, 200 << 20, 200 << 20),
            "/short": (206, 1000, 400),
            "/drops": (206, 1000, 1000),
            "/elsewhere": (206, 1000, 1000),
            "/login": (200, 1000, 1000),
            "/login/in/part": (206, 1000, 1000),
            "/busy/3": (429, 0, 0),
            "/busy/3600": (429, 0, 0),
        }[self.path]
        self.send_response(status)
        if self.path.startswith("/busy/"):
            self.send_header("Retry-After", self.path.removeprefix("/busy/"))
        self.send_header("Content-Type", "text/html" if self.path.startswith("/login") else "image/tiff")
        self.send_header("Content-Length", str(told))
        first = 500 if self.path == "/elsewhere" else 0
        self.send_header("Content-Range", f"bytes {first}-{first + told - 1}/{first + told}")
        self.end_headers()
        pieces = [b"x"] * sent if self.path == "/drops" else [bytes(1 << 20)] * (sent >> 20) or [b"x" * sent]
        with contextlib.suppress(OSError):
            for piece in pieces:
                self.wfile.write(piece)
                self.server.sent += len(piece)
                if self.path == "/drops":
                    time.sleep(0.05)
        self.close_connection = sent < told


@pytest.fixture
def odd_server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        running.sent = 0
        running.url = f"http://127.0.0.1:{running.server_port}"
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


IMPATIENT = {"GDAL_HTTP_MAX_RETRY": "1", "GDAL_HTTP_LOW_SPEED_TIME": "0.3"}


def test_more_than_was_asked_for_is_left_where_it_is(odd_server):
    """A server that sends all of a file, or a book for an error, would fill the memory."""
    client = HttpClient(IMPATIENT, sleep=lambda seconds: None)
    found = client.get(f"{odd_server.url}/more", 0, 1000)
    assert (len(found.content), found.total) == (1000, 200 << 20)
    with pytest.raises(TransientFailure, match="HTTP response code: 503"):
        client.get(f"{odd_server.url}/words", 0, 1000)
    # What the system's buffers hold is on its way.
    assert odd_server.sent < 100 << 20
    # Nothing of it is taken for the answer to the next question.
    assert client.get(f"{odd_server.url}/more", 0, 10) == Ranged(bytes(10), 200 << 20)
    client.close()


@pytest.mark.parametrize(
    ("path", "why"),
    [("/drops", "fewer than 1000 bytes a second"), ("/short", "the answer ended after 400 of 1000 bytes")],
)
def test_an_answer_that_does_not_come_to_its_end_is_given_up(odd_server, path, why):
    """Each drop is in time for itself: a scene would wait for hours."""
    client = HttpClient(IMPATIENT, sleep=lambda seconds: None)
    begun = time.monotonic()
    with pytest.raises(TransientFailure, match=why):
        client.get(f"{odd_server.url}{path}", 0, 1000)
    assert time.monotonic() - begun < 10
    client.close()


def test_other_bytes_than_asked_for_are_none(odd_server):
    """As a cache between may send them: as pixels of another tile they would look right."""
    client = HttpClient(IMPATIENT, sleep=lambda seconds: None)
    with pytest.raises(TransientFailure, match=r"other bytes than asked for \(bytes 500-1499/1500\)"):
        client.get(f"{odd_server.url}/elsewhere", 0, 1000)
    client.close()


@pytest.mark.parametrize("name", ["GDAL_HTTP_LOW_SPEED_TIME", "GDAL_HTTP_LOW_SPEED_LIMIT"])
def test_no_speed_is_too_low_where_gdal_is_told_so(odd_server, name):
    client = HttpClient({**IMPATIENT, name: "0"}, sleep=lambda seconds: None)
    assert client.get(f"{odd_server.url}/drops", 0, 15).content == b"x" * 15
    client.close()


def test_without_any_limit_of_time_an_answer_is_waited_for(odd_server):
    """A socket that may wait 0 s fails at once, and every far scene with it."""
    client = HttpClient({f"GDAL_HTTP_{name}": "0" for name in ("MAX_RETRY", "CONNECTTIMEOUT", "LOW_SPEED_TIME")})
    assert len(client.get(f"{odd_server.url}/more", 0, 1000).content) == 1000
    client.close()


@pytest.mark.parametrize("path", ["/login", "/login/in/part"])
def test_a_page_in_the_files_place_is_told_as_such(odd_server, path):
    """GDAL would be asked in vain, and say that a format is not recognized."""
    client = HttpClient(IMPATIENT, sleep=lambda seconds: None)
    with pytest.raises(InputFailure, match="a web page came in its place, as where a login is asked for"):
        client.get(f"{odd_server.url}{path}", 0, 1000)
    client.close()


@pytest.mark.parametrize("value", ["x", "", "-3", "nan", "inf"])
def test_settings_that_are_no_numbers_are_as_unset(odd_server, value):
    """A scene can't help what its job's environment says: it was a bug's."""
    names = ("MAX_RETRY", "RETRY_DELAY", "CONNECTTIMEOUT", "LOW_SPEED_TIME", "LOW_SPEED_LIMIT")
    waited: list[float] = []
    client = HttpClient({f"GDAL_HTTP_{name}": value for name in names}, sleep=waited.append)
    with pytest.raises(TransientFailure, match="503"):
        client.get(f"{odd_server.url}/words", 0, 1000)
    assert waited == [1, 1, 2, 4]
    client.close()


@pytest.mark.parametrize(("asked", "waited"), [(3, [3, 3, 3, 4]), (3600, [30] * 4)])
def test_a_server_is_given_the_time_that_it_asks_for_up_to_half_a_minute(odd_server, asked, waited):
    found: list[float] = []
    client = HttpClient({}, sleep=found.append)
    with pytest.raises(TransientFailure, match="429"):
        client.get(f"{odd_server.url}/busy/{asked}", 0, 1000)
    assert found == waited
    client.close()


@pytest.mark.parametrize("content", [None, "nonsense"], ids=["missing", "nonsense"])
def test_certificates_that_are_none_leave_the_asking_to_gdal(tmp_path, monkeypatch, content):
    """It names the file, and the scene's failure is no bug."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "certificates.pem"
    if content:
        path.write_text(content)
    client = HttpClient({"AWS_CA_BUNDLE": str(path)})
    assert not client.can_ask("https://example.com/x.tif")
    assert client.can_ask("http://example.com/x.tif")
    client.close()
