"""Ranges of bytes over HTTP: connections kept open, what passes tried again, what stays told at once."""

from __future__ import annotations

import contextlib
import http.client
import math
import netrc
import os
import re
import socket
import ssl
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from spectral.failures import InputFailure, TransientFailure
from spectral.hrefs import is_address

# Settings of GDAL that change what it asks for: where one is given, GDAL does the asking.
_GDALS_OWN = re.compile(
    r"GDAL_HTTP_(AUTH|USERPWD|HEADERS|HEADER_FILE|BEARER|COOKIE|COOKIEFILE|COOKIEJAR|NETRC|NETRC_FILE|PROXY|PROXYUSERPWD|"
    r"CAPATH|SSLCERT|UNSAFESSL|USERAGENT)|GDAL_HTTPS_PROXY|VSICURL_PC_URL_SIGNING"
)
# 409 is Azure's word for what may not be read without a signature.
_FINAL = {400, 401, 403, 404, 409, 410}
_TIFF = (b"II", b"MM")
_REDIRECTS = {301, 302, 303, 307, 308}
_MOST_REDIRECTS = 5
_MOST_RETRY_AFTER = 30
# Of an answer that is none a page of words is read, so that the connection can be used again; more is left where it is.
_PAGE = 1 << 16
_PIECE = 1 << 18


class Ranged(NamedTuple):
    """A range of bytes, and the size of the whole file."""

    content: bytes | bytearray
    total: int


class NoRanges(Exception):
    """The server answers, but not with ranges, or leads to where only GDAL may ask."""


class HttpClient:
    """Any number of threads may ask at once; each keeps a connection busy."""

    def __init__(self, environment: Mapping[str, str], sleep: Callable[[float], object] | None = None) -> None:
        """
        Args:
            environment: GDAL's variables count here too: GDAL_HTTP_MAX_RETRY, GDAL_HTTP_RETRY_DELAY,
                GDAL_HTTP_CONNECTTIMEOUT, GDAL_HTTP_LOW_SPEED_TIME, GDAL_HTTP_LOW_SPEED_LIMIT; and where certificates
                are.
        """
        self._attempts = 1 + int(_number(environment, "GDAL_HTTP_MAX_RETRY", 4))
        self._delay = _number(environment, "GDAL_HTTP_RETRY_DELAY", 1)
        self._patience = _number(environment, "GDAL_HTTP_LOW_SPEED_TIME", 60)
        self._slowest = _number(environment, "GDAL_HTTP_LOW_SPEED_LIMIT", 1000)
        # 0 is no limit for GDAL, and not to wait at all for a socket.
        self._timeout = max(_number(environment, "GDAL_HTTP_CONNECTTIMEOUT", 20), self._patience) or None
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._special = any(_GDALS_OWN.fullmatch(name) for name in environment)
        self._logins = _hosts_with_login()
        self._secure = _certificates(environment)
        self._idle: dict[tuple[str, str], list[http.client.HTTPConnection]] = defaultdict(list)
        self._busy: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()

    def can_ask(self, url: str) -> bool:
        """Whether a plain request is all it takes: no proxy, no credentials that only GDAL has been told."""
        parts = urlsplit(url)
        proxied = parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(parts.hostname or "")
        named = self._special or parts.username is not None or not self._logins.isdisjoint({parts.hostname, "default"})
        return not (named or proxied or (parts.scheme == "https" and not self._knows_certificates()))

    def get(self, url: str, start: int, size: int) -> Ranged:
        """Bytes `start` to `start + size` of what is at `url`, fewer where the file ends before.

        Raises:
            InputFailure: it is not there, or access is denied.
            TransientFailure: the network or the server failed, also when tried again.
            NoRanges: the server sends no ranges, or redirects to where `can_ask` says no.
        """
        problem = ""
        for attempt in range(self._attempts):
            if self._stopped.is_set():
                raise TransientFailure("given up")
            pause = self._delay * 2 ** (attempt - 1) if attempt else 0
            try:
                status, headers, content = self._ask(url, start, size)
            except (OSError, http.client.HTTPException) as error:
                problem = str(error) or type(error).__name__
            else:
                is_page = headers.get_content_type() == "text/html" and content[:2] not in _TIFF
                if is_page and start == 0 and status in (200, 206):
                    raise InputFailure("a web page came in its place, as where a login is asked for")
                if status == 206:
                    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", headers.get("Content-Range", ""))
                    if found and int(found[1]) == start:
                        expected = min(size, int(found[2]) - start + 1)
                        if len(content) == expected:
                            return Ranged(content, int(found[3]))
                        problem = f"the answer ended after {len(content)} of {expected} bytes"
                    else:
                        problem = f"other bytes than asked for ({headers.get('Content-Range')})"
                elif status == 416:
                    return Ranged(b"", 0)
                elif status == 200:
                    raise NoRanges(url)
                else:
                    problem = f"HTTP response code: {status}"
                    if status in _FINAL:
                        raise InputFailure(problem)
                    pause = max(pause, _retry_after(headers))
            if attempt + 1 < self._attempts:
                self._sleep(pause or self._delay)
        raise TransientFailure(problem)

    def stop(self) -> None:
        """Give up what is being waited for: servers may take minutes, a stopped job has two."""
        self._stopped.set()
        with self._lock:
            for connection in self._busy:
                if connection.sock:
                    with contextlib.suppress(OSError):
                        connection.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close all connections that nobody is using."""
        with self._lock:
            for connections in self._idle.values():
                for connection in connections:
                    connection.close()
            self._idle.clear()

    def _ask(self, url: str, start: int, size: int) -> tuple[int, http.client.HTTPMessage, bytearray]:
        span = f"bytes={start}-{start + size - 1}"
        for _ in range(_MOST_REDIRECTS):
            parts = urlsplit(url)
            with self._connection(parts) as connection:
                response = _respond(connection, parts, span, self._stopped)
                # Whatever a server sends, no more of it is taken than was asked for; a whole file was not.
                most = {206: size, 200: 0}.get(response.status, _PAGE)
                content, ended = self._read(response, most)
                response.close()
                if not ended:
                    connection.close()
            if response.status not in _REDIRECTS or "Location" not in response.headers:
                return response.status, response.headers, content
            url = _joined(url, response.headers["Location"])
            if not self.can_ask(url):
                raise NoRanges(url)
        raise InputFailure(f"redirected more than {_MOST_REDIRECTS} times")

    def _read(self, response: http.client.HTTPResponse, most: int) -> tuple[bytearray, bool]:
        """The body, `most` bytes of it at most, and whether that is all of it.

        Raises:
            TimeoutError: it comes by drops, of which each is in time.
        """
        length, content = response.length, bytearray()
        since, before = time.monotonic(), 0
        while len(content) < most and len(content) != length:
            left = most if length is None else min(most, length)
            piece = response.read1(min(left - len(content), _PIECE))
            if not piece:
                return content, length is None
            content += piece
            now = time.monotonic()
            if 0 < self._patience <= now - since:
                if len(content) - before < self._slowest * (now - since):
                    raise TimeoutError(f"fewer than {self._slowest:g} bytes a second for {now - since:.0f} s")
                since, before = now, len(content)
        return content, len(content) == length

    def _knows_certificates(self) -> bool:
        """Python uses the system's, and some containers have none; rasterio brings its own to GDAL."""
        if self._secure is None:
            return False
        folder = ssl.get_default_verify_paths().capath
        return bool(self._secure.cert_store_stats()["x509_ca"]) or bool(folder and any(Path(folder).iterdir()))

    @contextlib.contextmanager
    def _connection(self, parts: SplitResult):
        key = parts.scheme, parts.netloc
        with self._lock:
            connection = self._idle[key].pop() if self._idle[key] else None
        connection = connection or self._connect(parts)
        with self._lock:
            self._busy.add(connection)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        else:
            with self._lock:
                self._idle[key].append(connection)
        finally:
            with self._lock:
                self._busy.discard(connection)

    def _connect(self, parts: SplitResult) -> http.client.HTTPConnection:
        host = parts.hostname or ""
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=self._timeout)
        return http.client.HTTPSConnection(host, parts.port, timeout=self._timeout, context=self._secure)


def _joined(url: str, location: str) -> str:
    """Where a redirection leads to."""
    with contextlib.suppress(ValueError):
        if is_address(joined := urljoin(url, location)):
            return joined
    raise InputFailure(f"redirected to {location!r}, which is no HTTP address")


def from_environment() -> HttpClient:
    """A client as the process's environment has it."""
    return HttpClient(os.environ)


def _respond(
    connection: http.client.HTTPConnection, parts: SplitResult, span: str, stopped: threading.Event
) -> http.client.HTTPResponse:
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    # What is escaped already stays as it is.
    target = "".join(letter if letter.isascii() else quote(letter) for letter in target)
    kept_open = connection.sock is not None
    for last in (not kept_open, True):
        try:
            connection.request("GET", target, headers={"Range": span, "User-Agent": "geocadence"})
            return connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            # A server may close a connection that was idle: no failure, and no reason to wait.
            connection.close()
            if last or stopped.is_set():
                raise
    raise AssertionError("unreachable")


def _certificates(environment: Mapping[str, str]) -> ssl.SSLContext | None:
    """Those that the environment names, or the system's; None for a file that is none, which GDAL has words for."""
    named = ("AWS_CA_BUNDLE", "GDAL_CURL_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    with contextlib.suppress(OSError):
        return ssl.create_default_context(cafile=next(filter(None, map(environment.get, named)), None))
    return None


def _hosts_with_login() -> set[str]:
    """Those of ~/.netrc, which GDAL reads unasked; `default` stands for all others."""
    with contextlib.suppress(OSError, ValueError, netrc.NetrcParseError):
        return set(netrc.netrc(os.path.expanduser("~/.netrc")).hosts)  # noqa: PTH111 (raises nothing without a home)
    return set()


def _number(environment: Mapping[str, str], name: str, usual: float) -> float:
    """The variable's number, or the usual one for what is none."""
    try:
        value = float(environment.get(name, usual))
    except ValueError:
        return usual
    return value if 0 <= value < math.inf else usual


def _retry_after(headers: http.client.HTTPMessage) -> float:
    value = headers.get("Retry-After", "")
    return min(float(value), _MOST_RETRY_AFTER) if value.isdecimal() else 0.0
