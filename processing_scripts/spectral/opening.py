"""Which way a band is read: its tiles straight where that is possible and pays, by GDAL otherwise."""

from __future__ import annotations

from pathlib import Path

import rasterio
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from spectral import codecs
from spectral.failures import InputFailure, TransientFailure
from spectral.hrefs import is_remote
from spectral.http_client import NoRanges
from spectral.ranges import LocalFile
from spectral.reading import GdalSource, Source
from spectral.remote import Fetcher, RemoteFile
from spectral.tiles import Layout, TileSource

_HTTP = "/vsicurl/"
# Holds the directories of a COG of a tile's size, whatever its blocks.
_HEADER = 1 << 16


def open_source(path: str, name: str, fetcher: Fetcher) -> Source:
    """Open a band.

    Args:
        path: as GDAL knows it.
        name: what messages call it.

    Raises:
        InputFailure: there is no such file, or it is no raster that can be read.
        TransientFailure: the network or the store failed.
    """
    if path.startswith(_HTTP):
        url = path.removeprefix(_HTTP)
        layout = _remote_layout(url, name, fetcher) if fetcher.client.can_ask(url) else None
        if layout:
            return TileSource(path, name, layout, RemoteFile(url, name, fetcher))
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
    except (OSError, RasterioError):
        return None


def _remote_layout(url: str, name: str, fetcher: Fetcher) -> Layout | None:
    """The same of a far file, whose first bytes GDAL gets to see."""
    try:
        header = fetcher.client.get(url, 0, _HEADER).content
    except NoRanges:
        return None
    except (InputFailure, TransientFailure) as error:
        raise type(error)(f"{name} ({url}) can't be opened: {error}.") from error
    try:
        with MemoryFile(header) as memory, memory.open(driver="GTiff", sharing=False) as dataset:
            layout = Layout.of(dataset, header[:4])
    except (RasterioError, ValueError):
        return None
    # A tile left out looks as one whose entry lies beyond the header.
    return layout if layout and layout.places[..., 1].all() else None
