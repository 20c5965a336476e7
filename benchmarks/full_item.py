"""What an Item of Earth Search's Sentinel-2 collection has beside its id, time and place: as many members, as deep.

Its assets are each a COG and, once more, the JPEG 2000 that it was made from; with bands, grids and values of pixels.
"""

from __future__ import annotations

from typing import Any

# name, band, title, centre and width of the wavelength in micrometres, pixel size in metres
_BANDS = (
    ("coastal", "B01", "Coastal aerosol (band 1)", 0.443, 0.027, 60),
    ("blue", "B02", "Blue (band 2)", 0.49, 0.098, 10),
    ("green", "B03", "Green (band 3)", 0.56, 0.045, 10),
    ("red", "B04", "Red (band 4)", 0.665, 0.038, 10),
    ("rededge1", "B05", "Red edge 1 (band 5)", 0.704, 0.019, 20),
    ("rededge2", "B06", "Red edge 2 (band 6)", 0.74, 0.018, 20),
    ("rededge3", "B07", "Red edge 3 (band 7)", 0.783, 0.028, 20),
    ("nir", "B08", "NIR 1 (band 8)", 0.842, 0.145, 10),
    ("nir08", "B8A", "NIR 2 (band 8A)", 0.865, 0.033, 20),
    ("nir09", "B09", "NIR 3 (band 9)", 0.945, 0.026, 60),
    ("swir16", "B11", "SWIR 1 (band 11)", 1.61, 0.143, 20),
    ("swir22", "B12", "SWIR 2 (band 12)", 2.19, 0.242, 20),
)
_LAYERS = (
    ("aot", "AOT", "Aerosol optical thickness (AOT)", 20),
    ("scl", "SCL", "Scene classification map (SCL)", 20),
    ("wvp", "WVP", "Water vapour (WVP)", 20),
)
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_HOST = "https://example.com/sentinel-s2-l2a-cogs/29/S/NB/2026/1"
_API = "https://example.com/v1"
_CLASSES = ("dark_features", "cloud_shadow", "vegetation", "not_vegetated", "water", "unclassified", "snow_ice")
_CLOUDS = ("medium_proba_clouds", "high_proba_clouds", "thin_cirrus")
_EXTENSIONS = ("eo", "file", "grid", "mgrs", "processing", "projection", "raster", "sentinel-2", "view")


def assets(scene: str, *, file_size: int) -> dict[str, Any]:
    folder = f"{_HOST}/{scene}"
    cogs = {name: asset | {"file:size": file_size} for name, asset in _rasters(f"{folder}/", ".tif", _COG).items()}
    sources = _rasters(f"s3://sentinel-s2-l2a/tiles/29/S/NB/2026/1/1/{scene}/", ".jp2", "image/jp2")
    return {
        **cogs,
        "thumbnail": _file(f"{folder}/thumbnail.jpg", "image/jpeg", "Thumbnail image", "thumbnail"),
        "granule_metadata": _file(f"{folder}/granule_metadata.xml", "application/xml", "Granule metadata", "metadata"),
        "tileinfo_metadata": _file(f"{folder}/tileinfo.json", "application/json", "Tile information", "metadata"),
        **{f"{name}-jp2": asset for name, asset in sources.items()},
    }


def links(scene: str) -> list[dict[str, Any]]:
    collection = f"{_API}/collections/sentinel-2-c1-l2a"
    stored = f"s3://sentinel-cogs/sentinel-s2-l2a-cogs/29/S/NB/2026/1/{scene}/{scene}.json"
    return [
        {"rel": "self", "href": f"{collection}/items/{scene}", "type": "application/geo+json"},
        {"rel": "canonical", "href": stored, "type": "application/json"},
        {"rel": "license", "href": "https://example.com/documents/247904/690755/Sentinel_Data_Legal_Notice"},
        {"rel": "derived_from", "href": f"{collection[:-1]}1c/items/{scene}", "type": "application/geo+json"},
        {"rel": "parent", "href": collection, "type": "application/json"},
        {"rel": "collection", "href": collection, "type": "application/json"},
        {"rel": "root", "href": _API, "type": "application/json", "title": "An API of the benchmarks"},
        {"rel": "thumbnail", "href": f"{collection}/items/{scene}/thumbnail"},
    ]


def properties(scene: str) -> dict[str, Any]:
    return {
        "created": "2026-01-01T15:42:10.537Z",
        "updated": "2026-01-01T15:42:10.537Z",
        "platform": "sentinel-2b",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": 4.025136,
        "proj:epsg": 32629,
        "mgrs:utm_zone": 29,
        "mgrs:latitude_band": "S",
        "mgrs:grid_square": "NB",
        "grid:code": "MGRS-29SNB",
        "view:sun_azimuth": 72.5914543525993,
        "view:sun_elevation": 69.8613692052989,
        "s2:degraded_msi_data_percentage": 0,
        "s2:nodata_pixel_percentage": 0,
        "s2:saturated_defective_pixel_percentage": 0,
        **{f"s2:{name}_percentage": 13.424315 for name in (*_CLASSES, *_CLOUDS)},
        "s2:product_type": "S2MSI2A",
        "s2:product_uri": f"{scene}_MSIL2A_20260101T070631_N0511_R106_T29SNB_20260101T113955.SAFE",
        "s2:generation_time": "2026-01-01T11:39:55.000000Z",
        "s2:datatake_type": "INS-NOBS",
        "s2:datastrip_id": f"{scene}_OPER_MSI_L2A_DS_2BPS_20260101T113955_S20260101T071848_N05.11",
        "s2:granule_id": f"{scene}_OPER_MSI_L2A_TL_2BPS_20260101T113955_A041859_T29SNB_N05.11",
        "s2:reflectance_conversion_factor": 0.967915542603869,
        "s2:sequence": "0",
        "earthsearch:s3_path": f"s3://sentinel-cogs/sentinel-s2-l2a-cogs/29/S/NB/2026/1/{scene}",
        "earthsearch:payload_id": "roda-sentinel2/workflow-sentinel2-to-stac/08df7afa5bd2122b76659edafeca15e5",
        "earthsearch:boa_offset_applied": True,
        "processing:software": {"sentinel2-to-stac": "0.1.0"},
    }


EXTENSIONS = [f"https://stac-extensions.github.io/{name}/v1.0.0/schema.json" for name in _EXTENSIONS]


def _rasters(folder: str, suffix: str, media: str) -> dict[str, Any]:
    made = {}
    for name, band, title, centre, width, size in _BANDS:
        bands = [_band(name, title, centre, width)]
        values = [_values(size, scale=0.0001, offset=-0.1)]
        made[name] = _raster(f"{folder}{band}{suffix}", media, f"{title} - {size}m", size) | {
            "eo:bands": bands,
            "gsd": size,
            "raster:bands": values,
            "roles": ["data", "reflectance"],
        }
    for name, layer, title, size in _LAYERS:
        values = [_values(size, scale=0.001, offset=0)]
        made[name] = _raster(f"{folder}{layer}{suffix}", media, title, size) | {
            "raster:bands": values,
            "roles": ["data"],
        }
    colours = [_band(name, title, centre, width) for name, _, title, centre, width, _ in _BANDS[3:0:-1]]
    visual = {"eo:bands": colours, "roles": ["visual"]}
    return made | {"visual": _raster(f"{folder}TCI{suffix}", media, "True color image", 10) | visual}


def _raster(href: str, media: str, title: str, size: int) -> dict[str, Any]:
    shape, transform = [109_800 // size] * 2, [size, 0, 499_980, 0, -size, 4_300_020]
    return {"href": href, "type": media, "title": title, "proj:shape": shape, "proj:transform": transform}


def _band(name: str, title: str, centre: float, width: float) -> dict[str, Any]:
    told = {"name": name, "common_name": name, "description": title}
    return told | {"center_wavelength": centre, "full_width_half_max": width}


def _values(size: int, *, scale: float, offset: float) -> dict[str, Any]:
    stored = {"nodata": 0, "data_type": "uint16", "bits_per_sample": 15, "spatial_resolution": size}
    return stored | {"scale": scale, "offset": offset}


def _file(href: str, media: str, title: str, role: str) -> dict[str, Any]:
    return {"href": href, "type": media, "title": title, "roles": [role]}
