"""What functions are made of, unpacked once for all that have the same.

A copy for each function takes seconds and, where a layer holds libraries, a hundred megabytes, and its Python compiles
all of it anew.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
import zipfile
from pathlib import Path


class Unpacked:
    """Archives unpacked below `folder`, by their digests. Nobody is to write there, as nobody can in Lambda."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        shutil.rmtree(folder, ignore_errors=True)

    def place_of(self, archive: Path) -> Path:
        """The folder with what the archive holds."""
        with archive.open("rb") as file:
            place = self._folder / hashlib.file_digest(file, "sha256").hexdigest()
        with self._lock:
            if not place.exists():
                draft = place.with_suffix(".draft")
                with zipfile.ZipFile(archive) as packed:
                    packed.extractall(draft)
                draft.rename(place)
        return place
