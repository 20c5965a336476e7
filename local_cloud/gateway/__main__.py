"""Serve the local cloud: `python -m local_cloud.gateway --folder DIR --port N …`, until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path

from local_cloud.gateway import certificates, settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--account", required=True)
    parser.add_argument("--wait-scale", type=float, default=1.0)
    parser.add_argument("--container-python", type=Path, required=True)
    options = parser.parse_args()

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
        ca_bundle=tls.bundle,
        container_python=options.container_python,
    )
    try:
        asyncio.run(_serve(application, options.port, tls))
    finally:
        stop_services()
        # Threads of executions still running would keep the interpreter alive; their state dies with it anyway.
        os._exit(0)


async def _serve(application, port: int, tls: certificates.Certificates) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.certfile, config.keyfile = str(tls.chain), str(tls.key)
    config.alpn_protocols = ["http/1.1"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 2
    config.loglevel = "WARNING"

    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await serve(application, config, shutdown_trigger=stopping.wait)


if __name__ == "__main__":
    main()
