"""The emulator's settings. It reads them from the environment at import, so they are set before that."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from local_cloud.gateway.certificates import Certificates


def apply(*, folder: Path, port: int, region: str, account: str, wait_scale: float, tls: Certificates) -> None:
    """Set this process's environment for the emulator, and clear it of what functions must not inherit.

    The emulator starts each Lambda function with a copy of this process's environment.
    """
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True, mode=0o700)
    for name in ("PYTHONPATH", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        os.environ.pop(name, None)
    os.environ.update(
        {
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
            "TMPDIR": str(temporary),
            "STATE_DIR": str(temporary / "state"),
            "S3_DATA_DIR": str(temporary / "s3"),
            # Neither listens on another port nor looks for Docker.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent/docker.sock",
            "LAMBDA_EXECUTOR": "local",
            # What functions find, as in the Lambda runtime: an endpoint and trust in its certificate.
            "AWS_ENDPOINT_URL": f"https://127.0.0.1:{port}",
            "AWS_ENDPOINT_URL_S3": f"https://127.0.0.1:{port}",
            "AWS_CA_BUNDLE": str(tls.bundle),
            "SSL_CERT_FILE": str(tls.bundle),
            "REQUESTS_CA_BUNDLE": str(tls.bundle),
            "NODE_EXTRA_CA_CERTS": str(tls.ca),
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    )
    tempfile.tempdir = str(temporary)
