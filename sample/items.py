"""The sample's STAC Items, in the shape in which Earth Search serves `sentinel-2-c1-l2a`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rasterio.warp import transform_geom

COLLECTION = "sentinel-2-c1-l2a"
EPSG = 32629
CRS = f"EPSG:{EPSG}"

_EXTENSIONS = [
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
    "https://stac-extensions.github.io/grid/v1.0.0/schema.json",
]
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"


@dataclass(frozen=True)
class _Asset:
    file: str
    title: str
    pixel_size: int
    band: dict[str, Any] | None = None


def _band(name: str, center: float, width: float) -> dict[str, Any]:
    return {"name": name, "common_name": name, "center_wavelength": center, "full_width_half_max": width}


ASSETS = {
    "blue": _Asset("B02.tif", "Blue - 10m", 10, _band("blue", 0.49, 0.098)),
    "green": _Asset("B03.tif", "Green - 10m", 10, _band("green", 0.56, 0.045)),
    "red": _Asset("B04.tif", "Red - 10m", 10, _band("red", 0.665, 0.038)),
    "nir": _Asset("B08.tif", "NIR 1 - 10m", 10, _band("nir", 0.842, 0.145)),
    "scl": _Asset("SCL.tif", "Scene classification map (SCL)", 20),
}


@dataclass(frozen=True)
class Shot:
    """One acquisition: which satellite, when, where, and how its DN and metadata treat the offset."""

    satellite: str  # S2A, S2B, S2C
    moment: str  # RFC 3339, UTC
    baseline: str
    tile: str
    west: int  # metres in EPSG:32629
    north: int
    width: int  # pixels of 10 m
    height: int
    offset: float | None = -0.1  # what raster:bands say; None: nothing
    offset_applied: bool | None = None  # earthsearch:boa_offset_applied

    @property
    def id(self) -> str:
        """As Earth Search builds it: satellite, tile, moment, level."""
        moment = self.moment[:19].replace("-", "").replace(":", "")
        return f"{self.satellite}_T{self.tile}_{moment}_L2A"

    @property
    def offset_in_pixels(self) -> bool:
        """Whether the DN hold 1000 more: since baseline 04.00, unless it was removed."""
        return self.baseline >= "04.00" and not self.offset_applied


def item_of(shot: Shot, *, href_prefix: str, cloud_cover: float, nodata_percentage: float) -> dict[str, Any]:
    """The Item of one acquisition; `href_prefix` ends in a slash."""
    geometry = _outline(shot)
    longitudes, latitudes = zip(*geometry["coordinates"][0], strict=True)
    flag = {} if shot.offset_applied is None else {"earthsearch:boa_offset_applied": shot.offset_applied}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": _EXTENSIONS,
        "id": shot.id,
        "collection": COLLECTION,
        "geometry": geometry,
        "bbox": [min(longitudes), min(latitudes), max(longitudes), max(latitudes)],
        "properties": {
            "datetime": shot.moment,
            "platform": f"sentinel-2{shot.satellite[-1].lower()}",
            "constellation": "sentinel-2",
            "instruments": ["msi"],
            "gsd": 10,
            "eo:cloud_cover": cloud_cover,
            "proj:epsg": EPSG,
            "grid:code": f"MGRS-{shot.tile}",
            "s2:processing_baseline": shot.baseline,
            "s2:nodata_pixel_percentage": nodata_percentage,
            **flag,
        },
        "links": [],
        "assets": {key: _asset(key, shot, f"{href_prefix}{shot.id}/") for key in ASSETS},
    }


def _asset(key: str, shot: Shot, folder: str) -> dict[str, Any]:
    asset = ASSETS[key]
    scale = asset.pixel_size // 10
    raster = {"nodata": 0, "data_type": "uint16", "spatial_resolution": asset.pixel_size, "scale": 0.0001}
    if shot.offset is not None:
        raster["offset"] = shot.offset
    if asset.band is None:
        raster = {"nodata": 0, "data_type": "uint8", "spatial_resolution": asset.pixel_size}
    return {
        "href": f"{folder}{asset.file}",
        "type": _COG,
        "title": asset.title,
        "roles": ["data", "reflectance"] if asset.band else ["data"],
        **({"eo:bands": [asset.band]} if asset.band else {}),
        "gsd": asset.pixel_size,
        "proj:shape": [-(-shot.height // scale), -(-shot.width // scale)],
        "proj:transform": [asset.pixel_size, 0, shot.west, 0, -asset.pixel_size, shot.north],
        "raster:bands": [raster],
    }


def _outline(shot: Shot) -> dict[str, Any]:
    east, south = shot.west + 10 * shot.width, shot.north - 10 * shot.height
    ring = [[shot.west, south], [east, south], [east, shot.north], [shot.west, shot.north], [shot.west, south]]
    return transform_geom(CRS, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]}, precision=7)


def collection_of(items: list[dict[str, Any]]) -> dict[str, Any]:
    """The collection that holds the items, as a STAC API needs it."""
    boxes = [item["bbox"] for item in items]
    moments = sorted(item["properties"]["datetime"] for item in items)
    west, south, east, north = (list(side) for side in zip(*boxes, strict=True))
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": COLLECTION,
        "title": "Sentinel-2 sample",
        "description": (
            "A real Sentinel-2 patch (of the package spyndex, MIT licence) with made-up seasons, clouds and place."
        ),
        "license": "MIT",
        "extent": {
            "spatial": {"bbox": [[min(west), min(south), max(east), max(north)]]},
            "temporal": {"interval": [[moments[0], moments[-1]]]},
        },
        "links": [],
    }
