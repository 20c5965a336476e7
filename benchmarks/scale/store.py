"""Objects in memory, behind the few calls of boto3's S3 client that Geocadence makes, and behind HTTP.

A stand-in: it knows GET, PUT with conditions and listings, and nothing of versions, permissions or checksums. What it
has that the local cloud's S3 has not: listings that do not slow down with all there is, and a pause before each answer.
"""

from __future__ import annotations

import hashlib
import io
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from botocore.exceptions import ClientError

_PAGE = 1000


@dataclass(frozen=True)
class Stored:
    body: bytes
    modified: datetime
    etag: str


class Conditions(Exception):
    """An If-Match or If-None-Match that did not hold."""


class Store:
    """`<bucket>/<key>` → object."""

    def __init__(self) -> None:
        self._objects: dict[str, Stored] = {}
        self._sorted: list[str] = []
        self._lock = threading.Lock()

    def get(self, name: str) -> Stored | None:
        return self._objects.get(name)

    def put(self, name: str, body: bytes, *, match: str | None = None, none_match: str | None = None) -> Stored:
        with self._lock:
            there = self._objects.get(name)
            if (none_match and there) or (match and (there is None or there.etag != match)):
                raise Conditions(name)
            made = Stored(body, datetime.now(UTC), f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"')
            self._objects[name] = made
            return made

    def copy(self, begins: str, anew: str) -> None:
        """Everything whose name begins so once more, under names that begin anew; as old as it is."""
        with self._lock:
            found = {name: it for name, it in self._objects.items() if name.startswith(begins)}
            self._objects |= {anew + name.removeprefix(begins): it for name, it in found.items()}

    def page(self, prefix: str, after: str) -> tuple[list[str], bool]:
        """The next thousand names that begin with `prefix`, and whether there are more."""
        with self._lock:
            if len(self._sorted) != len(self._objects):
                self._sorted = sorted(self._objects)
            first = max(bisect_left(self._sorted, prefix), bisect_right(self._sorted, after))
            found = []
            for name in self._sorted[first : first + _PAGE + 1]:
                if not name.startswith(prefix):
                    break
                found.append(name)
            return found[:_PAGE], len(found) > _PAGE


class Client:
    """The store as boto3 would give it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get_object(self, *, Bucket: str, Key: str, Range: str = "bytes=0-") -> dict[str, Any]:
        found = self._store.get(f"{Bucket}/{Key}")
        if found is None:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        last = Range.partition("-")[2]
        body = found.body[: int(last) + 1] if last else found.body
        return {"Body": io.BytesIO(body), "ETag": found.etag, "LastModified": found.modified}

    def put_object(
        self, *, Bucket: str, Key: str, Body: Any, IfMatch: str | None = None, IfNoneMatch: str | None = None, **_: Any
    ) -> dict[str, Any]:
        body = Body if isinstance(Body, bytes) else Body.read()
        try:
            made = self._store.put(f"{Bucket}/{Key}", body, match=IfMatch, none_match=IfNoneMatch)
        except Conditions as error:
            answer = {"Error": {"Code": "PreconditionFailed"}, "ResponseMetadata": {"HTTPStatusCode": 412}}
            raise ClientError(answer, "PutObject") from error
        return {"ETag": made.etag}

    def get_paginator(self, _: str) -> Client:
        return self

    def paginate(self, *, Bucket: str, Prefix: str, StartAfter: str = "") -> Iterator[dict[str, Any]]:
        after, more = f"{Bucket}/{StartAfter}", True
        while more:
            names, more = self._store.page(f"{Bucket}/{Prefix}", after)
            after = names[-1] if names else ""
            yield {
                "Contents": [
                    {"Key": name.partition("/")[2], "Size": len(it.body), "LastModified": it.modified, "ETag": it.etag}
                    for name in names
                    if (it := self._store.get(name))
                ]
            }


def serve(store: Store, *, port: int, latency: float) -> ThreadingHTTPServer:
    """A server that is not serving yet; each answer comes `latency` seconds later."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            time.sleep(latency)
            at = urlsplit(self.path)
            asked = {key: values[0] for key, values in parse_qs(at.query).items()}
            name = unquote(at.path).lstrip("/")
            if "list-type" in asked:
                return self._list(name.rstrip("/"), asked)
            found = store.get(name)
            if found is None:
                return self._send(404, b"<Error><Code>NoSuchKey</Code></Error>")
            modified = found.modified.strftime("%a, %d %b %Y %H:%M:%S GMT")
            return self._send(200, found.body, {"ETag": found.etag, "Last-Modified": modified})

        def do_PUT(self) -> None:
            time.sleep(latency)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            name = unquote(urlsplit(self.path).path).lstrip("/")
            conditions = {"match": self.headers.get("If-Match"), "none_match": self.headers.get("If-None-Match")}
            try:
                made = store.put(name, body, **conditions)
            except Conditions:
                return self._send(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            return self._send(200, b"", {"ETag": made.etag})

        def _list(self, bucket: str, asked: dict[str, str]) -> None:
            after = asked.get("continuation-token") or asked.get("start-after", "")
            names, more = store.page(f"{bucket}/{asked.get('prefix', '')}", f"{bucket}/{after}")
            keys = [(name.partition("/")[2], store.get(name)) for name in names]
            entries = "".join(
                f"<Contents><Key>{quote(key)}</Key><Size>{len(it.body)}</Size><ETag>{escape(it.etag)}</ETag>"
                f"<LastModified>{it.modified:%Y-%m-%dT%H:%M:%S.%f}Z</LastModified></Contents>"
                for key, it in keys
                if it is not None
            )
            more_text = f"<NextContinuationToken>{escape(keys[-1][0])}</NextContinuationToken>" if more else ""
            head = f"<IsTruncated>{str(more).lower()}</IsTruncated><EncodingType>url</EncodingType>{more_text}"
            self._send(200, f"<ListBucketResult>{head}{entries}</ListBucketResult>".encode())

        def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    return server
