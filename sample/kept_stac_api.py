"""The sample's STAC API beside a local cloud: served for as long as the cloud runs, also after its starter has ended.

A pipeline that is deployed to the local cloud can be run at any time, by its schedule too. Each port has a folder of
its own; of two pipelines that name one port, the catalogue is that of the last one that was run.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from local_cloud.processes import start_time
from sample.stac_api import answers, check_free, items_json, server_command, stop, wait, write

_ROOT = Path(__file__).resolve().parent.parent


def check(folder: Path, *, port: int) -> None:
    """Raise StacApiError where `keep` could not serve, since a stranger has the port. Cheap: to be asked first."""
    if _minder(folder / str(port)) is None:
        check_free(port)


def keep(items: list[dict[str, Any]], *, folder: Path, port: int, beside: int) -> None:
    """Serve the Items for as long as the process `beside` lives; nothing is done where just that is the case already.

    Args:
        folder: where the files of all kept servers are.
        port: on 127.0.0.1.

    Raises:
        StacApiError: the port is taken, or the server doesn't answer.
    """
    here = folder / str(port)
    minder = _minder(here)
    if minder is not None:
        is_beside = minder["beside"] == [beside, start_time(beside)]
        if is_beside and (here / "items.json").read_text() == items_json(items) and answers(port, wanted=len(items)):
            return
        with suppress(ProcessLookupError):
            os.kill(minder["pid"], signal.SIGTERM)
    check_free(port)
    write(items, here)
    log = here / "rustac.log"
    command = [sys.executable, "-m", "sample.kept_stac_api", str(here), str(port), str(beside)]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True, cwd=_ROOT
        )
    told = {"pid": process.pid, "started": start_time(process.pid), "beside": [beside, start_time(beside)]}
    (here / "server.json").write_text(json.dumps(told))
    try:
        wait(process, port, wanted=len(items), log=log)
    except BaseException:
        stop(process)
        raise


def _minder(here: Path) -> dict[str, Any] | None:
    """The process that `keep` left behind for this folder, if it still runs (and its pid is not another's by now)."""
    try:
        told = json.loads((here / "server.json").read_text())
    except (OSError, ValueError):
        return None
    return told if start_time(told["pid"]) == told["started"] else None


def _stay(here: Path, port: int, beside: int) -> None:
    """Run the server until the process `beside` is gone, or another one has its number."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    begun = start_time(beside)
    process = subprocess.Popen(server_command(here, port), stdin=subprocess.DEVNULL)
    try:
        while process.poll() is None and begun is not None and start_time(beside) == begun:
            time.sleep(1)
    finally:
        stop(process)


if __name__ == "__main__":
    _stay(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
