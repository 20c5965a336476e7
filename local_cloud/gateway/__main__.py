"""Serve the local cloud: `python -m local_cloud.gateway --folder DIR --port N …`, until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_cloud import processes
from local_cloud.gateway import certificates, settings

WATCH_SECONDS = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--account", required=True)
    parser.add_argument("--wait-scale", type=float, default=1.0)
    parser.add_argument("--container-python", type=Path, required=True)
    parser.add_argument("--tied-to", type=int, help="end when this process has ended")
    options = parser.parse_args()

    _allow_many_connections()
    tls = certificates.make(options.folder / "tls")
    settings.apply(
        folder=options.folder,
        port=options.port,
        region=options.region,
        account=options.account,
        wait_scale=options.wait_scale,
        tls=tls,
    )
    # Only now: the emulator reads its settings from the environment while it is imported.
    from local_cloud.gateway.services import start_services

    application, stop_services = start_services(
        folder=options.folder,
        endpoint=f"https://127.0.0.1:{options.port}",
        region=options.region,
        account=options.account,
        tls=tls,
        container_python=options.container_python,
    )
    watched = Watched(folder=options.folder, process=options.tied_to)
    asyncio.run(_serve(application, options.port, tls, watched, at_end=stop_services))


async def _serve(
    application: Any, port: int, tls: certificates.Certificates, watched: Watched, *, at_end: Callable[[], None]
) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.certfile, config.keyfile = str(tls.chain), str(tls.key)
    config.alpn_protocols = ["http/1.1"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"

    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    # A trigger of its own, never pulled, keeps the server from taking the signals for itself.
    serving = asyncio.create_task(serve(application, config, shutdown_trigger=asyncio.Event().wait))
    asyncio.get_running_loop().set_exception_handler(_report)
    reasons = {serving, asyncio.create_task(stopping.wait()), asyncio.create_task(watched.wait_for_end())}
    await asyncio.wait(reasons, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()  # it never ends by itself but by an error, such as a port that is taken
    # The server still answers meanwhile: jobs write the end of their logs to it.
    await asyncio.to_thread(at_end)
    # No farewell to clients and threads: idle TLS connections would take half a minute, and all state dies anyway.
    sys.stdout.flush()
    os._exit(0)


class Watched:
    """What this cloud must not outlive: its folder (`make clean` removes it), and a process if one is named."""

    def __init__(self, *, folder: Path, process: int | None) -> None:
        self._sign = folder / "tls" / "ca.pem"
        self._process = process
        self._started = None if process is None else processes.start_time(process)

    async def wait_for_end(self) -> None:
        while self._sign.exists() and self._is_running():
            await asyncio.sleep(WATCH_SECONDS)

    def _is_running(self) -> bool:
        return self._process is None or (
            self._started is not None and processes.start_time(self._process) == self._started
        )


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what goes wrong, but for clients that leave without TLS's farewell: most do."""
    if "SSL shutdown timed out" not in str(context.get("exception")):
        loop.default_exception_handler(context)


def _allow_many_connections() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
