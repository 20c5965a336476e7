"""uv as a synthesis uses it: to gather Python packages for another machine than this one, once."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from stacks.refused import Refused
from tools.setup import cache_settings, certificate_options

ROOT = Path(__file__).resolve().parent.parent.parent


# How installers begin a Python program: by this machine's Python, through a shell where its path is long or has blanks.
# In a container the one that runs the job is the first on PATH.
_THIS_PYTHON = re.compile(rb"\A#!(?:/bin/sh\n'''exec' .*\n' '''|.*\bpython[\w.]*(?: .*)?)\n")
_OF_A_PROGRAM = re.compile(r"^(bin/[^,\n]+),[^,\n]*,[^,\n]*$", re.MULTILINE)


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
    """Take out of an installed `folder` what differs from one machine to the next, such as the path of its Python."""
    for left in (*folder.glob(".lock"), *folder.glob("*.dist-info/direct_url.json")):
        left.unlink()
    for program in folder.glob("bin/*"):
        content = program.read_bytes()
        if (portable := _THIS_PYTHON.sub(b"#!/usr/bin/env python3\n", content, count=1)) != content:
            mode = program.stat().st_mode
            # Not in place: uv links what it installs to its cache.
            program.unlink()
            program.write_bytes(portable)
            program.chmod(mode)
    for record in folder.glob("*.dist-info/RECORD"):
        # Of programs the digest and size, which are those before.
        lines = _OF_A_PROGRAM.sub(r"\1,,", record.read_text(encoding="utf-8"))
        record.unlink()
        record.write_text(lines, encoding="utf-8")


def pack(folder: Path, target: Path, *, below: str = "") -> None:
    """All files of `folder` as a zip that is the same each time, their names beginning with `below`."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                # No times, nor who else may write, which would differ from machine to machine.
                entry = zipfile.ZipInfo(f"{below}{path.relative_to(folder).as_posix()}")
                mode = 0o755 if path.stat().st_mode & 0o111 else 0o644
                entry.external_attr = mode << 16
                entry.compress_type = zipfile.ZIP_STORED if path.suffix == ".zip" else zipfile.ZIP_DEFLATED
                # Of compiled libraries level 6 makes a tenth less, in three times as long.
                archive.writestr(entry, path.read_bytes(), compresslevel=1)


def deploys_to_this_machine() -> bool:
    """Whether what is synthesized goes to an AWS on this machine, where jobs and functions run under its Python."""
    host = urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _program() -> str:
    own = ROOT / ".local" / "uv" / "bin" / "uv"
    found = str(own) if own.exists() else shutil.which("uv")
    if found is None:
        raise NoUv(f"uv is needed to gather Python packages; neither {own} nor one on PATH is there")
    return found
