"""A Sentinel-2 scene of any size up to a full tile, made once from a fixed seed and kept in the clone's cache.

The ground is the real patch that `spyndex` ships, mirrored and bent to the scene's size; clouds with their shadows, a
nodata wedge and noise come on top, so that files compress about as real ones do (a band of a full tile: 220 MB with its
overviews). COGs with blocks of 1024, deflate with predictor 2; SCL at 20 m; DN with the offset of baseline 04.00.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.transform import from_origin

from benchmarks.places import SCENES
from sample.items import ASSETS, CRS, Shot, item_of
from sample.land import PATCH_SIZE, mirrored, patch
from sample.weather import clouds_over, swath_edge

FULL_TILE = 10_980
BLOCK = 1024
OFFSET_DN = 1000
_SEED = 20261123
_BANDS = ("blue", "green", "red", "nir")
# DN. With it a band packs to about two thirds, as real ones do.
_NOISE = 42
_SHADOW, _VEGETATION, _BARE, _WATER, _CLOUD_MEDIUM, _CLOUD_HIGH, _CIRRUS = 3, 4, 5, 6, 8, 9, 10
_CLOUDINESS, _WEDGE = 0.12, 0.5


@dataclass(frozen=True)
class Scene:
    """A scene on disk."""

    size: int  # pixels of 10 m, along each side
    folder: Path
    shot: Shot
    shares: dict[str, float]  # percentages that the Item tells

    def item(self, *, number: int = 0, prefix: str | None = None) -> dict[str, Any]:
        """Its STAC Item. Items of other numbers have other ids and the same files; `prefix` starts their hrefs."""
        item = item_of(self.shot, href_prefix=f"{prefix or self.folder.parent.as_posix()}/", **self.shares)
        return {**item, "id": f"{item['id']}_{number}"} if number else item

    def band(self, key: str) -> Path:
        """The file of an asset."""
        return self.folder / ASSETS[key].file


def scene_of(size: int) -> Scene:
    """The scene of this size: from the cache, or made now (a full tile takes a few minutes)."""
    shot = Shot(
        "S2B", "2026-04-26T11:21:09.024Z", baseline="05.11", tile="29SNC", west=499_980, north=4_300_020,
        width=size, height=size,
    )  # fmt: skip
    root = SCENES / str(size)
    folder, stamp = root / shot.id, root / "made.json"
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    if stamp.exists() and (made := json.loads(stamp.read_text()))["digest"] == digest:
        return Scene(size, folder, shot, made["shares"])
    shutil.rmtree(root, ignore_errors=True)
    folder.mkdir(parents=True)
    shares = _make(folder, shot)
    stamp.write_text(json.dumps({"digest": digest, "shares": shares}))
    return Scene(size, folder, shot, shares)


def _make(folder: Path, shot: Shot) -> dict[str, float]:
    size = shot.width
    coarse = -(-size // 2), -(-size // 2)
    clouds = clouds_over(coarse, _CLOUDINESS, np.random.default_rng([_SEED, 0]))
    thickness, shadow = clouds.thickness.astype(np.float32), clouds.shadow
    outside = swath_edge(coarse, _WEDGE)
    classes = np.zeros(coarse, np.uint8)
    drafts = {key: folder / f"{key}.draft.tif" for key in _BANDS}
    opened = {key: rasterio.open(path, "w", **_profile(shot, np.uint16, 10)) for key, path in drafts.items()}
    for top in range(0, size, BLOCK):
        rows = slice(top, min(top + BLOCK, size))
        at_20_m = slice(top // 2, -(-rows.stop // 2))
        covered, shaded, empty = (_at_10_m(field[at_20_m], rows, size) for field in (thickness, shadow, outside))
        land = _ground(rows, size)
        for number, key in enumerate(_BANDS):
            seen = np.where(shaded, 0.45 * land[key], land[key]) * (1 - covered) + covered * (5500 + 3000 * covered)
            noise = np.random.default_rng([_SEED, 1, number, top]).standard_normal(seen.shape, np.float32)
            numbers = np.clip(np.rint(seen + _NOISE * noise) + OFFSET_DN, 1, 65_534).astype(np.uint16)
            numbers[empty] = 0
            opened[key].write(numbers, 1, window=((rows.start, rows.stop), (0, size)))
        classes[at_20_m] = _classes(land, thickness[at_20_m], shadow[at_20_m])
    classes[outside] = 0
    for key, dataset in opened.items():
        dataset.close()
        _to_cog(drafts[key], folder / ASSETS[key].file, resampling="average")
    draft = folder / "scl.draft.tif"
    with rasterio.open(draft, "w", **_profile(shot, np.uint8, 20)) as dataset:
        dataset.write(classes, 1)
    _to_cog(draft, folder / ASSETS["scl"].file, resampling="nearest")
    cloudy = np.isin(classes, (_CLOUD_MEDIUM, _CLOUD_HIGH, _CIRRUS))
    return {
        "cloud_cover": round(float(100 * np.count_nonzero(cloudy) / max(1, np.count_nonzero(~outside))), 6),
        "nodata_percentage": round(float(100 * np.count_nonzero(outside) / outside.size), 6),
    }


def _ground(rows: slice, size: int) -> dict[str, np.ndarray]:
    """DN without offset of some rows of the land: the patch, mirrored, bent so that mirrors don't show, and lit."""
    down = np.arange(rows.start, rows.stop, dtype=np.float32)[:, np.newaxis]
    right = np.arange(size, dtype=np.float32)[np.newaxis]
    place_down = down + 41 * np.sin(right / 173 + down / 389) + 17 * np.sin(down / 67 - right / 131)
    place_right = right + 43 * np.sin(down / 191 - right / 419) + 13 * np.sin(right / 59 + down / 113)
    lit = 1 + 0.12 * np.sin(down / 1013 + right / 1511) + 0.05 * np.sin(right / 317 - down / 271)
    at = mirrored(place_down, PATCH_SIZE), mirrored(place_right, PATCH_SIZE)
    return {key: band.astype(np.float32)[at] * 10_000 * lit for key, band in zip(_BANDS, patch(), strict=True)}


def _classes(land: dict[str, np.ndarray], thickness: np.ndarray, shadow: np.ndarray) -> np.ndarray:
    red, nir = land["red"][::2, ::2], land["nir"][::2, ::2]
    classes = np.where(nir - red > 0.35 * (nir + red), _VEGETATION, np.where(nir < 500, _WATER, _BARE))
    classes[shadow] = _SHADOW
    for least, code in ((0.05, _CIRRUS), (0.25, _CLOUD_MEDIUM), (0.6, _CLOUD_HIGH)):
        classes[thickness > least] = code
    return classes.astype(np.uint8)


def _at_10_m(field: np.ndarray, rows: slice, size: int) -> np.ndarray:
    return field.repeat(2, axis=0)[: rows.stop - rows.start].repeat(2, axis=1)[:, :size]


def _profile(shot: Shot, dtype: type, pixel_size: int) -> dict[str, Any]:
    side = -(-shot.width * 10 // pixel_size)
    return {
        "driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": np.dtype(dtype).name, "nodata": 0,
        "crs": rasterio.CRS.from_string(CRS), "transform": from_origin(shot.west, shot.north, pixel_size, pixel_size),
    }  # fmt: skip


def _to_cog(draft: Path, path: Path, *, resampling: str) -> None:
    rasterio.shutil.copy(
        draft, path, driver="COG", compress="deflate", predictor="standard", blocksize=BLOCK,
        overview_resampling=resampling, num_threads="all_cpus",
    )  # fmt: skip
    draft.unlink()
