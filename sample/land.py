"""The ground under the sample's scenes: a real patch, stretched to a scene, with a year of farming on it.

Reflectances are shares of 1, arrays are (rows, columns) at 10 m.
"""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path

import numpy as np

from sample.weather import smooth_noise

_SEED = 1973  # of the map, which is the same on every date
PATCH_SIZE = 300
_PARCEL = 46  # pixels across, roughly
# Reflectance of a dense crop and of dry stubble.
_CROP = {"blue": 0.028, "green": 0.062, "red": 0.034, "nir": 0.43}
_STUBBLE = {"blue": 0.085, "green": 0.125, "red": 0.185, "nir": 0.265}

# How green each kind of field is, January to December: rain-fed cereals, pasture, irrigated summer crops, fallow.
_YEAR = {
    "cereals": (0.45, 0.65, 0.9, 1.0, 0.55, 0.1, 0.0, 0.0, 0.0, 0.0, 0.1, 0.3),
    "pasture": (0.5, 0.55, 0.6, 0.55, 0.3, 0.1, 0.0, 0.0, 0.0, 0.1, 0.35, 0.45),
    "irrigated": (0.1, 0.0, 0.0, 0.2, 0.6, 0.95, 1.0, 0.9, 0.45, 0.1, 0.0, 0.1),
    "fallow": (0.0,) * 12,
}
_SHARES = {"cereals": 0.34, "pasture": 0.36, "irrigated": 0.1, "fallow": 0.2}


def ground(*, west: int, north: int, shape: tuple[int, int], month: int) -> dict[str, np.ndarray]:
    """Reflectance by band name; `west` and `north` in pixels place the scene on the map."""
    rows, columns = _places(west, north, shape)
    blue, green, red, nir = (band[rows, columns] for band in patch())
    bands = {"blue": blue, "green": green, "red": red, "nir": nir}
    ndvi = (nir - red) / (nir + red)
    # 1 in open fields, 0 in woods, soft between.
    field = np.clip((0.62 - ndvi) / 0.2, 0, 1)
    greenness, vigour = _parcels(west, north, shape, month)
    crop = greenness * (0.75 + 0.25 * vigour) * field
    # What is not green dries up from June to September.
    stubble = (1 - greenness) * (0.55 if 6 <= month <= 9 else 0.1) * (0.5 + 0.5 * vigour) * field
    texture = 0.7 + 0.3 * nir / np.mean(nir)
    return {
        key: values * (1 - crop) * (1 - stubble)
        + crop * _CROP[key] * texture
        + (1 - crop) * stubble * _STUBBLE[key] * texture
        for key, values in bands.items()
    }


@cache
def patch() -> np.ndarray:
    """The patch that spyndex ships: reflectance (4, 300, 300), in the order blue, green, red, nir."""
    # Read as a file: importing spyndex takes seconds.
    (package,) = importlib.util.find_spec("spyndex").submodule_search_locations
    return np.array(json.loads((Path(package) / "data" / "S2_10m.json").read_text())) / 10_000


@cache
def _places(west: int, north: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Which pixel of the patch lies where: mirrored at its edges, and bent so that mirrors don't show."""
    random = np.random.default_rng([_SEED, west, north])
    bend = [36 * smooth_noise(shape, random, octaves=2) for _ in range(2)]
    rows, columns = np.indices(shape)
    return mirrored(rows + 140 + bend[0], PATCH_SIZE), mirrored(columns + 90 + bend[1], PATCH_SIZE)


def mirrored(place: np.ndarray, size: int) -> np.ndarray:
    """Places on a line as indices 0 … size − 1, size − 1 … 0, 0 …: without a seam."""
    place = np.rint(place).astype(int) % (2 * size)
    return np.where(place < size, place, 2 * size - 1 - place)


def _parcels(west: int, north: int, shape: tuple[int, int], month: int) -> tuple[np.ndarray, np.ndarray]:
    """Greenness and vigour (0 to 1) of the fields: cells around points of a shaken grid."""
    number = _nearest_parcel(west, north, shape)
    random = np.random.default_rng([_SEED, west, north, 1])
    count = int(number.max()) + 1
    kind = random.choice(len(_SHARES), size=count, p=list(_SHARES.values()))
    vigour = random.random(count)
    year = np.array([_YEAR[name][month - 1] for name in _SHARES])
    return year[kind][number], vigour[number]


@cache
def _nearest_parcel(west: int, north: int, shape: tuple[int, int]) -> np.ndarray:
    random = np.random.default_rng([_SEED, west, north, 2])
    across = [size // _PARCEL + 3 for size in shape]
    shaken = random.uniform(0.1, 0.9, (2, *across))
    rows, columns = np.indices(shape)
    # Parcels are longer than wide.
    row, column = rows // _PARCEL + 1, columns // _PARCEL + 1
    best = np.full(shape, np.inf)
    number = np.zeros(shape, dtype=int)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            cell = row + down, column + right
            distance = np.maximum(
                np.abs((cell[0] - 1 + shaken[0][cell]) * _PARCEL - rows) * 1.3,
                np.abs((cell[1] - 1 + shaken[1][cell]) * _PARCEL - columns),
            )
            nearer = distance < best
            best[nearer] = distance[nearer]
            number[nearer] = (cell[0] * across[1] + cell[1])[nearer]
    return number
