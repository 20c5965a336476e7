"""The Python that Lambda functions run under: the interpreter, and what Lambda's runtime carries; no more.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html#python-sdk-included
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from pathlib import Path

from local_cloud.gateway.settings import FOR_EMULATOR

# boto3 and what it needs, which Lambda's Python runtimes include.
CARRIED = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")


def make(folder: Path) -> str:
    """A command that starts such a Python, made in `folder`; the command's path."""
    shutil.rmtree(folder, ignore_errors=True)
    packages = folder / "packages"
    packages.mkdir(parents=True)
    for name in CARRIED:
        origin = Path(_origin(name))
        source = origin.parent if origin.name == "__init__.py" else origin
        (packages / source.name).symlink_to(source)
    command = folder / "python"
    lines = [
        "#!/bin/sh",
        f"unset {' '.join(FOR_EMULATOR)}",
        f"export PYTHONPATH={shlex.quote(os.fspath(packages))}",
        # Without `site` nothing that happens to be installed on this machine is found either.
        f'exec {shlex.quote(_interpreter())} -S "$@"',
    ]
    command.write_text("\n".join(lines) + "\n")
    command.chmod(0o700)
    return os.fspath(command)


def _interpreter() -> str:
    """The interpreter that this virtual environment was made from."""
    return os.fspath(getattr(sys, "_base_executable", sys.executable))


def _origin(name: str) -> str:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ImportError(f"{name} is missing from the emulator's environment (requirements/emulator.in)")
    return spec.origin
