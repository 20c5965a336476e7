"""What the Lambda functions run: our packages as a folder, and their locked dependencies as a layer's archive.

Dependencies are resolved by uv for Lambda's platform, whatever the machine: no Docker. On the local cloud functions
run under this machine's own Python, so what goes there is resolved for that. Both are cached under `.local/`: the
dependencies by the digest of their lock, the folder by the digest of all that is in it, so that a second synthesis
copies nothing. boto3 is not among them: it comes with the runtime.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from stacks.components.made_once import made_once
from stacks.components.uv import ROOT, deploys_to_this_machine, pack, tell, uv, without_bookkeeping
from stacks.refused import Refused

CACHE = ROOT / ".local" / "functions"
LOCK = ROOT / "requirements" / "functions.txt"
PACKAGES = ("geocadence", "run_functions")
PYTHON = "3.13"
# Lambda's Python 3.13 runs on Amazon Linux 2023, with glibc 2.34.
PLATFORM = "x86_64-manylinux_2_28"
# What an unpacked function and its layers may have together, in bytes:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LARGEST = 250 << 20
# The command line stays at home; it needs packages that the functions don't.
_LEFT_OUT = ("__pycache__", "cli", "cli.py", "__main__.py")


class NoDependencies(Refused):
    """The functions' dependencies could not be gathered."""


def function_code() -> Path:
    """The folder to upload; the same sources give the same folder."""
    sources = list(_sources())
    digest = hashlib.sha256()
    for path in sources:
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")

    def make(folder: Path) -> None:
        for path in sources:
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            # The CDK's archives keep modes, and Lambda reads as another user than who owns the files: under a umask
            # of 077 it could not (https://docs.aws.amazon.com/lambda/latest/dg/python-package.html).
            target.chmod(0o644)

    folder = made_once(CACHE / f"code-{digest.hexdigest()[:16]}", make)
    _forget_others(folder)
    return folder


def function_libraries() -> Path:
    """The archive of the layer: zipped here, once, as the CDK would zip it anew for each deployment's folder."""

    def make(folder: Path) -> None:
        pack(function_dependencies(), folder / "libraries.zip", below="python/")

    return made_once(CACHE / f"libraries-{_digest()}", make) / "libraries.zip"


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            inside = path.relative_to(ROOT / package).parts
            if path.is_file() and path.suffix != ".pyc" and not set(inside) & set(_LEFT_OUT):
                yield path


def function_dependencies() -> Path:
    """The folder that the layer's `python/` is made of."""

    def make(folder: Path) -> None:
        tell("the functions' libraries")
        done = uv(
            *("pip", "install", "--quiet", "--require-hashes", "--no-compile-bytecode"),
            *("--only-binary", ":all:", *_target()),
            *("--target", str(folder), "--requirements", str(LOCK)),
        )
        if done.returncode:
            raise NoDependencies(f"the functions' dependencies could not be resolved from {LOCK}:\n{done.stderr}")
        # The asset's hash must not differ from run to run.
        without_bookkeeping(folder)
        shutil.rmtree(folder / "bin", ignore_errors=True)
        for tests in [path for path in folder.rglob("tests") if path.is_dir()]:
            shutil.rmtree(tests)

    return made_once(CACHE / f"dependencies-{_digest()}", make)


def _digest() -> str:
    return hashlib.sha256(LOCK.read_bytes() + " ".join(_target()).encode()).hexdigest()[:16]


def _target() -> tuple[str, ...]:
    """For whom uv resolves: Lambda, or this machine where the deployment goes to an AWS on it."""
    if deploys_to_this_machine():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return ("--python", sys.executable, "--python-version", version)
    return ("--python-platform", PLATFORM, "--python-version", PYTHON)


def _forget_others(folder: Path) -> None:
    """Remove the folders of sources long since changed; a day leaves any synthesis under way in peace."""
    yesterday = time.time() - 86400
    for other in CACHE.glob("code-*"):
        if other != folder and other.stat().st_mtime < yesterday:
            shutil.rmtree(other, ignore_errors=True)
