"""Putting files in place so that none is ever seen half-written.

Everything is written in a folder of our own first and moved by one `rename`. A job's output is uploaded
while it grows, so that folder stands outside of the output where a rename from there works (the same
mounted file system), else in a hidden folder inside.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

_PREFIX = ".geocadence-"


class Staging:
    """A place to write files of `output`; a context manager that leaves nothing behind."""

    def __init__(self, output: Path) -> None:
        """
        Raises:
            OSError: the output folder can't be made or written to.
        """
        output.mkdir(parents=True, exist_ok=True)
        self.output = output.resolve()
        self._folder = _folder_beside(self.output) or Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self.output))

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def scratch(self) -> Path:
        """A new, empty folder to write files of one product into."""
        return Path(tempfile.mkdtemp(dir=self._folder))

    def place(self, source: Path, target: str) -> Path:
        """Move a finished file to `target`, a path inside the output folder.

        Raises:
            ValueError: `target` would lie outside.
        """
        path = self.path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        source.replace(path)
        return path

    def place_json(self, document: Any, target: str) -> Path:
        """Write a JSON document (sorted as given, no NaN) to `target`."""
        draft = self.scratch() / "draft.json"
        draft.write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
        return self.place(draft, target)

    def path(self, target: str) -> Path:
        """Where `target` is, made sure that it is inside the output folder.

        Raises:
            ValueError: it is not.
        """
        path = Path(os.path.normpath(self.output / target))
        # The parent is resolved too: a link inside the output folder could lead out of it.
        if self.output not in path.parents or self.output not in (path.parent.resolve() / "x").parents:
            raise ValueError(f"{target} would be written outside of {self.output}")
        return path

    def free_bytes(self) -> int:
        """What the disk still holds."""
        return shutil.disk_usage(self._folder).free


def _folder_beside(output: Path) -> Path | None:
    """A folder next to `output` from which files can be renamed into it; None where there is no such."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=output.parent))
    except OSError:
        return None
    # Whether a rename works shows only by doing it: two mounts can be one device. An empty folder is no
    # object, so no uploader minds it.
    probe, arrived = folder / "probe", output / folder.name
    try:
        probe.mkdir()
        probe.rename(arrived)
        arrived.rmdir()
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return folder
