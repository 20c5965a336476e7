"""Opening and reading rasters, near and far, and telling a bad raster from a bad moment."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import rasterio
from rasterio.errors import RasterioIOError
from rasterio.windows import Window

from spectral.failures import InputFailure, SceneFailure, TransientFailure
from spectral.gdal_errors import GDAL_ERRORS
from spectral.grids import Grid
from spectral.hrefs import is_remote

# What GDAL says of things that trying again does not change ("HTTP response code on <URL>: 403", S3's own words).
_FINAL = re.compile(
    r":\s*(400|401|403|404|409|410)\b|not recognized|No such file|does not exist|Access ?Denied|Forbidden",
    re.IGNORECASE,
)
# And of what came whole: no bytes that are missing for the moment can be meant. Of truncated files it says the same as
# of a connection that broke.
_DAMAGED = re.compile(
    r"Decoding error|missing codec|Unsupported TIFF|Incorrect count|Incompatible type|MissingRequired"
)
# That scene is not at fault: the one before it is about to close its own.
_NO_MORE_FILES = os.strerror(errno.EMFILE)


class Source(Protocol):
    """One band of a scene."""

    path: str  # as GDAL knows it
    name: str  # what messages call it
    grid: Grid
    nodata: float | None  # as the file has it
    dtype: np.dtype

    def plan(self, windows: Sequence[Window], memory: int) -> None:
        """What will be read, in this order, each window once.

        Args:
            memory: how many bytes may be fetched ahead.
        """

    def read(self, window: Window, turn: int) -> np.ndarray:
        """The first band's pixels of `window`, as stored; valid until the thread's next read, not to be changed.

        Args:
            turn: the window's number in the plan.

        Raises:
            InputFailure: the file is damaged.
            TransientFailure: the network or the store failed.
        """

    def close(self) -> None:
        """Let go of files and connections."""


class GdalSource:
    """A band read by GDAL, whatever the format; open once for each thread that reads it."""

    def __init__(self, path: str, name: str) -> None:
        """
        Raises:
            InputFailure: there is no such file, or it is no raster that can be read, or one of complex numbers.
            TransientFailure: the network or the store failed.
        """
        self.path = path
        self.name = name
        self._of_thread = threading.local()
        self._open: list[rasterio.DatasetReader] = []
        self._lock = threading.Lock()
        self.grid = Grid.of(self.dataset)
        self.nodata: float | None = self.dataset.nodata
        kind = self.dataset.dtypes[0]
        if kind.startswith("complex"):
            raise InputFailure(f"{name} ({path}) holds complex numbers, which are neither reflectance nor classes.")
        self.dtype = np.dtype(kind)

    @property
    def dataset(self) -> rasterio.DatasetReader:
        """The calling thread's own handle."""
        dataset = getattr(self._of_thread, "dataset", None)
        if dataset is None:
            try:
                dataset = rasterio.open(self.path, driver=_driver(self.path), sharing=False)
            except GDAL_ERRORS as error:
                raise failure_of(self.path, self.name, "opened", error) from error
            self._of_thread.dataset = dataset
            with self._lock:
                self._open.append(dataset)
        return dataset

    def plan(self, windows: Sequence[Window], memory: int) -> None:
        """GDAL finds its own way."""

    def read(self, window: Window, turn: int) -> np.ndarray:
        try:
            return self.dataset.read(1, window=window)
        except RasterioIOError as error:
            raise failure_of(self.path, self.name, "read", error) from error

    def close(self) -> None:
        """Close the handles of all threads."""
        for dataset in self._open:
            dataset.close()
        self._open.clear()
        self._of_thread = threading.local()


def failure_of(path: str, name: str, verb: str, error: Exception) -> SceneFailure:
    """`input` for what stays broken, `transient` for what may pass."""
    details, *deeper = _words(error)
    told = f"{details} ({deeper[-1].rstrip('.')})" if deeper and deeper[-1] not in details else details
    message = f"{name} ({path}) can't be {verb}: {told}"
    # GDAL reports a missing remote file and a refused connection by different words only.
    final = _FINAL.search(details) or any(map(_DAMAGED.search, (details, *deeper)))
    if (is_remote(path) and not final) or _NO_MORE_FILES in details:
        return TransientFailure(message)
    return InputFailure(message)


def _words(error: Exception) -> list[str]:
    """What GDAL says, and what it said before of the same; of rasterio 1.3 the former only."""
    words, cause = [], error.__cause__
    while cause:
        words.append(str(cause).strip())
        cause = cause.__cause__
    return [*filter(None, words)] or [str(error).strip() or type(error).__name__]


def _driver(path: str) -> str:
    """The one format that `path` may have.

    Items are somebody else's, and GDAL knows formats that point to further files and hosts (VRT, WMS, …):
    those stay closed.
    """
    return "JP2OpenJPEG" if path.partition("?")[0].lower().endswith((".jp2", ".j2k")) else "GTiff"
