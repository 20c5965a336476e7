"""Which way a band is read: its tiles straight where that is possible and pays, by GDAL otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import rasterio

from spectral import codecs
from spectral.gdal_errors import GDAL_ERRORS
from spectral.hrefs import is_remote
from spectral.ranges import LocalFile
from spectral.reading import GdalSource, Source
from spectral.tiles import Layout, TileSource

if TYPE_CHECKING:
    from spectral.remote import Fetcher

_HTTP = "/vsicurl/"


def open_source(path: str, name: str, fetcher: Callable[[], Fetcher]) -> Source:
    """Open a band.

    Args:
        path: as GDAL knows it.
        name: what messages call it.
        fetcher: gives the connections; not called for what is near.

    Raises:
        InputFailure: there is no such file, or it is no raster that can be read.
        TransientFailure: the network or the store failed.
    """
    if path.startswith(_HTTP):
        # With Python's HTTP, which takes a tenth of the whole start to import.
        from spectral.remote import open_remote

        if found := open_remote(path.removeprefix(_HTTP), path, name, fetcher()):
            return found
    # Without imagecodecs GDAL unpacks faster than Python can; over the network that matters less.
    elif codecs.FAST and not is_remote(path):
        layout = _local_layout(path)
        if layout:
            return TileSource(path, name, layout, LocalFile(path, name))
    return GdalSource(path, name)


def _local_layout(path: str) -> Layout | None:
    """None for what is GDAL's to read, or to refuse with its own words."""
    try:
        with Path(path).open("rb") as file, rasterio.open(path, driver="GTiff", sharing=False) as dataset:
            return Layout.of(dataset, file.read(4))
    except (OSError, OverflowError, *GDAL_ERRORS):
        return None
