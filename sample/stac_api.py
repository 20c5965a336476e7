"""The sample's STAC API: the real `rustac serve` over the sample's Items, on this machine only.

It searches by collection, ids, time and area, and pages (held by tests). It has no query and no filter
extension: a search with either finds nothing, without an error. Its other backend (DuckDB over
stac-geoparquet) fetches an extension from the internet when it starts, so it is no way out here.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from local_cloud.processes import start_time
from sample.items import collection_of

PORT = 7822
_ROOT = Path(__file__).resolve().parent.parent
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


def keep(items: list[dict[str, Any]], *, folder: Path, port: int = PORT, beside: int) -> None:
    """Serve the Items for as long as the process `beside` lives, also after this one has ended.

    A pipeline that is deployed to the local cloud can be run at any time, by its schedule too. Where the same
    Items are served already, nothing is done.
    """
    state = folder / "server.json"
    ours = _minder(state)
    if ours is not None:
        if (folder / "items.json").read_text() == _items_json(items) and _answers(port, wanted=len(items)):
            return
        with suppress(ProcessLookupError):
            os.kill(ours, signal.SIGTERM)
    check_free(port)
    _write(items, folder)
    log = folder / "rustac.log"
    command = [sys.executable, "-m", "sample.stac_api", str(folder), str(port), str(beside)]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True, cwd=_ROOT
        )
    state.write_text(json.dumps({"pid": process.pid, "started": start_time(process.pid)}))
    try:
        _wait(process, port, wanted=len(items), log=log)
    except BaseException:
        stop(process)
        raise


def _minder(state: Path) -> int | None:
    """The process that `keep` left behind for this folder, if it still runs (and its pid is not another's by now)."""
    try:
        told = json.loads(state.read_text())
    except (OSError, ValueError):
        return None
    return told["pid"] if start_time(told["pid"]) == told["started"] else None


def start(items: list[dict[str, Any]], *, folder: Path, port: int = PORT) -> subprocess.Popen:
    """Like `serve`, for callers that end the server themselves (`stop`)."""
    check_free(port)
    _write(items, folder)
    log = folder / "rustac.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(_command(folder, port), stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    try:
        _wait(process, port, wanted=len(items), log=log)
    except BaseException:
        stop(process)
        raise
    return process


def _write(items: list[dict[str, Any]], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "collection.json").write_text(json.dumps(collection_of(items)))
    (folder / "items.json").write_text(_items_json(items))


def _items_json(items: list[dict[str, Any]]) -> str:
    return json.dumps({"type": "FeatureCollection", "features": items})


def _command(folder: Path, port: int) -> list[str]:
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
    """Raise StacApiError where something else has the port; a server that is just ending gets three seconds."""
    deadline = time.monotonic() + 3
    while not _is_free(port):
        if time.monotonic() > deadline:
            raise StacApiError(
                f"port {port} of 127.0.0.1 is taken, perhaps by the sample of another clone: end that one with "
                f"`geocadence local down`, or see which program it is with `lsof -i :{port}`"
            )
        time.sleep(0.1)


def _is_free(port: int) -> bool:
    with socket.socket() as attempt:
        # As the server does: a port that was closed a moment ago counts as free.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _wait(process: subprocess.Popen, port: int, *, wanted: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StacApiError(f"rustac ended with {process.returncode}: {_tail(log)}")
        if _answers(port, wanted=wanted):
            return
        time.sleep(0.05)
    raise StacApiError(f"rustac has not answered on port {port} for {_PATIENCE} s: {_tail(log)}")


def _answers(port: int, *, wanted: int) -> bool:
    try:
        with urllib.request.urlopen(f"{url(port)}/search?limit={wanted + 1}", timeout=2) as answer:  # noqa: S310 (ours)
            return len(json.load(answer)["features"]) == wanted
    except (urllib.error.URLError, OSError, ValueError, KeyError):
        return False


def _tail(log: Path) -> str:
    return log.read_text(errors="replace").strip()[-500:] or "it left no message"


def _stay(folder: Path, port: int, beside: int) -> None:
    """Run the server until the process `beside` is gone, or another one has its number."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    begun = start_time(beside)
    process = subprocess.Popen(_command(folder, port), stdin=subprocess.DEVNULL)
    try:
        while process.poll() is None and begun is not None and start_time(beside) == begun:
            time.sleep(1)
    finally:
        stop(process)


if __name__ == "__main__":
    _stay(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
