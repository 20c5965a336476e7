"""Packing and unpacking the tiles of GeoTIFFs.

By `imagecodecs` where it loads. Where it doesn't, zlib and numpy unpack and GDAL packs: slower, and with
other bytes of the same pixels, since every library compresses in its own way.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from spectral import loops
from spectral.failures import MISFITS

try:
    import imagecodecs

    FAST = all(codec.available for codec in (imagecodecs.DEFLATE, imagecodecs.ZSTD, imagecodecs.DELTA))
except MISFITS:
    FAST = False

# TIFF's numbers of the compressions (https://www.awaresystems.be/imaging/tiff/tifftags/compression.html).
ZSTD, DEFLATE = 50000, 8
# An index at steps of 0.0001 is mostly noise: higher levels cost much and gain nothing.
LEVEL = 1
# rasterio warns of files that lie nowhere.
_ANYWHERE = Affine(1, 0, 0, 0, -1, 1)

Encoder = Callable[[np.ndarray], bytes]


class DamagedTile(ValueError):
    """Bytes that don't unpack to a tile."""


def inflate(packed: bytes | memoryview, into: np.ndarray, *, differences: bool) -> None:
    """Unpack a tile compressed by deflate.

    Args:
        into: the tile (rows, columns; integers), to be written to.
        differences: whether the tile holds horizontal differences (TIFF's predictor 2).

    Raises:
        DamagedTile: the bytes are damaged, or too few or too many.
    """
    flat = into.reshape(-1).view(np.uint8)
    if FAST:
        try:
            unpacked = imagecodecs.deflate_decode(packed, out=flat)
        except imagecodecs.DeflateError as error:
            raise DamagedTile(str(error)) from error
        size = len(unpacked)
    else:
        unpacker = zlib.decompressobj()
        try:
            unpacked = unpacker.decompress(packed, flat.size + 1)
        except zlib.error as error:
            raise DamagedTile(str(error)) from error
        if not unpacker.eof:
            raise DamagedTile("the compressed data end too early or too late")
        size = len(unpacked)
        if size == flat.size:
            flat[:] = np.frombuffer(unpacked, np.uint8)
    if size != flat.size:
        raise DamagedTile(f"{size} bytes instead of {flat.size}")
    if differences and not loops.sum_up(into):
        if FAST:
            imagecodecs.delta_decode(into, axis=-1, out=into)
        else:
            np.add.accumulate(into, axis=-1, out=into)


def encoder(compression: int, dtype: str, tile: int) -> Encoder:
    """What packs a tile (`tile` × `tile` pixels of int16 or float32): predictor, then compression.

    Predictors as TIFF numbers them: 2 for int16, 3 for float32. The encoder may be called by any thread.
    """
    if not FAST:
        return _gdal_encoder(compression, dtype, tile)
    differences = _byte_planes if dtype == "float32" else _differences
    if compression == ZSTD:
        return lambda pixels: imagecodecs.zstd_encode(differences(pixels), level=LEVEL)
    return lambda pixels: imagecodecs.deflate_encode(differences(pixels), level=LEVEL)


def predictor(dtype: str) -> int:
    """TIFF's number of the predictor that tiles of `dtype` are packed with."""
    return 3 if dtype == "float32" else 2


def _differences(pixels: np.ndarray) -> np.ndarray:
    """TIFF's predictor 2: each pixel minus its left neighbour, modulo the type."""
    return imagecodecs.delta_encode(pixels, axis=-1, out=np.empty(pixels.shape, pixels.dtype))


def _byte_planes(pixels: np.ndarray) -> np.ndarray:
    """TIFF's predictor 3: of each row first all highest bytes, last all lowest ones, then differences of bytes."""
    rows, columns = pixels.shape
    by_byte = np.ascontiguousarray(pixels, dtype=">f4").view(np.uint8).reshape(rows, columns, 4)
    return _differences(np.ascontiguousarray(by_byte.transpose(0, 2, 1)).reshape(rows, 4 * columns))


def _gdal_encoder(compression: int, dtype: str, tile: int) -> Encoder:
    """GDAL packs a file of one tile, from which the tile is cut out."""
    options = (
        {"compress": "ZSTD", "zstd_level": LEVEL} if compression == ZSTD else {"compress": "DEFLATE", "zlevel": LEVEL}
    )

    def encode(pixels: np.ndarray) -> bytes:
        with MemoryFile() as memory:
            with memory.open(
                driver="GTiff", width=tile, height=tile, count=1, dtype=dtype, tiled=True, blockxsize=tile,
                blockysize=tile, predictor=predictor(dtype), transform=_ANYWHERE, **options,
            ) as dataset:  # fmt: skip
                dataset.write(pixels, 1)
            with memory.open() as dataset:
                first, size = (
                    int(dataset.get_tag_item(f"BLOCK_{what}_0_0", "TIFF", bidx=1)) for what in ("OFFSET", "SIZE")
                )
            return bytes(memory.getbuffer()[first : first + size])

    return encode
