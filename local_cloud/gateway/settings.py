"""The environment of the emulator, and of the functions that it starts with a copy of its own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from local_cloud.gateway.certificates import Certificates

# Read by the emulator; `function_runtime` takes them away again from the functions.
FOR_EMULATOR = (
    "AUTH",
    "BIND_HOST",
    "DOCKER_HOST",
    "GATEWAY_PORT",
    "IOT_MTLS_ENABLED",
    "LAMBDA_EXECUTOR",
    "LOG_LEVEL",
    "MINISTACK_ACCOUNT_ID",
    "MINISTACK_HOST",
    "MINISTACK_REGION",
    "MINISTACK_SSL_CERT",
    "MINISTACK_SSL_KEY",
    "S3_DATA_DIR",
    "SFN_WAIT_SCALE",
    "SFTP_ENABLED",
    "STATE_DIR",
    "USE_SSL",
)


def apply(*, folder: Path, port: int, region: str, account: str, wait_scale: float, tls: Certificates) -> None:
    """Set this process's environment. To be called before the emulator is imported: it reads it then."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True, mode=0o700)
    for name in ("PYTHONPATH", "PYTHONUNBUFFERED"):
        os.environ.pop(name, None)
    os.environ.update(_emulator(temporary, port, region, account, wait_scale, tls))
    os.environ.update(_functions(temporary, f"https://127.0.0.1:{port}", tls))
    tempfile.tempdir = str(temporary)


def _emulator(
    temporary: Path, port: int, region: str, account: str, wait_scale: float, tls: Certificates
) -> dict[str, str]:
    values = {
        # What makes it worth having: signatures, identity policies and resource policies are checked.
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "localhost",
        "MINISTACK_REGION": region,
        "MINISTACK_ACCOUNT_ID": account,
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(tls.chain),
        "MINISTACK_SSL_KEY": str(tls.key),
        "SFN_WAIT_SCALE": str(wait_scale),
        "LOG_LEVEL": "INFO",
        "STATE_DIR": str(temporary / "state"),
        "S3_DATA_DIR": str(temporary / "s3"),
        # Neither listens on another port nor looks for Docker.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent/docker.sock",
        "LAMBDA_EXECUTOR": "local",
    }
    return {name: values[name] for name in FOR_EMULATOR}


def _functions(temporary: Path, endpoint: str, tls: Certificates) -> dict[str, str]:
    """As in Lambda's runtime, but for an endpoint and trust in its certificate."""
    return {
        "TZ": ":UTC",
        "TMPDIR": str(temporary),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_CA_BUNDLE": str(tls.bundle),
        "SSL_CERT_FILE": str(tls.bundle),
        "REQUESTS_CA_BUNDLE": str(tls.bundle),
        "CURL_CA_BUNDLE": str(tls.bundle),
        "NODE_EXTRA_CA_CERTS": str(tls.ca),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
