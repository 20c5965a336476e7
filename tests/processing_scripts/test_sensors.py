"""Each sensor's products are read by its own conventions: bands, scale, offset, nodata and mask.

The items are cut down to what the catalogues' own say (keys, common names, raster fields); the expected values are
plain float64 of the sensor's published scale and offset.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spectral.bands import find_band
from spectral.failures import InputFailure
from spectral.mask import parse_mask
from spectral.radiometry import decide
from spectral.sensors import HLS_L30, HLS_S30, LANDSAT_OLI, LANDSAT_TM, OTHER, SENTINEL2, sensor_of

from tests.processing_scripts.factory import MOMENT, Folder, write

LANDSAT_BAND = {"raster:bands": [{"nodata": 0, "data_type": "uint16", "scale": 2.75e-05, "offset": -0.2}]}


def named(name: str, common: str | None = None, **more: Any) -> dict[str, Any]:
    """An asset's `eo:bands`, and whatever else it says."""
    return {"eo:bands": [{"name": name, **({"common_name": common} if common else {})}], **more}


@dataclass
class Catalogue:
    """How one catalogue describes one sensor's scenes; `bands` by asset key: (what to store, what the asset says)."""

    id: str
    properties: dict[str, Any]
    bands: dict[str, tuple[str, dict[str, Any]]]
    mask: str | None
    collection: str | None = None
    more: dict[str, Any] = field(default_factory=dict)


CATALOGUES = {
    # Both bands' own items; `nir08` is there too, and must not be taken.
    "Earth Search sentinel-2-l2a": (
        SENTINEL2,
        (1e-4, 0.0),
        Catalogue(
            "S2A_39QTA_20230628_0_L2A",
            {"platform": "sentinel-2a", "s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": True},
            {
                "red": ("red", named("red", "red", **{"raster:bands": [{"nodata": 0, "scale": 1e-4, "offset": -0.1}]})),
                "nir": ("nir", named("nir", "nir", **{"raster:bands": [{"nodata": 0, "scale": 1e-4, "offset": -0.1}]})),
                "nir08": ("decoy", named("nir08", "nir08")),
            },
            "scl",
        ),
    ),
    "Earth Search sentinel-2-c1-l2a": (
        SENTINEL2,
        (1e-4, -0.1),
        Catalogue(
            "S2B_T29SPC_20260426T112109_L2A",
            {"platform": "sentinel-2b", "s2:processing_baseline": "05.11"},
            {
                "red": ("red", named("B04", "red", **{"raster:bands": [{"nodata": 0, "scale": 1e-4, "offset": -0.1}]})),
                "nir": ("nir", named("B08", "nir", **{"raster:bands": [{"nodata": 0, "scale": 1e-4, "offset": -0.1}]})),
                "nir08": ("decoy", named("B8A", "nir08")),
            },
            "scl",
        ),
    ),
    # No raster fields; B8A is called rededge.
    "Planetary Computer sentinel-2-l2a": (
        SENTINEL2,
        (1e-4, -0.1),
        Catalogue(
            "S2B_MSIL2A_20260426T112109_R037_T29SPC_20260426T150000",
            {"platform": "Sentinel-2B", "s2:processing_baseline": "05.11"},
            {
                "B04": ("red", named("B04", "red")),
                "B08": ("nir", named("B08", "nir")),
                "B8A": ("decoy", named("B8A", "rededge")),
            },
            "SCL",
        ),
    ),
    "Planetary Computer before 04.00": (
        SENTINEL2,
        (1e-4, 0.0),
        Catalogue(
            "S2A_MSIL2A_20190212T192651_R127_T07HFE_20201007T160857",
            {"platform": "Sentinel-2A", "s2:processing_baseline": "02.12"},
            {"B04": ("red", named("B04", "red")), "B08": ("nir", named("B08", "nir"))},
            "SCL",
        ),
    ),
    "STAC 1.1": (
        SENTINEL2,
        (1e-4, -0.1),
        Catalogue(
            "S2C_T29SPC_20260426T112109_L2A",
            {"constellation": "sentinel-2"},
            {
                "B04_10m": ("red", {"bands": [{"eo:common_name": "red", "raster:scale": 1e-4, "raster:offset": -0.1}]}),
                "B08_10m": ("nir", {"bands": [{"eo:common_name": "nir", "raster:scale": 1e-4, "raster:offset": -0.1}]}),
            },
            "SCL_20m",
        ),
    ),
    "Landsat 9, Planetary Computer and Earth Search": (
        LANDSAT_OLI,
        (2.75e-5, -0.2),
        Catalogue(
            "LC09_L2SP_010065_20220129_02_T1",
            {"platform": "landsat-9", "landsat:correction": "L2SP"},
            {
                "red": ("red", named("SR_B4", "red", **LANDSAT_BAND)),
                "nir08": ("nir", named("SR_B5", "nir08", **LANDSAT_BAND)),
                "coastal": ("decoy", named("SR_B1", "coastal", **LANDSAT_BAND)),
            },
            "qa_pixel",
        ),
    ),
    # No raster fields, and band numbers in the place of bands.
    "Landsat 8, USGS": (
        LANDSAT_OLI,
        (2.75e-5, -0.2),
        Catalogue(
            "LC08_L2SP_047027_20201204_20210313_02_T1",
            {"eo:platform": "LANDSAT_8"},
            {
                "SR_B4.TIF": ("red", {"eo:bands": [3]}),
                "SR_B5.TIF": ("nir", {"eo:bands": [4]}),
                "SR_B3.TIF": ("decoy", {}),
            },
            "QA_PIXEL.TIF",
        ),
    ),
    "Landsat 5": (
        LANDSAT_TM,
        (2.75e-5, -0.2),
        Catalogue(
            "LT05_L2SP_010067_19860424_02_T2",
            {"platform": "landsat-5"},
            {"SR_B3": ("red", {}), "SR_B4": ("nir", {}), "SR_B5": ("decoy", {})},
            "QA_PIXEL",
        ),
    ),
    # NASA calls B08 nir; the band made to match Landsat's is B8A, and NASA's own indices take that.
    "HLS S30, Planetary Computer": (
        HLS_S30,
        (1e-4, 0.0),
        Catalogue(
            "HLS.S30.T06WXC.2026213T212519.v2.0",
            {"platform": "sentinel-2a"},
            {"B04": ("red", named("B04", "red")), "B8A": ("nir", named("B8A")), "B08": ("decoy", named("B08", "nir"))},
            "Fmask",
            "hls2-s30",
        ),
    ),
    "HLS L30, NASA": (
        HLS_L30,
        (1e-4, 0.0),
        Catalogue(
            "HLS.L30.T19LBJ.2020239T144556.v2.0",
            {"platform": "landsat-8"},
            {"B04": ("red", {}), "B05": ("nir", {}), "B08": ("decoy", {})},
            "Fmask",
            "HLSL30_2.0",
        ),
    ),
}  # fmt: skip
HIDDEN = {SENTINEL2: 9, LANDSAT_OLI: 22280, LANDSAT_TM: 5896, HLS_S30: 0b10, HLS_L30: 0b100}
CLEAR = {SENTINEL2: 4, LANDSAT_OLI: 21824, LANDSAT_TM: 5440, HLS_S30: 0b01000000, HLS_L30: 0}


def scene(folder: Folder, catalogue: Catalogue, sensor, pixels: dict[str, np.ndarray], mask: np.ndarray) -> dict:
    """Put the scene in place: rasters as the sensor stores them, and its Item."""
    hls = sensor in (HLS_S30, HLS_L30)
    assets = {}
    for key, (content, says) in catalogue.bands.items():
        stored = pixels[content].astype(np.int16 if hls else np.uint16)
        assets[key] = {"href": str(write(folder.root / "imagery" / f"{key}.tif", stored, pixel_size=30)), **says}
    size = 60 if sensor is SENTINEL2 else 30
    codes = np.where(mask, HIDDEN[sensor], CLEAR[sensor]).astype(np.uint16 if "andsat" in sensor.title else np.uint8)
    codes = codes[::2, ::2] if sensor is SENTINEL2 else codes
    path = write(folder.root / "imagery" / "mask.tif", codes, pixel_size=size)
    assets[catalogue.mask] = {"href": str(path), **({"eo:bands": [{"name": "Fmask"}]} if hls else {})}
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": catalogue.id,
        "geometry": None,
        "properties": {"datetime": MOMENT, **catalogue.properties},
        "links": [],
        "assets": assets,
        **({"collection": catalogue.collection} if catalogue.collection else {}),
    }
    folder.add(item, "scene")
    return item


@pytest.mark.parametrize("name", CATALOGUES)
def test_ndvi_of_each_sensor_as_its_catalogue_describes_it(folder: Folder, name: str):
    sensor, (scale, offset), catalogue = CATALOGUES[name]
    random = np.random.default_rng(5)
    shape = (22, 18)
    low, high = (0.02, 0.3), (0.2, 0.6)
    red, nir = (np.rint((random.uniform(*limits, shape) - offset) / scale) for limits in (low, high))
    nodata = -9999 if sensor in (HLS_S30, HLS_L30) else 0
    red[0, 0] = nir[1, 1] = nodata
    red[2, 2] = np.floor(-offset / scale) - 5 if offset else -5 if nodata else 0  # below zero reflectance
    mask = np.zeros(shape, dtype=bool)
    mask[10:12, 10:12] = True
    item = scene(folder, catalogue, sensor, {"red": red, "nir": nir, "decoy": np.full(shape, 5000.0)}, mask)
    assert sensor_of(item) is sensor
    folder.run()
    assert folder.failures() == {}
    reflectances = [np.where(dn == nodata, np.nan, dn * scale + offset) for dn in (red, nir)]
    r, n = (np.where((ρ > 0) & ~mask, ρ, np.nan) for ρ in reflectances)
    expected = (n - r) / (n + r)
    found = folder.values(catalogue.id)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    assert np.nanmax(np.abs(found - expected)) <= 5.1e-5
    properties = folder.item(catalogue.id)["properties"]
    assert properties["geocadence:sensor"] == sensor.title
    assert properties["geocadence:offset"]["value"] == offset
    assert properties["geocadence:mask"]["masked_percent"] == pytest.approx(100 * 4 / mask.size, abs=1e-4)
    chosen = properties["geocadence:bands"]
    assert {catalogue.bands[key][0] for key in chosen.values()} == {"red", "nir"}


def test_bands_of_l30_do_not_go_by_sentinel_2s_numbers():
    """B06 and B11 are red edge and short-wave infrared of Sentinel-2, but short-wave and thermal infrared of L30."""
    assets = {f"B{number:02d}": {"href": "x"} for number in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11)}
    item = {"id": "HLS.L30.T19LBJ.2020239T144556.v2.0", "properties": {}, "assets": assets}
    found = {symbol: find_band(item, symbol, sensor_of(item))[0] for symbol in ("A", "B", "G", "R", "N", "S1", "S2")}
    assert found == {"A": "B01", "B": "B02", "G": "B03", "R": "B04", "N": "B05", "S1": "B06", "S2": "B07"}
    for symbol in ("RE1", "RE2", "RE3", "WV", "T", "T1"):
        with pytest.raises(InputFailure, match=f"no band {symbol}"):
            find_band(item, symbol, HLS_L30)


def test_landsat_5_has_no_narrow_near_infrared_and_other_numbers_than_landsat_8():
    assets = {f"SR_B{number}": {"href": "x"} for number in (1, 2, 3, 4, 5, 7)}
    item = {"id": "LT05_L2SP_010067_19860424_02_T2", "properties": {}, "assets": assets}
    found = {symbol: find_band(item, symbol, sensor_of(item))[0] for symbol in ("B", "G", "R", "N", "S1", "S2")}
    assert found == {"B": "SR_B1", "G": "SR_B2", "R": "SR_B3", "N": "SR_B4", "S1": "SR_B5", "S2": "SR_B7"}
    with pytest.raises(InputFailure, match="no band N2"):
        find_band(item, "N2", LANDSAT_TM)


@pytest.mark.parametrize(
    ("item", "sensor"),
    [
        ({"id": "x", "properties": {"platform": "sentinel-2c"}}, SENTINEL2),
        ({"id": "x", "properties": {"Platform": "?", "s2:processing_baseline": "05.11"}}, SENTINEL2),
        ({"id": "S2A_T29SPC", "properties": {}}, SENTINEL2),
        ({"id": "x", "collection": "sentinel-2-l2a", "properties": {}}, SENTINEL2),
        ({"id": 5, "properties": {"platform": None}}, SENTINEL2),  # nothing said at all
        ({"id": "x", "properties": {"platform": "LANDSAT_8"}}, LANDSAT_OLI),
        ({"id": "x", "properties": {"platform": "landsat-7"}}, LANDSAT_TM),
        ({"id": "LE07_L2SP_021030_20100109_02_T1", "properties": {}}, LANDSAT_TM),
        ({"id": "x", "collection": "HLSS30.v2.0", "properties": {"platform": "sentinel-2b"}}, HLS_S30),
        ({"id": "x", "collection": "hls2-l30", "properties": {"platform": "landsat-8"}}, HLS_L30),
        ({"id": "x", "properties": {"platform": "planetscope"}}, OTHER),
    ],
)
def test_a_scene_tells_its_sensor(item, sensor):
    found = sensor_of(item)
    assert found is sensor or (sensor is OTHER and found.title == "unknown")


@pytest.mark.parametrize(
    "item",
    [
        {"id": "LC08_L1TP_047027_20201204_02_T1", "properties": {"platform": "landsat-8"}},
        {"id": "x", "properties": {"platform": "landsat-8", "landsat:correction": "L1TP"}},
        {"id": "LM01_L1GS_001010_19720908_02_T2", "properties": {}},
        {"id": "x", "properties": {"platform": "landsat-2"}},
    ],
)
def test_landsat_of_level_1_is_refused(item):
    with pytest.raises(InputFailure, match="Level 1"):
        sensor_of(item)


@pytest.mark.parametrize(
    ("says", "scale", "offset", "nodata", "source"),
    [
        ({}, 2.75e-5, -0.2, 0, "sensor"),
        ({"raster:bands": [{"scale": 1e-4}]}, 1e-4, -0.2, 0, "sensor"),
        ({"raster:bands": [{"scale": 1e-4, "offset": 0, "nodata": -1}]}, 1e-4, 0.0, -1, "raster:bands"),
        ({"raster:bands": [{"scale": None, "offset": "?", "nodata": "nan"}]}, 2.75e-5, -0.2, 0, "sensor"),
        ({"bands": [{"raster:scale": 3e-5, "nodata": 7}]}, 3e-5, -0.2, 7, "sensor"),
    ],
)
def test_the_item_comes_first_the_sensor_second(says, scale, offset, nodata, source):
    found = decide({"properties": {}}, says, sensor=LANDSAT_OLI, symbol="R")
    assert (found.scale, found.offset, found.nodata, found.source) == (scale, offset, nodata, source)


def test_surface_temperature_is_in_kelvin(folder: Folder):
    """ST_B10 = 44177 is 300 K: 44177 × 0.00341802 + 149 (USGS, LSDS-1619)."""
    rasters = {"lwir11": 44177, "swir16": 20000}
    assets = {
        key: {"href": str(write(folder.root / f"{key}.tif", np.full((4, 4), dn), pixel_size=30))}
        for key, dn in rasters.items()
    }
    item = {"id": "LC08_L2SP_1", "type": "Feature", "properties": {"datetime": MOMENT, "platform": "landsat-8"}}
    folder.add({**item, "geometry": None, "links": [], "assets": assets})
    folder.run("HEAT=(S1-T1)/(S1+T1)")
    kelvin, reflectance = 44177 * 0.00341802 + 149, 20000 * 2.75e-5 - 0.2
    expected = (reflectance - kelvin) / (reflectance + kelvin)
    assert folder.values("LC08_L2SP_1", "heat")[0, 0] == pytest.approx(expected, rel=1e-6)
    assert kelvin == pytest.approx(300, abs=0.01)


def test_another_sensors_scale_is_assumed_and_said_and_its_nodata_is_the_files(folder: Folder, tmp_path: Path):
    import rasterio

    assets = {}
    for key, dn in (("red", 2000), ("nir", 4000)):
        pixels = np.full((4, 4), dn)
        pixels[0, 0] = 777
        path = write(tmp_path / f"{key}.tif", pixels)
        with rasterio.open(path, "r+") as dataset:
            dataset.nodata = 777
        assets[key] = {"href": str(path)}
    properties = {"datetime": MOMENT, "platform": "planetscope"}
    folder.add(
        {"id": "P", "type": "Feature", "properties": properties, "geometry": None, "links": [], "assets": assets}
    )
    folder.run()
    found = folder.values("P")
    assert np.isnan(found[0, 0])
    assert found[1, 1] == pytest.approx(0.3333)
    record = folder.item("P")["properties"]
    assert "0.0001 assumed" in record["geocadence:offset"]["reason"]
    assert record["geocadence:mask"]["reason"] == "The scene has no mask band."


def test_items_of_search_raster_data_collection_for_landsat(folder: Folder):
    paths = {
        "red": write(folder.root / "red.tif", np.full((4, 4), 10000), pixel_size=30),
        "nir08": write(folder.root / "nir.tif", np.full((4, 4), 20000), pixel_size=30),
        "qa_pixel": write(folder.root / "qa.tif", np.full((4, 4), 21824).astype(np.uint16), pixel_size=30),
    }
    found = {
        "Id": "LC08_L2SP_047027_20201204_02_T1",
        "DateTime": "2020-12-04T19:02:11Z",
        "Assets": {key: {"Href": str(path)} for key, path in paths.items()},
        "Properties": {"Platform": "LANDSAT_8", "EoCloudCover": 1.5},
    }
    folder.add({"Items": [found]}, "response")
    folder.run()
    r, n = 10000 * 2.75e-5 - 0.2, 20000 * 2.75e-5 - 0.2
    assert folder.values(found["Id"])[0, 0] == pytest.approx((n - r) / (n + r), abs=5.1e-5)
    assert folder.item(found["Id"])["properties"]["geocadence:mask"]["applied"] is True


CLASSES = [
    {"value": 0, "name": "no_data", "nodata": True},
    {"value": 1, "name": "Clear Sky"},
    {"value": 2, "name": "cloud"},
    {"value": 3, "name": "cloud-shadow"},
    {"value": 4, "name": "snow"},
    {"value": "x", "name": "broken"},
    5,
]
BITS = [
    {"name": "fill", "offset": 0, "length": 1},
    {"name": "cloud", "offset": 3, "length": 1},
    {"name": "cloud_shadow", "offset": 4, "length": 1},
    {"name": "water", "offset": 7, "length": 1},
    {"name": "cloud_confidence", "offset": 8, "length": 2, "classes": [{"name": "high", "value": 3}, {"value": 9}]},
    {"name": "beyond", "offset": 15, "length": 2},
]


@pytest.mark.parametrize(
    ("says", "text", "hidden"),
    [
        ({"classification:classes": CLASSES}, "default", {0, 2, 3, 768}),  # 768 is beyond the classes' eight bits
        ({"raster:bands": [{"classification:classes": CLASSES}]}, "snow,shadow", {3, 4}),
        ({"bands": [{"classification:bitfields": BITS}]}, "default", {1, 3, 5, 8, 16, 24}),
        ({"classification:bitfields": BITS}, "water", {128}),
    ],
)
def test_the_mask_of_an_unknown_sensor_is_the_one_that_its_item_classifies(folder: Folder, says, text, hidden):
    """https://github.com/stac-extensions/classification: names and codes are the item's own."""
    codes = np.array([[0, 1, 2, 3], [4, 8, 16, 24], [64, 128, 768, 5]], dtype=np.uint16)
    assets = {
        "quality-10m.tif": {"href": str(write(folder.root / "quality.tif", codes)), **says},
        "red": {"href": str(write(folder.root / "red.tif", np.full((3, 4), 2000)))},
        "nir": {"href": str(write(folder.root / "nir.tif", np.full((3, 4), 4000)))},
    }
    item = {"id": "P", "type": "Feature", "geometry": None, "links": [], "assets": assets}
    folder.add({**item, "properties": {"datetime": MOMENT, "platform": "planetscope"}})
    folder.run(mask=parse_mask(text))
    assert set(codes[np.isnan(folder.values("P"))].tolist()) == hidden
    assert folder.item("P")["properties"]["geocadence:mask"]["asset"] == "quality-10m.tif"


@pytest.mark.parametrize(
    "says", [{}, {"classification:classes": [{"value": 1, "name": "clear"}]}, {"classification:bitfields": "x"}]
)
def test_a_classification_without_clouds_is_no_mask(says):
    item = {"id": "P", "properties": {"platform": "planetscope"}, "assets": {"quality": {"href": "x", **says}}}
    assert sensor_of(item).mask is None
