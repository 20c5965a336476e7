"""The far bucket of the benchmarks: ranges, latency, a limit a connection, and an honest count."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from benchmarks.servers import RangeServer


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    made = bytes(range(256)) * 2000
    (tmp_path / "file").write_bytes(made)
    return made


def fetch(url: str, span: str | None = None) -> bytes:
    request = urllib.request.Request(url, headers={"Range": f"bytes={span}"} if span else {})  # noqa: S310
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        return answer.read()


def test_spans_are_served_and_counted(tmp_path, content):
    with RangeServer(tmp_path, latency=0, rate=1e9) as server:
        assert fetch(f"{server.url}/file") == content
        assert fetch(f"{server.url}/file", "300-999") == content[300:1000]
        assert fetch(f"{server.url}/file", "511000-") == content[511000:]
        assert server.counts() == {"requests": 3, "bytes": 512_000 + 700 + 1000, "connections": 3}
        assert server.counts() == {"requests": 0, "bytes": 0, "connections": 0}


def test_a_request_takes_the_latency_and_a_connection_the_rate(tmp_path, content):
    with RangeServer(tmp_path, latency=0.05, rate=2e6) as server:
        begun = time.monotonic()
        fetch(f"{server.url}/file")
        # 512 kB at 2 MB/s; the last piece need not be waited for.
        assert time.monotonic() - begun > 0.05 + 0.12


@pytest.mark.parametrize("path", ["nothing", "../secret", "%2e%2e/secret", ""])
def test_nothing_else_is_served(tmp_path, content, path):
    (tmp_path / "secret").write_text("x")
    (tmp_path / "served").mkdir()
    with RangeServer(tmp_path / "served", latency=0, rate=1e9) as server, pytest.raises(urllib.error.HTTPError):
        fetch(f"{server.url}/{path}")
