"""Which way a band is read: its tiles straight where that is possible and pays, by GDAL otherwise."""

from __future__ import annotations

from pathlib import Path

import rasterio
from rasterio.errors import RasterioError

from spectral import codecs
from spectral.hrefs import is_remote
from spectral.ranges import LocalFile
from spectral.reading import GdalSource, Source
from spectral.tiles import Layout, TileSource


def open_source(path: str, name: str) -> Source:
    """Open a band.

    Args:
        path: as GDAL knows it.
        name: what messages call it.

    Raises:
        InputFailure: there is no such file, or it is no raster that can be read.
        TransientFailure: the network or the store failed.
    """
    # Without imagecodecs GDAL unpacks faster than Python can.
    if codecs.FAST and not is_remote(path):
        layout = _layout(path)
        if layout:
            return TileSource(path, name, layout, LocalFile(path, name))
    return GdalSource(path, name)


def _layout(path: str) -> Layout | None:
    """A local file's; None for what is GDAL's to read, or to refuse with its own words."""
    try:
        with Path(path).open("rb") as file, rasterio.open(path, driver="GTiff", sharing=False) as dataset:
            return Layout.of(dataset, file.read(4))
    except (OSError, RasterioError):
        return None
