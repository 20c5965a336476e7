"""The sample's STAC API: the real `rustac serve` over the sample's Items, on this machine only.

It searches by collection, ids, time and area, and pages (held by tests). It has no query and no filter
extension: a search with either finds nothing, without an error. Its other backend (DuckDB over
stac-geoparquet) fetches an extension from the internet when it starts, so it is no way out here.
"""

from __future__ import annotations

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

from sample.items import collection_of

PORT = 7822
_PATIENCE = 20  # seconds until the server has to answer


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
    _check_free(port)
    folder.mkdir(parents=True, exist_ok=True)
    files = {"collection.json": collection_of(items), "items.json": {"type": "FeatureCollection", "features": items}}
    for name, document in files.items():
        (folder / name).write_text(json.dumps(document))
    rustac = Path(sys.executable).with_name("rustac")
    command = [rustac, "serve", "--addr", f"127.0.0.1:{port}", *(folder / name for name in files)]
    log = folder / "rustac.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    try:
        _wait(process, port, wanted=len(items), log=log)
    except BaseException:
        stop(process)
        raise
    return process


def stop(process: subprocess.Popen) -> None:
    """End a server that `start` began."""
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _check_free(port: int) -> None:
    with socket.socket() as attempt:
        # As the server does: a port that was closed a moment ago counts as free.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError as error:
            raise StacApiError(
                f"port {port} of 127.0.0.1 is taken, perhaps by another run of the sample: "
                f"end that program, or see which it is with `lsof -i :{port}`"
            ) from error


def _wait(process: subprocess.Popen, port: int, *, wanted: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StacApiError(f"rustac ended with {process.returncode}: {_tail(log)}")
        try:
            with urllib.request.urlopen(f"{url(port)}/search?limit={wanted}", timeout=2) as answer:  # noqa: S310 (ours)
                if len(json.load(answer)["features"]) == wanted:
                    return
        except (urllib.error.URLError, OSError, ValueError, KeyError):
            pass
        time.sleep(0.05)
    raise StacApiError(f"rustac has not answered on port {port} for {_PATIENCE} s: {_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace").strip()[-500:] or "it left no message"
