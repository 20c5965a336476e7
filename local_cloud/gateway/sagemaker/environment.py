"""The environment variables of a container: the role's, the job's, and what stands in for the image.

Nothing of the gateway's own environment gets in.
"""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def container_environment(
    role: dict[str, str], job: dict[str, str], *, endpoint: str, ca_bundle: str, python: Path, home: str
) -> dict[str, str]:
    """All variables of a job's process; the job's own `Environment` wins."""
    return {
        "PATH": f"{python.parent}:{SYSTEM_PATH}",
        "HOME": home,
        "LANG": "C.UTF-8",
        # AWS's images set it; without it a script's lines would reach the log only when it ends.
        "PYTHONUNBUFFERED": "1",
        # A job may not write beside the container's libraries.
        "PYTHONDONTWRITEBYTECODE": "1",
        **{name: value for name, value in role.items() if value},
        **_local_endpoint(endpoint, ca_bundle),
        **job,
    }


def _local_endpoint(endpoint: str, ca_bundle: str) -> dict[str, str]:
    """Points what is not an AWS SDK (GDAL, curl, requests) at this cloud.

    Stands in for the DNS and the certificates of the real thing: there, none of it is set or needed.
    Names: https://gdal.org/en/stable/user/virtual_file_systems.html#vsis3
    """
    address = urlsplit(endpoint)
    variables = {
        "AWS_S3_ENDPOINT": address.netloc,
        "AWS_HTTPS": "YES" if address.scheme == "https" else "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
    }
    if ca_bundle:
        names = ("AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "GDAL_CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
        variables |= dict.fromkeys(names, ca_bundle)
    return variables


@functools.cache
def python_folders(python: Path) -> tuple[Path, ...]:
    """Where the container's Python and its libraries lie. Raises RuntimeError when it does not run."""
    program = "import sys; print(sys.prefix); print(sys.base_prefix)"
    try:
        found = subprocess.run(
            [str(python), "-I", "-c", program], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise RuntimeError(f"{python} does not run, so no job could: {error}") from error
    folders = {Path(line) for line in found.stdout.split("\n") if line}
    return tuple(sorted({python.absolute(), *folders, *(folder.resolve() for folder in folders)}))
