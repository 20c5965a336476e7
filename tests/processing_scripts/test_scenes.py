"""Every shape of JSON that an input folder may hold is read, and bands are found in all of them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spectral.bands import find_band, find_mask
from spectral.failures import InputFailure
from spectral.hrefs import gdal_path
from spectral.scenes import Scene, read_scenes, without_duplicates
from spectral.sensors import SENTINEL2

from geocadence.plan.candidates import take_in
from geocadence.plan.shelf import Shelf
from tests.processing_scripts.factory import Folder, random_dn


def items(folder: Folder, *names: str) -> list[dict]:
    return [folder.scene(name, red=random_dn((8, 8)), nir=random_dn((8, 8), seed=2), add=False) for name in names]


def test_one_item_lists_and_collections_in_any_folder(folder: Folder):
    a, b, c, d = items(folder, "A", "B", "C", "D")
    folder.add(a, "a")
    folder.add([b], "deep/down/b")
    folder.add({"type": "FeatureCollection", "features": [c, d]}, "cd")
    folder.run()
    assert folder.products() == {"A", "B", "C", "D"}


def test_items_of_search_raster_data_collection(folder: Folder):
    (stac,) = items(folder, "A")
    found = {
        "Id": "A",
        "DateTime": "2022-10-16 06:45:21+00:00",
        "Geometry": {"Type": "Polygon", "Coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
        "Assets": {key: {"Href": asset["href"]} for key, asset in stac["assets"].items()},
        "Properties": {"EoCloudCover": 3.5, "Platform": "sentinel-2b", "ViewOffNadir": 0.0},
    }
    folder.add({"Items": [found], "NextToken": "x"}, "response")
    folder.run()
    item = folder.item("A")
    assert (folder.output / "2022/10/A/A.json").exists()
    assert item["properties"]["datetime"] == "2022-10-16T06:45:21Z"
    assert item["properties"]["eo:cloud_cover"] == 3.5
    assert item["properties"]["geocadence:offset"]["source"] == "unknown"
    assert item["geometry"]["type"] == "Polygon"
    assert item["bbox"] == [0, 0, 1, 1]


def test_what_is_no_scene_by_nature_is_passed_over(folder: Folder):
    folder.add({"type": "Collection", "id": "c"}, "collection")
    folder.add({"type": "Catalog", "id": "c"}, "catalog")
    folder.add([{"prefix": "s3://bucket/path/"}, "a.json"], "manifest")
    folder.add([], "empty")
    assert read_scenes(folder.input, output=folder.output) == ([], [])


@pytest.mark.parametrize("linked", [False, True])
def test_products_below_the_input_folder_are_no_scenes(folder: Folder, linked: bool):
    """An Item of a product has its scene's id, and a newer `processing:version` than a scene without any."""
    item = folder.scene("X", red=random_dn((4, 4)), nir=random_dn((4, 4)))
    folder.add({**item, "id": "BAD", "assets": {}})
    folder.output = folder.input / "A" / "out"
    if linked:
        folder.input = folder.root / "link"
        folder.input.symlink_to(folder.root / "input")
    for _ in range(2):
        assert folder.run() == "1 scene produced, 1 failed (1 input). First: " + folder.failures()["BAD"]["reason"]
    assert folder.products() == {"X"}


def test_relative_hrefs_are_relative_to_the_json_file(folder: Folder):
    (item,) = items(folder, "A")
    for key in ("red", "nir"):
        item["assets"][key]["href"] = f"../../imagery/A/{key}.tif"
    folder.add(item, "deep/a")
    folder.run()
    assert folder.products() == {"A"}


@pytest.mark.parametrize(
    ("href", "path"),
    [
        ("s3://bucket/a/b.tif", "/vsis3/bucket/a/b.tif"),
        ("https://example.com/b.tif?x=1", "/vsicurl/https://example.com/b.tif?x=1"),
        ("HTTP://example.com/b.tif", "/vsicurl/HTTP://example.com/b.tif"),
        ("gs://bucket/b.tif", "/vsigs/bucket/b.tif"),
        ("file:///data/a%20b.tif", "/data/a b.tif"),
        ("/data/b.tif", "/data/b.tif"),
        ("b.tif", "/items/b.tif"),
    ],
)
def test_hrefs_become_paths_of_gdal(href, path):
    assert gdal_path(href, Path("/items")) == path


def asset(name, key="eo:bands", field="common_name", **more):
    return {"href": "x", key: [{field: name}], **more}


@pytest.mark.parametrize(
    ("assets", "found"),
    [
        ({"B04": asset("red"), "red": asset("nir")}, "B04"),  # the common name beats the key
        ({"B04": asset("red", key="bands", field="eo:common_name")}, "B04"),  # STAC 1.1
        ({"B04": {"href": "x"}, "B08": {"href": "x"}}, "B04"),  # keys only
        ({"red-jp2": asset("red", type="image/jp2"), "red": asset("red", type="image/tiff")}, "red"),
        ({"red_60m": asset("red", gsd=60), "red": asset("red", gsd=10), "red_20m": asset("red", gsd=20)}, "red"),
        ({"red_edge": {"href": "x"}, "red-edge-2": {"href": "x"}, "red": {"href": "x"}}, "red"),
        ({"R10m/B04": {"href": "x"}, "B04_20m.tif": {"href": "x"}}, "B04_20m.tif"),
        ({"b04.jp2": {"href": "x"}}, "b04.jp2"),
        ({"visual": {"href": "x", "eo:bands": [{"common_name": c} for c in ("red", "green")]}, "r": asset("red")}, "r"),
    ],
)
def test_bands_are_found_by_common_name_then_by_key(assets, found):
    assert find_band({"assets": assets}, "R", SENTINEL2)[0] == found


def test_rededge_of_old_catalogues_is_told_apart_by_key():
    assets = {f"rededge{i}": asset("rededge") for i in (1, 2, 3)}
    assert [find_band({"assets": assets}, symbol, SENTINEL2)[0] for symbol in ("RE1", "RE2", "RE3")] == list(assets)


def test_the_finest_classification_is_taken():
    assets = {"scl_60m": {"href": "x", "gsd": 60}, "scl": {"href": "x", "gsd": 20}, "SCL-jp2": {"href": "x", "gsd": 20}}
    assert find_mask({"assets": assets}, SENTINEL2)[0] == "scl"
    assert find_mask({"assets": {"red": {}}}, SENTINEL2) is None


def test_a_band_that_is_missing_is_named_with_what_there_is():
    with pytest.raises(InputFailure, match=r"no band S1 .*swir16 or b11 among red"):
        find_band({"assets": {"red": asset("red"), "none": None}}, "S1", SENTINEL2)


def test_an_empty_folder_has_no_scenes(folder: Folder):
    assert folder.run() == "No scenes in this shard."
    assert json.loads(json.dumps(folder.failures())) == {}


VERSIONS = st.sampled_from([None, "", "05.10", "05.9", "5.10", "04.00", "4", "10.00", "N0511", 5.11, "x"])
CHANGES = st.sampled_from([None, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+02:00", "2026-01-01", "x"])
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "s2:processing_baseline": VERSIONS,
        "processing:version": VERSIONS,
        "updated": CHANGES,
        "s2:generation_time": CHANGES,
        "created": CHANGES,
    },
)


@given(PROPERTIES, PROPERTIES)
def test_of_two_items_with_one_id_the_script_keeps_the_one_that_the_plan_takes(one, other):
    """The script imports nothing of geocadence; a rule of its own would process what the plan did not mean."""
    items = [
        {
            "id": "x",
            "type": "Feature",
            "properties": {"datetime": "2026-01-01T00:00:00Z", "listed": listed, **properties},
            "assets": {"red": {"href": "red.tif"}},
        }
        for listed, properties in enumerate((one, other))
    ]
    (kept,), _ = without_duplicates([Scene("x", item, Path()) for item in items])
    with Shelf() as shelf:
        (planned,), rejected = take_in(items, shelf=shelf)
        taken = json.loads(gzip.decompress(shelf.member(planned.place)))
    assert len(rejected) == 1
    assert kept.item == taken


def test_baseline_5_10_is_newer_than_5_9():
    found = [
        Scene("x", {"properties": {"s2:processing_baseline": version}}, Path()) for version in ("5.9", "05.10", "05.09")
    ]
    (kept,), (problem,) = without_duplicates(found)
    assert kept is found[1]
    assert problem.reason.startswith("The id is listed 3 times")
