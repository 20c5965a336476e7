"""What a raster file says of itself, found by reading it whole: a file that was cut short does not pass."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from spectral.failures import InputFailure
from spectral.gdal_errors import GDAL_ERRORS
from spectral.grids import Grid

_ROWS = 512
# MB: what is read is read once, and GDAL would keep a twentieth of the machine's memory full of it.
_CACHE = 64
# STAC's names of data types where they are not rasterio's:
# https://github.com/radiantearth/stac-spec/blob/v1.1.0/commons/common-metadata.md#data-types
_COMPLEX = {"complex_int16": "cint16", "complex64": "cfloat32", "complex128": "cfloat64"}


@dataclass(frozen=True)
class Raster:
    """A raster file: its grid, where it lies on earth, and `bands` as STAC tells of them."""

    grid: Grid | None  # None: nowhere on earth, as a picture is
    bands: list[dict[str, Any]]


def read_raster(path: Path) -> Raster:
    """
    Raises:
        InputFailure: the file is no raster, or not whole.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.Env(GDAL_CACHEMAX=_CACHE), rasterio.open(path) as dataset:
                bands = [_band(dataset, number) for number in dataset.indexes]
                return Raster(Grid.of(dataset) if dataset.crs else None, bands)
    except (ValueError, *GDAL_ERRORS) as error:
        raise InputFailure(f"The script's file {path.name} can't be read: {error}.") from error


def _band(dataset: rasterio.DatasetReader, number: int) -> dict[str, Any]:
    kind = dataset.dtypes[number - 1]
    nodata, scale, offset = dataset.nodatavals[number - 1], dataset.scales[number - 1], dataset.offsets[number - 1]
    name, unit = dataset.descriptions[number - 1], dataset.units[number - 1]
    band = {
        "name": name or str(number),
        "data_type": _COMPLEX.get(kind, kind),
        **({"nodata": _number(nodata)} if nodata is not None else {}),
        **({"unit": unit} if unit else {}),
        **({"raster:scale": scale, "raster:offset": offset} if _is_packed(scale, offset) else {}),
    }
    statistics = _statistics(dataset, number)
    return band | ({} if kind in _COMPLEX else {"statistics": statistics})


def _statistics(dataset: rasterio.DatasetReader, number: int) -> dict[str, Any]:
    """Of the numbers as they are stored, which is what STAC means by them; of what is valid and finite."""
    count, total, squares, low, high = 0, 0.0, 0.0, math.inf, -math.inf
    for window in _strips(dataset, number):
        held = dataset.read(number, window=window, masked=True).compressed()
        if np.iscomplexobj(held):
            continue
        values = held[np.isfinite(held)].astype(np.float64)
        if values.size:
            count += values.size
            total += float(values.sum())
            squares += float(np.square(values).sum())
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    share = {"count": count, "valid_percent": round(100 * count / (dataset.width * dataset.height), 4)}
    if not count:
        return share
    mean = total / count
    try:
        deviation = max(squares / count - mean**2, 0.0) ** 0.5
    except OverflowError:
        return share
    found = {"minimum": low, "maximum": high, "mean": mean, "stddev": deviation}
    # Of numbers near the largest there is, such as a nodata that the file does not name, no sum says anything.
    return found | share if all(map(math.isfinite, found.values())) else share


def _is_packed(scale: float, offset: float) -> bool:
    return (scale, offset) != (1, 0) and math.isfinite(scale) and math.isfinite(offset)


def _strips(dataset: rasterio.DatasetReader, number: int) -> Iterator[Window]:
    """The whole width, so many rows that no block is read twice."""
    height = dataset.block_shapes[number - 1][0]
    rows = height * max(1, _ROWS // height)
    for top in range(0, dataset.height, rows):
        yield Window(0, top, dataset.width, min(rows, dataset.height - top))


def _number(nodata: float) -> float | str:
    """JSON knows no NaN; STAC writes it as a text."""
    if math.isnan(nodata):
        return "nan"
    if math.isinf(nodata):
        return "inf" if nodata > 0 else "-inf"
    # As the lowest float32, which is a whole number of 39 digits, the others are told as floats.
    return int(nodata) if abs(nodata) < 2**53 and float(nodata).is_integer() else nodata
