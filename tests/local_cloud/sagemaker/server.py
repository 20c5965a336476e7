"""Serves the SageMaker service alone, over HTTP, beside a plain MiniStack: run by the emulator's Python.

Everything is real but the front door: no TLS, no signatures, no IAM. What depends on those is tested
through the gateway.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from botocore.httpsession import where
from hypercorn.asyncio import serve
from hypercorn.config import Config

from local_cloud.gateway.clients import Credentials, RoleClients, RoleNotAssumable
from local_cloud.gateway.sagemaker import create_service
from local_cloud.gateway.sagemaker.isolation import Mode


def sessions(role_arn: str, *, service: str, session: str, source_arn: str | None) -> Credentials:
    if role_arn.endswith("/distrusts-sagemaker"):
        raise RoleNotAssumable(role_arn)
    return Credentials("test", "test")


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--emulator", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--mode", type=Mode)
    options = parser.parse_args()
    clients = RoleClients(
        region="us-west-2",
        account="000000000000",
        endpoint=options.emulator,
        ca=where(),
        ca_bundle=where(),
        sessions=sessions,
    )
    service = create_service(
        clients, folder=options.folder, container_python=options.python, grace=1, mode=options.mode, size=6
    )

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if scope["path"] == "/isolation":
            status, headers, answer = 200, {}, service.isolation().encode()
        else:
            given = {name.decode(): value.decode() for name, value in scope["headers"]}
            status, headers, answer = await service.handle_request(scope["method"], scope["path"], given, body, {})
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": answer})

    config = Config()
    config.bind = [f"127.0.0.1:{options.port}"]
    try:
        await serve(app, config)
    finally:
        service.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
