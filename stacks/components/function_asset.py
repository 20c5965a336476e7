"""The code of the Lambda functions: our packages and their locked dependencies, as one folder to upload.

Resolved by uv for Lambda's platform, whatever the machine: no Docker. Dependencies are cached under `.local/` by
the digest of their lock, the folder by the digest of all that is in it, so a second synthesis copies nothing.
boto3 is not among them: it comes with the runtime.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from stacks.refused import Refused
from tools.setup import certificate_options

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / ".local" / "functions"
LOCK = ROOT / "requirements" / "functions.txt"
PACKAGES = ("geocadence", "run_functions")
PYTHON = "3.13"
PLATFORM = "x86_64-manylinux2014"
# The command line stays at home; it needs packages that the functions don't.
_LEFT_OUT = ("__pycache__", "cli", "cli.py", "__main__.py")


class NoDependencies(Refused):
    """The functions' dependencies could not be gathered."""


def function_asset() -> Path:
    """The folder to upload; the same sources and lock give the same folder."""
    sources = list(_sources())
    digest = hashlib.sha256(LOCK.read_bytes())
    for path in sources:
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")

    def make(folder: Path) -> None:
        shutil.copytree(_dependencies(), folder, dirs_exist_ok=True)
        for path in sources:
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)

    folder = _once(CACHE / f"asset-{digest.hexdigest()[:16]}", make)
    _forget_others(folder)
    return folder


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            inside = path.relative_to(ROOT / package).parts
            if path.is_file() and path.suffix != ".pyc" and not set(inside) & set(_LEFT_OUT):
                yield path


def _dependencies() -> Path:
    digest = hashlib.sha256(LOCK.read_bytes() + f"{PYTHON} {PLATFORM}".encode()).hexdigest()

    def make(folder: Path) -> None:
        command = [
            *(_uv(), "pip", "install", "--quiet", "--no-config", "--require-hashes", "--no-compile-bytecode"),
            *("--only-binary", ":all:", "--python-platform", PLATFORM, "--python-version", PYTHON),
            *("--target", str(folder), "--requirements", str(LOCK), *certificate_options()),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoDependencies(f"the functions' dependencies could not be resolved from {LOCK}:\n{done.stderr}")
        # uv's bookkeeping differs from run to run, and the asset's hash must not.
        for left in (*folder.glob("bin"), *folder.glob(".lock"), *folder.glob("*.dist-info/direct_url.json")):
            shutil.rmtree(left) if left.is_dir() else left.unlink()

    return _once(CACHE / f"dependencies-{digest[:16]}", make)


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
    for other in CACHE.glob("asset-*"):
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
