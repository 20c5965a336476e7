"""uv as a synthesis uses it: to gather Python packages for another machine than this one, once."""

from __future__ import annotations

import ipaddress
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from stacks.refused import Refused
from tools.setup import cache_settings, certificate_options

ROOT = Path(__file__).resolve().parent.parent.parent


class NoUv(Refused):
    """There is no uv."""


def uv(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run uv; whoever calls reads `returncode` and `stderr`."""
    options = ["--no-config", "--no-python-downloads", "--color", "never", *certificate_options()]
    command = [_program(), *arguments, *options]
    environment = os.environ | cache_settings()
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)


def tell(gathered: str) -> None:
    """Say what a synthesis is about to gather: the first one takes most of a minute, and would pass for hung."""
    sys.stderr.write(f"gathering {gathered} (once; kept in .local)\n")


def without_bookkeeping(folder: Path) -> None:
    """Remove from an installed `folder` what differs from one installation to the next."""
    for left in (*folder.glob("bin"), *folder.glob(".lock"), *folder.glob("*.dist-info/direct_url.json")):
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def pack(folder: Path, target: Path, *, below: str = "") -> None:
    """All files of `folder` as a zip that is the same each time, their names beginning with `below`."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                # No times, which would differ from machine to machine.
                entry = zipfile.ZipInfo(f"{below}{path.relative_to(folder).as_posix()}")
                entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
                # Of compiled libraries level 6 makes a tenth less, in three times as long.
                archive.writestr(entry, path.read_bytes(), compresslevel=1)


def deploys_to_this_machine() -> bool:
    """Whether what is synthesized goes to an AWS on this machine, where jobs and functions run under its Python."""
    host = urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
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


def _program() -> str:
    own = ROOT / ".local" / "uv" / ("Scripts" if os.name == "nt" else "bin") / "uv"
    found = str(own) if own.exists() else shutil.which("uv")
    if found is None:
        raise NoUv(f"uv is needed to gather Python packages; neither {own} nor one on PATH is there")
    return found
