"""The STAC Item of a scene's files: what they are and of which scene; not what the script did, which nobody told."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cataloguing.rasters import Raster, read_raster
from spectral.footprint import footprint, outline
from spectral.grids import Grid
from spectral.item import assembled, carried_over, file_fields, projection
from spectral.moments import moments_of

# By the end of the file's name; what else there is goes without a type.
_TYPES = {
    ".csv": "text/csv",
    ".fgb": "application/vnd.flatgeobuf",
    ".geojson": "application/geo+json",
    ".gpkg": "application/geopackage+sqlite3",
    ".h5": "application/x-hdf5",
    ".html": "text/html",
    ".jp2": "image/jp2",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".nc": "application/netcdf",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".txt": "text/plain",
    ".webp": "image/webp",
    ".xml": "application/xml",
}
_RASTERS = ("image/tiff", "image/jp2")
_PICTURES = ("image/png", "image/jpeg", "image/webp")
# Of a scene's width and height: an outline made of four corners bulges less than this beside its edges.
_MARGIN = 0.02


@dataclass(frozen=True)
class File:
    """A file of a scene's product: where it lies, and its name in the scene's folder."""

    path: Path
    name: str


@dataclass(frozen=True)
class Script:
    """The script that wrote the files, and a digest of its code."""

    name: str
    digest: str


def item_of_files(
    source: dict[str, Any], files: list[File], *, scene_id: str, script: Script, collection: str | None
) -> dict[str, Any]:
    """The product's Item (STAC 1.1), a pure function of the scene, the files and the script.

    Raises:
        InputFailure: a raster that can't be read.
    """
    rasters = {file.name: read_raster(file.path) for file in files if _type(file.name) in (*_RASTERS, *_PICTURES)}
    keys = asset_keys([file.name for file in files], scene_id)
    assets = {keys[file.name]: _asset(file, rasters.get(file.name)) for file in files}
    grids = [raster.grid for raster in rasters.values() if raster.grid]
    geometry, bbox = _footprint(source, grids)
    properties = {
        **moments_of(source["properties"]),
        **carried_over(source["properties"]),
        "processing:lineage": f"Files that {script.name} left for {scene_id}, catalogued as they are.",
        "processing:software": {script.name: script.digest},
    }
    return assembled(source, scene_id, geometry, bbox, properties=properties, assets=assets, collection=collection)


def asset_keys(names: list[str], scene_id: str) -> dict[str, str]:
    """A key for each file: its name without the scene's id and what comes after the first dot, where that is enough.

    `ndvi_<id>.tif` and `ndvi/<id>.tif` are `ndvi`, `<id>.tif` is `data`; `ndvi_<id>.tif` beside `ndvi_<id>.png` are
    `ndvi_tif` and `ndvi_png`. Keys differ by more than case, which not every reader of tables tells apart.
    """
    short = {name: _without(name.replace("/", "_"), scene_id) for name in names}
    for key_of in (
        lambda name: short[name].partition(".")[0] or "data",
        lambda name: short[name].replace(".", "_").strip("_") or "data",
        lambda name: name,
    ):
        keys = {name: key_of(name) for name in names}
        if len({key.lower() for key in keys.values()}) == len(names):
            break
    return keys


def _without(name: str, scene_id: str) -> str:
    """The name without the id, wherever it is, and without the separators that were around it."""
    left = (part.strip("_-") for part in name.split(scene_id))
    return "_".join(part for part in left if part).replace("_.", ".")


def _asset(file: File, raster: Raster | None) -> dict[str, Any]:
    media_type, grid = _type(file.name), raster.grid if raster else None
    is_picture = media_type in _PICTURES and grid is None
    if media_type == "image/tiff" and grid:
        media_type = "image/tiff; application=geotiff"
    return {
        "href": f"./{quote(file.name)}",
        **({"type": media_type} if media_type else {}),
        "roles": ["overview" if is_picture else "data"],
        **({"bands": raster.bands} if raster and not is_picture else {}),
        **(projection(grid) if grid else {}),
        **file_fields(file.path, _sha256(file.path)),
    }


def _footprint(source: dict[str, Any], grids: list[Grid]) -> tuple[dict[str, Any] | None, list[float] | None]:
    """The scene's own, where the first raster covers it; else that one's outline: the script may have cut it."""
    scene, its_box = footprint(source, grids[0] if grids else None)
    rectangle = outline(grids[0]) if grids else None
    if rectangle is None or its_box is None:
        return scene, its_box
    longitudes, latitudes = zip(*rectangle["coordinates"][0], strict=True)
    box = [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]
    return (scene, its_box) if _covers(box, its_box) else (rectangle, box)


def _covers(box: list[float], other: list[float]) -> bool:
    middle = len(other) // 2
    west, south, east, north = *other[:2], *other[middle : middle + 2]
    across, up = _MARGIN * (east - west), _MARGIN * (north - south)
    return box[0] <= west + across and box[1] <= south + up and box[2] >= east - across and box[3] >= north - up


def _type(name: str) -> str | None:
    return _TYPES.get(Path(name).suffix.lower())


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
