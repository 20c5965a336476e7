"""The sample's STAC API: the real `rustac serve` over the sample's Items, on this machine only.

It searches by collection, ids, time and area, and pages (held by tests). It has no query and no filter
extension: a search with either finds nothing, without an error. Its other backend (DuckDB over
stac-geoparquet) fetches an extension from the internet when it starts, so it is no way out here.
"""

from __future__ import annotations

import errno
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_cloud.processes import command_line, listener
from sample.items import collection_of

PORT = 7822
_PATIENCE = 20  # seconds until the server has to answer
_GRACE = 3  # seconds for a server that is just ending


class StacApiError(RuntimeError):
    """The STAC API could not be started; the message says why and what to do."""


@contextmanager
def serve(items: list[dict[str, Any]], *, folder: Path, port: int = PORT) -> Iterator[str]:
    """Serve the Items and their collection until the block ends; gives the API's URL.

    Args:
        folder: where the files that the server reads and its log are kept.
        port: on 127.0.0.1.

    Raises:
        StacApiError: the port is taken, or the server doesn't answer.
    """
    process = start(items, folder=folder, port=port)
    try:
        yield url(port)
    finally:
        stop(process)


def url(port: int = PORT) -> str:
    """The API's landing page."""
    return f"http://127.0.0.1:{port}"


def start(items: list[dict[str, Any]], *, folder: Path, port: int = PORT) -> subprocess.Popen:
    """Like `serve`, for callers that end the server themselves (`stop`)."""
    check_free(port)
    write(items, folder)
    log = folder / "rustac.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(server_command(folder, port), stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    try:
        wait(process, port, wanted=len(items), log=log)
    except BaseException:
        stop(process)
        raise
    return process


def write(items: list[dict[str, Any]], folder: Path) -> None:
    """The files that the server reads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "collection.json").write_text(json.dumps(collection_of(items)))
    (folder / "items.json").write_text(items_json(items))


def items_json(items: list[dict[str, Any]]) -> str:
    """What `items.json` holds."""
    return json.dumps({"type": "FeatureCollection", "features": items})


def server_command(folder: Path, port: int) -> list[str]:
    """What serves the files in `folder`."""
    rustac = Path(sys.executable).with_name("rustac")
    files = [str(folder / name) for name in ("collection.json", "items.json")]
    return [str(rustac), "serve", "--addr", f"127.0.0.1:{port}", *files]


def stop(process: subprocess.Popen) -> None:
    """End a server that `start` began."""
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def check_free(port: int) -> None:
    """Raise StacApiError where something else has the port and keeps it."""
    deadline = time.monotonic() + _GRACE
    while not _is_free(port):
        if time.monotonic() > deadline:
            raise StacApiError(
                f"port {port} of 127.0.0.1, where the sample's catalogue is to be served, is taken by {_holder(port)}. "
                "If that is the sample of another clone, end it with `.venv/bin/geocadence local down` there; if not, "
                "end that program, or name another port in a definition of your own (source.stac.api)"
            )
        time.sleep(0.1)


def _holder(port: int) -> str:
    pid = listener(port)
    if pid is None:
        return "another program"
    command = command_line(pid)
    return f"process {pid} ({command[:200]}{'…' if len(command) > 200 else ''})"


def _is_free(port: int) -> bool:
    with socket.socket() as attempt:
        # As the server does: a port that was closed a moment ago counts as free.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise StacApiError(
                f"the sample's catalogue can't be served on port {port} of 127.0.0.1: {error.strerror} "
                "(name another one, above 1023, in a definition of your own: source.stac.api)"
            ) from None
    return True


def wait(process: subprocess.Popen, port: int, *, wanted: int, log: Path) -> None:
    """Return once the server that `process` is, or has begun, finds `wanted` Items."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StacApiError(f"rustac ended with {process.returncode}: {_tail(log)}")
        if answers(port, wanted=wanted):
            return
        time.sleep(0.05)
    raise StacApiError(f"rustac has not answered on port {port} for {_PATIENCE} s: {_tail(log)}")


def answers(port: int, *, wanted: int) -> bool:
    """Whether a server is at the port that finds `wanted` Items."""
    try:
        with urllib.request.urlopen(f"{url(port)}/search?limit={wanted + 1}", timeout=2) as answer:  # noqa: S310 (ours)
            return len(json.load(answer)["features"]) == wanted
    except (urllib.error.URLError, OSError, ValueError, KeyError):
        return False


def _tail(log: Path) -> str:
    return log.read_text(errors="replace").strip()[-500:] or "it left no message"
