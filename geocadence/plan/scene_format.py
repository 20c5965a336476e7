"""The form in which a scene is handed to the script: the catalogue's STAC Item, or a search result.

A search result is what SageMaker geospatial's SearchRasterDataCollection gives for a scene, in a list, as AWS's guide
writes such results to files:
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_geospatial_ItemSource.html
https://docs.aws.amazon.com/sagemaker/latest/dg/geospatial-custom-operations-procedure.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Item = dict[str, Any]

STAC_ITEM = "stac-item"
# Where a search result carries the rest of its Item, for the Item of its product.
MEMBER = "geocadence:item"

# STAC's names (https://github.com/stac-extensions/view, /eo, /landsat) of what search results tell.
_PROPERTIES = {
    "EoCloudCover": "eo:cloud_cover",
    "LandsatCloudCoverLand": "landsat:cloud_cover_land",
    "Platform": "platform",
    "ViewOffNadir": "view:off_nadir",
    "ViewSunAzimuth": "view:sun_azimuth",
    "ViewSunElevation": "view:sun_elevation",
}
_JPEG2000 = "image/jp2"
# A narrow band of near infrared: https://github.com/stac-extensions/eo#common-band-names
_NARROW = "nir08"


def search_result(item: Item) -> list[dict[str, Any]]:
    """The one scene, by the names of the service's model; what the Item does not say is left out."""
    properties = item["properties"]
    told = {name: properties[key] for name, key in _PROPERTIES.items() if properties.get(key) is not None}
    result = {
        "Id": item["id"],
        "DateTime": properties.get("datetime") or properties.get("start_datetime"),
        **_geometry(item),
        "Assets": {name: {"Href": href} for name, href in _hrefs(item["assets"]).items()},
        "Properties": told,
        MEMBER: {name: value for name, value in item.items() if name != "assets"},
    }
    return [result]


FORMS: dict[str, Callable[[Item], Any]] = {STAC_ITEM: lambda item: item, "search-result": search_result}


def _geometry(item: Item) -> dict[str, Any]:
    """The service knows polygons; what else the catalogue has goes by GeoJSON's own names of kinds."""
    geometry = item.get("geometry")
    if not isinstance(geometry, dict) or "coordinates" not in geometry:
        return {}
    return {"Geometry": {"Type": geometry.get("type"), "Coordinates": geometry["coordinates"]}}


def _hrefs(assets: dict[str, Any]) -> dict[str, str]:
    """By the catalogue's keys, and by the bands' common names where no key is called so.

    Of several assets with a band of one name the finest is taken, then what is no JPEG 2000, then the first. What has
    one band of near infrared only, such as Landsat's Collection 2, has it as `nir` too, which scripts ask for.
    """
    own = {key: asset["href"] for key, asset in assets.items() if isinstance(asset, dict) and asset.get("href")}
    by_name: dict[str, str] = {}
    for key in sorted(own, key=lambda key: _rank(assets[key])):
        for name in _common_names(assets[key]):
            by_name.setdefault(name, own[key])
    found = by_name | own
    return found | ({"nir": found[_NARROW]} if _NARROW in found and "nir" not in found else {})


def _common_names(asset: dict[str, Any]) -> Iterator[str]:
    """The common name of an asset's one band; of several bands none is the asset's."""
    for field, name in (("bands", "eo:common_name"), ("eo:bands", "common_name")):
        bands = asset.get(field)
        if isinstance(bands, list) and len(bands) == 1 and isinstance(bands[0], dict):
            found = bands[0].get(name)
            if isinstance(found, str) and found:
                yield found


def _rank(asset: dict[str, Any]) -> tuple[float, bool]:
    return _resolution(asset), asset.get("type") == _JPEG2000


def _resolution(asset: dict[str, Any]) -> float:
    """The pixels' size as far as the Item tells."""
    bands = asset.get("raster:bands")
    first = bands[0] if isinstance(bands, list) and bands and isinstance(bands[0], dict) else {}
    transform = asset.get("proj:transform")
    sizes = (
        asset.get("gsd"),
        asset.get("raster:spatial_resolution"),
        first.get("spatial_resolution"),
        abs(transform[0]) if isinstance(transform, list) and transform and _is_number(transform[0]) else None,
    )
    return next((float(size) for size in sizes if _is_number(size) and size > 0), float("inf"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
