"""Opening and reading rasters, near and far, and telling a bad raster from a bad moment."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

import numpy as np
import rasterio
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.windows import Window

from spectral.failures import InputFailure, TransientFailure
from spectral.hrefs import is_remote

# https://gdal.org/en/stable/user/configoptions.html
_OPTIONS = {
    # One look at the file instead of a listing of its folder.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_CACHEMAX": "128",  # MB
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    # Less than 1 kB/s for 60 s is a dead connection.
    "GDAL_HTTP_LOW_SPEED_TIME": "60",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",
    # What failed once would otherwise be remembered as missing, and a retry would fail unasked.
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/:/vsis3/:/vsigs/:/vsiaz/:/vsiadls/",
    "GDAL_PAM_ENABLED": "NO",
}
_FINAL = re.compile(r"\b(400|401|403|404|410)\b|not recognized|No such file|does not exist|AccessDenied|NoSuch", re.I)


def gdal_options(environment: Mapping[str, str]) -> dict[str, str]:
    """Environment variables that configure GDAL, where `environment` doesn't have them already.

    Variables, because options that rasterio sets reach one thread only. AWS's own variables for another
    endpoint and its certificates (https://docs.aws.amazon.com/sdkref/) are passed on under GDAL's names.
    """
    options = dict(_OPTIONS)
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    if endpoint:
        parts = urlsplit(endpoint)
        options["AWS_S3_ENDPOINT"] = parts.netloc
        options["AWS_HTTPS"] = "YES" if parts.scheme == "https" else "NO"
        options["AWS_VIRTUAL_HOSTING"] = "FALSE"
    if certificates := environment.get("AWS_CA_BUNDLE"):
        options["CURL_CA_BUNDLE"] = certificates
    return {name: value for name, value in options.items() if name not in environment}


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
