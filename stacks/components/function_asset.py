"""What the Lambda functions run: our packages as a folder, and their locked dependencies as a layer's archive.

Dependencies are resolved by uv for Lambda's platform, whatever the machine: no Docker. On the local cloud functions
run under this machine's own Python, so what goes there is resolved for that. Both are cached under `.local/`: the
dependencies by the digest of their lock, the folder by the digest of all that is in it, so that a second synthesis
copies nothing. boto3 is not among them: it comes with the runtime.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from stacks.refused import Refused
from tools.setup import certificate_options

ROOT = Path(__file__).resolve().parent.parent.parent
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

    folder = _once(CACHE / f"code-{digest.hexdigest()[:16]}", make)
    _forget_others(folder)
    return folder


def function_libraries() -> Path:
    """The archive of the layer: zipped here, once, as the CDK would zip it anew for each deployment's folder."""

    def make(folder: Path) -> None:
        with zipfile.ZipFile(folder / "libraries.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            libraries = function_dependencies()
            for path in sorted(libraries.rglob("*")):
                if path.is_file():
                    # No times, which would differ from machine to machine.
                    entry = zipfile.ZipInfo(f"python/{path.relative_to(libraries).as_posix()}")
                    entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
                    archive.writestr(entry, path.read_bytes())

    return _once(CACHE / f"libraries-{_digest()}", make) / "libraries.zip"


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            inside = path.relative_to(ROOT / package).parts
            if path.is_file() and path.suffix != ".pyc" and not set(inside) & set(_LEFT_OUT):
                yield path


def function_dependencies() -> Path:
    """The folder that the layer's `python/` is made of."""

    def make(folder: Path) -> None:
        command = [
            *(_uv(), "pip", "install", "--quiet", "--no-config", "--require-hashes", "--no-compile-bytecode"),
            *("--only-binary", ":all:", *_target()),
            *("--target", str(folder), "--requirements", str(LOCK), *certificate_options()),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoDependencies(f"the functions' dependencies could not be resolved from {LOCK}:\n{done.stderr}")
        # uv's bookkeeping differs from run to run, and the asset's hash must not.
        for left in (*folder.glob("bin"), *folder.glob(".lock"), *folder.glob("*.dist-info/direct_url.json")):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        for tests in [path for path in folder.rglob("tests") if path.is_dir()]:
            shutil.rmtree(tests)

    return _once(CACHE / f"dependencies-{_digest()}", make)


def _digest() -> str:
    return hashlib.sha256(LOCK.read_bytes() + " ".join(_target()).encode()).hexdigest()[:16]


def _target() -> tuple[str, ...]:
    """For whom uv resolves: Lambda, or this machine where the deployment goes to an AWS on it."""
    if _is_this_machine(os.environ.get("AWS_ENDPOINT_URL", "")):
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return ("--python", sys.executable, "--python-version", version)
    return ("--python-platform", PLATFORM, "--python-version", PYTHON)


def _is_this_machine(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _once(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, made by `make` unless it is there; whole or not at all, also when two syntheses race."""
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as making:
        made = Path(making) / "made"
        made.mkdir()
        make(made)
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    return folder


def _forget_others(folder: Path) -> None:
    """Remove the folders of sources long since changed; a day leaves any synthesis under way in peace."""
    yesterday = time.time() - 86400
    for other in CACHE.glob("code-*"):
        if other != folder and other.stat().st_mtime < yesterday:
            shutil.rmtree(other, ignore_errors=True)


def _uv() -> str:
    own = ROOT / ".local" / "uv" / ("Scripts" if os.name == "nt" else "bin") / "uv"
    found = str(own) if own.exists() else shutil.which("uv")
    if found is None:
        raise NoDependencies(
            f"uv is needed to gather the functions' dependencies; neither {own} nor one on PATH is there"
        )
    return found
