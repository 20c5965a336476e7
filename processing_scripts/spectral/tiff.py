"""The layout of a Cloud Optimized GeoTIFF: everything in front of the first tile.

GDAL knows how a coordinate system, a scale or a description are written down; so it writes a file of one
pixel, whose tags are taken over. The order is that of GDAL's COG driver
(https://gdal.org/en/stable/drivers/raster/cog.html): all directories, then the tiles of the smallest
overview, …, last those of the full resolution; each tile between its size and its last four bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from rasterio.io import MemoryFile

_STRUCTURE = (
    "LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    "BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
)
_GHOST = f"GDAL_STRUCTURAL_METADATA_SIZE={len(_STRUCTURE):06d} bytes\n{_STRUCTURE}".encode()

_SHORT, _LONG, _LONG8 = 3, 4, 16
_SIZES = {1: 1, 2: 1, _SHORT: 2, _LONG: 4, 5: 8, 7: 1, 12: 8, _LONG8: 8}
(
    _SUBFILE, _WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT, _OFFSETS, _COUNTS,
) = 254, 256, 257, 322, 323, 324, 325  # fmt: skip
# Where it lies and what it means is said once, by the full resolution.
_NOT_OF_OVERVIEWS = {33550, 33922, 34264, 34735, 34736, 34737, 42112}
# Classic TIFF counts in 32 bits.
_CLASSIC_LIMIT = 2**32 - 2**20


class Tag(NamedTuple):
    """One entry of a directory."""

    type: int
    count: int
    data: bytes


@dataclass(frozen=True)
class Image:
    """The full resolution or an overview: its size, and how many bytes each tile has (rows, columns of tiles)."""

    width: int
    height: int
    tile: int
    sizes: np.ndarray


def template(*, tags: dict[str, str], description: str, scale: float | None, **profile) -> dict[int, Tag]:
    """The tags that GDAL gives a file of such a profile (crs, transform, dtype, nodata, compress, …)."""
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", width=1, height=1, count=1, tiled=True, sparse_ok=True, **profile) as dataset:
            dataset.set_band_description(1, description)
            dataset.update_tags(**tags)
            if scale is not None:
                dataset.scales, dataset.offsets = (scale,), (0.0,)
        return _read_directory(bytes(memory.getbuffer()))


def header(tags: dict[int, Tag], images: list[Image]) -> tuple[bytes, list[np.ndarray]]:
    """The bytes before the first tile's leader, and for each image the places of its tiles in the file.

    Args:
        tags: of the full resolution, as `template` gave them.
        images: the full resolution first, then ever smaller overviews.
    """
    data = sum(int(image.sizes.sum()) + 8 * image.sizes.size for image in images)
    big = data > _CLASSIC_LIMIT
    # The lengths of the directories don't depend on what the offsets are.
    blank = [np.zeros(image.sizes.shape, np.uint64) for image in images]
    place = len(_written(tags, images, blank, big=big))
    offsets: list[np.ndarray] = []
    for image in reversed(images):
        steps = image.sizes.reshape(-1).astype(np.uint64) + np.uint64(8)
        starts = np.concatenate([[0], np.cumsum(steps)]).astype(np.uint64) + np.uint64(place)
        place = int(starts[-1])
        offsets.insert(0, (starts[:-1] + np.uint64(4)).reshape(image.sizes.shape))
    return _written(tags, images, offsets, big=big), offsets


def _written(tags: dict[int, Tag], images: list[Image], offsets: list[np.ndarray], *, big: bool) -> bytes:
    start = 16 if big else 8
    first = start + len(_GHOST)
    first += first % 2
    signature = struct.pack("<2sHHHQ", b"II", 43, 8, 0, first) if big else struct.pack("<2sHI", b"II", 42, first)
    written = bytearray(signature + _GHOST)
    written += bytes(first - len(written))
    for number, (image, places) in enumerate(zip(images, offsets, strict=True)):
        directory = _directory(tags, image, places, overview=number > 0, big=big)
        _append(written, directory, last=number + 1 == len(images), big=big)
    return bytes(written)


def _directory(tags: dict[int, Tag], image: Image, offsets: np.ndarray, *, overview: bool, big: bool) -> dict[int, Tag]:
    found = {code: tag for code, tag in tags.items() if not (overview and code in _NOT_OF_OVERVIEWS)}
    if overview:
        found[_SUBFILE] = _tag(_LONG, [1])
    found[_WIDTH], found[_HEIGHT] = _tag(_LONG, [image.width]), _tag(_LONG, [image.height])
    found[_TILE_WIDTH] = found[_TILE_HEIGHT] = _tag(_SHORT, [image.tile])
    found[_OFFSETS] = _tag(_LONG8 if big else _LONG, offsets.reshape(-1))
    found[_COUNTS] = _tag(_LONG, image.sizes.reshape(-1))
    return dict(sorted(found.items()))


def _tag(kind: int, values) -> Tag:
    dtype = {_SHORT: "<u2", _LONG: "<u4", _LONG8: "<u8"}[kind]
    array = np.asarray(values).astype(dtype)
    return Tag(kind, array.size, array.tobytes())


def _append(written: bytearray, directory: dict[int, Tag], *, last: bool, big: bool) -> None:
    count, entry, pointer = ("<Q", "<HHQ", "<Q") if big else ("<H", "<HHI", "<I")
    inline = struct.calcsize(pointer)
    size = struct.calcsize(count) + len(directory) * (struct.calcsize(entry) + inline) + inline
    behind = bytearray()
    beyond = len(written) + size  # where long values go
    written += struct.pack(count, len(directory))
    for code, tag in directory.items():
        written += struct.pack(entry, code, tag.type, tag.count)
        if len(tag.data) <= inline:
            written += tag.data.ljust(inline, b"\0")
        else:
            written += struct.pack(pointer, beyond + len(behind))
            behind += tag.data + bytes(len(tag.data) % 2)
    written += struct.pack(pointer, 0 if last else beyond + len(behind))
    written += behind


def _read_directory(content: bytes) -> dict[int, Tag]:
    """The first directory of a classic little-endian TIFF, as GDAL writes small files here."""
    (start,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, start)
    found = {}
    for place in range(start + 2, start + 2 + 12 * count, 12):
        code, kind, number = struct.unpack_from("<HHI", content, place)
        size = _SIZES[kind] * number
        (pointer,) = struct.unpack_from("<I", content, place + 8)
        first = place + 8 if size <= 4 else pointer
        found[code] = Tag(kind, number, content[first : first + size])
    return found
