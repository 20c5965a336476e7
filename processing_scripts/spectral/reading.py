"""Opening and reading rasters, near and far, and telling a bad raster from a bad moment."""

from __future__ import annotations

import re
import threading

import numpy as np
import rasterio
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.windows import Window

from spectral.failures import InputFailure, TransientFailure
from spectral.hrefs import is_remote

# What GDAL says of things that trying again does not change ("HTTP response code on <URL>: 403", S3's own words).
_FINAL = re.compile(
    r":\s*(400|401|403|404|410)\b|not recognized|No such file|does not exist|Access ?Denied|Forbidden", re.IGNORECASE
)


class Source:
    """One band of a scene, open once for each thread that reads it."""

    def __init__(self, path: str, name: str) -> None:
        """
        Args:
            path: as GDAL knows it.
            name: what messages call it.
        """
        self.path = path
        self.name = name
        self._of_thread = threading.local()
        self._open: list[rasterio.DatasetReader] = []
        self._lock = threading.Lock()

    @property
    def dataset(self) -> rasterio.DatasetReader:
        """The calling thread's own handle.

        Raises:
            InputFailure: there is no such file, or it is no raster that can be read.
            TransientFailure: the network or the store failed.
        """
        dataset = getattr(self._of_thread, "dataset", None)
        if dataset is None:
            try:
                dataset = rasterio.open(self.path, driver=_driver(self.path), sharing=False)
            except RasterioError as error:
                raise self._failure("open", error) from error
            self._of_thread.dataset = dataset
            with self._lock:
                self._open.append(dataset)
        return dataset

    def read(self, window: Window) -> np.ndarray:
        """The first band's pixels of `window`, as stored.

        Raises:
            InputFailure: the file is damaged.
            TransientFailure: the network or the store failed.
        """
        try:
            return self.dataset.read(1, window=window)
        except RasterioIOError as error:
            raise self._failure("read", error) from error

    def read_at(self, rows: np.ndarray, columns: np.ndarray, *, outside: float) -> np.ndarray:
        """The pixels at all pairs of `rows` and `columns` (ascending; size = past the last): shape (rows, columns)."""
        height, width = self.dataset.shape
        inside_rows, inside_columns = rows[rows < height], columns[columns < width]
        found = np.full((rows.size, columns.size), outside, dtype=self.dataset.dtypes[0])
        if inside_rows.size and inside_columns.size:
            top, left = inside_rows[0], inside_columns[0]
            window = Window(left, top, inside_columns[-1] - left + 1, inside_rows[-1] - top + 1)
            pixels = self.read(window)
            found[: inside_rows.size, : inside_columns.size] = pixels[np.ix_(inside_rows - top, inside_columns - left)]
        return found

    def close(self) -> None:
        """Close the handles of all threads."""
        for dataset in self._open:
            dataset.close()
        self._open.clear()
        self._of_thread = threading.local()

    def _failure(self, verb: str, error: Exception) -> Exception:
        """`input` for what stays broken, `transient` for what may pass."""
        details = str(error.__cause__ or error).strip() or type(error).__name__
        message = f"{self.name} ({self.path}) can't be {'opened' if verb == 'open' else verb}: {details}"
        # GDAL reports a missing remote file and a refused connection by different words only.
        if is_remote(self.path) and not _FINAL.search(details):
            return TransientFailure(message)
        return InputFailure(message)


def _driver(path: str) -> str:
    """The one format that `path` may have.

    Items are somebody else's, and GDAL knows formats that point to further files and hosts (VRT, WMS, …):
    those stay closed.
    """
    return "JP2OpenJPEG" if path.partition("?")[0].lower().endswith((".jp2", ".j2k")) else "GTiff"
