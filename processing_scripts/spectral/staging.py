"""Putting files in place so that no draft is ever in the output folder.

A job's output is uploaded while it grows, so everything is written elsewhere first. Where a folder beside
the output is on the same mount, one `rename` moves a finished file in. Where it is not (SageMaker may mount
each output folder on its own), drafts are in the system's temporary folder (`TMPDIR` names another), and a
finished file is copied to its final name. Somebody may then see a part of it under that name. That is no
half product: the Item, written last and at once, is the commit marker, and who uploads a growing file
uploads it again when it has changed. A draft under a name of its own would be uploaded too, and nothing
would remove it from the bucket.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

_PREFIX = ".geocadence-"
_CHUNK = 8 << 20


class Staging:
    """A place to write files of `output`; a context manager that leaves nothing behind."""

    def __init__(self, output: Path) -> None:
        """
        Raises:
            OSError: the output folder can't be made or written to.
        """
        output.mkdir(parents=True, exist_ok=True)
        self.output = output.resolve()
        beside = _folder_beside(self.output)
        self._renames = beside is not None
        if beside is None and not os.access(self.output, os.W_OK | os.X_OK):
            raise PermissionError(f"no permission to write to {self.output}, or its file system is read-only")
        self._folder = beside or Path(tempfile.mkdtemp(prefix=_PREFIX))

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
        path = self._made_room(target)
        if self._renames:
            source.replace(path)
        else:
            with source.open("rb") as draft, _arriving(path) as file:
                shutil.copyfileobj(draft, file, _CHUNK)
            source.unlink()
        return path

    def place_json(self, document: Any, target: str) -> Path:
        """Write a JSON document to `target`; raises as `as_json`, and nothing is there then."""
        return self.place_bytes(as_json(document), target)

    def place_bytes(self, content: bytes, target: str) -> Path:
        """Write a file to `target`, a path inside the output folder."""
        if self._renames:
            draft = self.scratch() / "draft"
            draft.write_bytes(content)
            return self.place(draft, target)
        path = self._made_room(target)
        with _arriving(path) as file:
            file.write(content)
        return path

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
        """What the disk still holds; of two disks, the fuller one."""
        return min(shutil.disk_usage(folder).free for folder in (self._folder, self.output))

    def _made_room(self, target: str) -> Path:
        path = self.path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def as_json(document: Any) -> bytes:
    """A JSON document as a file holds it, sorted as given.

    Raises:
        ValueError: it holds a NaN, or a text that is none in UTF-8.
    """
    return f"{json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)}\n".encode()


@contextmanager
def _arriving(path: Path) -> Iterator[BinaryIO]:
    """A new file under its final name; gone again when it could not be finished."""
    # Not written over: a link of that name could lead out of the output folder.
    path.unlink(missing_ok=True)
    try:
        with path.open("xb") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise


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
