"""Which way a band is read: its tiles straight where that is possible and pays, by GDAL otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rasterio

from spectral import codecs
from spectral.failures import InputFailure, SceneFailure, TransientFailure
from spectral.gdal_errors import GDAL_ERRORS
from spectral.hrefs import gdal_path, hrefs_of, is_remote
from spectral.ranges import LocalFile
from spectral.reading import GdalSource, Source
from spectral.tiles import Layout, TileSource

if TYPE_CHECKING:
    from spectral.remote import Fetcher

_HTTP = "/vsicurl/"


def open_asset(asset: dict[str, Any], base: Path, name: str, fetcher: Callable[[], Fetcher]) -> Source:
    """Open an asset at its href, or where that fails at the first of its alternates that opens.

    Landsat's hrefs lead to a login; what a program can read are their alternates in S3.

    Args:
        base: the folder that relative hrefs are relative to.
        name, fetcher: as of `open_source`.

    Raises:
        InputFailure: it can be had nowhere.
        TransientFailure: nowhere for the moment.
    """
    failures: list[SceneFailure] = []
    for href in hrefs_of(asset):
        try:
            return open_source(gdal_path(href, base), name, fetcher)
        except SceneFailure as error:
            failures.append(error)
    first, *others = failures
    if not others:
        raise first
    may_pass = any(isinstance(error, TransientFailure) for error in failures)
    told = " ".join(f"Its alternate: {str(error).rstrip('.')}." for error in others)
    raise (TransientFailure if may_pass else InputFailure)(f"{str(first).rstrip('.')}. {told}") from others[-1]


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
