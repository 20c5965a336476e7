"""Folders under `.local/` that a synthesis makes once and finds again."""

from __future__ import annotations

import fcntl
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TextIO


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, made by `make` unless it is there: whole or not at all, and by one of several syntheses at once."""
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A lock for each folder, since one may be made from another.
    lock = folder.with_name(f".{folder.name}.lock")
    with lock.open("w") as held:
        _lock(held, folder)
        if folder.is_dir():
            return folder
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as making:
            made = Path(making) / "made"
            made.mkdir()
            make(made)
            made.rename(folder)
        # Who waits for it finds the folder in place; after a failure it stays, so that those who wait go one by one.
        lock.unlink()
    return folder


def _lock(file: TextIO, folder: Path) -> None:
    """Lock an open `file` until it is closed, or its process ends."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write(f"waiting for another synthesis, which makes {folder}\n")
        fcntl.flock(file, fcntl.LOCK_EX)
