"""Products of a script that leaves files only: each scene's files in its folder, with an Item that claims no more."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from cataloguing.cli import main
from cataloguing.item import asset_keys
from cataloguing.owners import Owners
from pystac.validation import validate_dict
from rasterio.transform import Affine, from_origin

from geocadence.plan.scene_format import search_result
from geocadence.products import asset_key
from tests.offline_validator import stac_valid
from tests.processing_scripts.factory import SCRIPTS

# Within the tile of `tiff`.
RING = [[-8.9, 38.8], [-7.8, 38.8], [-7.8, 39.7], [-8.9, 39.7], [-8.9, 38.8]]


def source(scene: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": scene,
        "geometry": {"type": "Polygon", "coordinates": [RING]},
        "bbox": [-8.9, 38.8, -7.8, 39.7],
        "properties": {"datetime": "2026-03-31T23:59:59Z", "platform": "sentinel-2a", "eo:cloud_cover": 3} | properties,
        "links": [{"rel": "self", "href": f"https://catalogue.example/{scene}"}],
        "assets": {"red": {"href": "s3://bucket/red.tif"}},
    }


class Shard:
    """What a job's instance has on its disk when the script has ended."""

    def __init__(self, folder: Path, log: Callable[[], str]) -> None:
        self.input, self.output, self._log = folder / "input", folder / "output", log
        self.input.mkdir()
        self.output.mkdir()

    def scenes(self, *items: dict[str, Any]) -> Shard:
        for item in items:
            (self.input / f"{item['id']}.json").write_text(json.dumps(item))
        return self

    def tiff(self, name: str, pixels: np.ndarray | None = None, **profile: Any) -> Path:
        """Like rioxarray's: float32, striped, NaN where nothing is; by default over the whole tile."""
        if pixels is None:
            pixels = np.linspace(-1, 1, 11 * 11, dtype="float32").reshape(11, 11)
            pixels[0] = np.nan
        path = self.output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        settings = {"driver": "GTiff", "crs": "EPSG:32629", "transform": from_origin(499980, 4400040, 9980, 9980)}
        settings |= {"nodata": np.nan, "dtype": pixels.dtype, "count": 1} | profile
        with rasterio.open(path, "w", height=pixels.shape[0], width=pixels.shape[1], **settings) as dataset:
            dataset.write(pixels, 1)
        return path

    def run(self, *, code: int = 0) -> list[dict[str, Any]]:
        """The log's lines."""
        folders = ["--input", str(self.input), "--output", str(self.output)]
        assert main(["--script", "ndvi.py", "--digest", "5f1c", *folders]) == code
        return [json.loads(line) for line in self._log().splitlines() if line.startswith("{")]

    def files(self) -> set[str]:
        return {path.relative_to(self.output).as_posix() for path in self.output.rglob("*") if path.is_file()}

    def item(self, scene: str, month: str = "2026/03") -> dict[str, Any]:
        return json.loads((self.output / month / scene / f"{scene}.json").read_text())

    def failure(self, scene: str) -> dict[str, Any]:
        return json.loads((self.output / f"runs/run1/failures/{scene}.json").read_text())


@pytest.fixture
def shard(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shard:
    monkeypatch.setenv("GEOCADENCE_RUN_ID", "run1")
    monkeypatch.setenv("GEOCADENCE_PIPELINE", "guide")
    return Shard(tmp_path, lambda: capsys.readouterr().err)


def test_the_guides_files_become_products_in_their_scenes_folders(shard: Shard) -> None:
    shard.scenes(source("S2A_1"), source("S2A_2", datetime="2026-04-01T00:00:00+01:00"), source("S2A_3"))
    for scene in ("S2A_1", "S2A_2", "S2A_3"):
        shard.tiff(f"ndvi_{scene}.tif")
    shard.run()
    assert shard.files() == {
        f"2026/03/{scene}/{name}"
        for scene in ("S2A_1", "S2A_2", "S2A_3")
        for name in (f"ndvi_{scene}.tif", f"{scene}.json")
    }
    item = shard.item("S2A_1")
    assert item["assets"]["ndvi"]["href"] == "./ndvi_S2A_1.tif"
    assert item["properties"]["datetime"] == "2026-03-31T23:59:59Z"
    assert item["collection"] == "guide"
    assert {link["rel"]: link["href"] for link in item["links"]} == {
        "collection": "../../../collection.json",
        "parent": "../../../collection.json",
        "derived_from": "https://catalogue.example/S2A_1",
    }


def test_search_results_carry_what_the_item_needs(shard: Shard) -> None:
    item = source("S2A_1")
    (shard.input / "00000_S2A_1.json").write_text(json.dumps(search_result(item)))
    shard.tiff("ndvi_S2A_1.tif")
    shard.run()
    by_search = shard.item("S2A_1")
    assert by_search["properties"]["platform"] == "sentinel-2a"
    assert by_search["geometry"] == item["geometry"]
    assert by_search["links"][-1]["href"] == "https://catalogue.example/S2A_1"


def test_the_item_is_valid_and_true_to_the_file(shard: Shard) -> None:
    shard.scenes(source("S2A_1"))
    path = shard.tiff("ndvi_S2A_1.tif")
    size = path.stat().st_size
    shard.run()
    item = shard.item("S2A_1")
    validate_dict(item, extensions=[])
    assert stac_valid(shard.output / "2026/03/S2A_1/S2A_1.json").returncode == 0
    asset = item["assets"]["ndvi"]
    assert asset["type"] == "image/tiff; application=geotiff", "nobody looked whether it is cloud-optimized"
    assert (asset["proj:code"], asset["proj:shape"], asset["file:size"]) == ("EPSG:32629", [11, 11], size)
    (band,) = asset["bands"]
    assert (band["data_type"], band["nodata"]) == ("float32", "nan")
    assert band["statistics"]["count"] == 110
    assert band["statistics"]["valid_percent"] == pytest.approx(100 * 110 / 121, abs=1e-4)
    assert band["statistics"]["maximum"] == 1
    expected = np.linspace(-1, 1, 121, dtype="float32")[11:].astype("float64")
    assert band["statistics"]["mean"] == pytest.approx(expected.mean())
    assert band["statistics"]["stddev"] == pytest.approx(expected.std())


def test_statistics_of_a_packed_raster_are_of_the_numbers_in_the_file(shard: Shard) -> None:
    """Viewers stretch their colours by them, and they read pixels."""
    shard.scenes(source("S2A_1"))
    path = shard.tiff("ndvi_S2A_1.tif", np.arange(-60, 61, dtype="int16").reshape(11, 11), nodata=-60)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = [0.01], [0.5]
    shard.run()
    (band,) = shard.item("S2A_1")["assets"]["ndvi"]["bands"]
    assert (band["raster:scale"], band["raster:offset"]) == (0.01, 0.5)
    assert [band["statistics"][name] for name in ("minimum", "maximum", "mean")] == [-59, 60, 0.5]


def test_a_nodata_that_the_file_does_not_name_costs_the_statistics_and_not_the_product(shard: Shard) -> None:
    shard.scenes(source("S2A_1"))
    pixels = np.zeros((11, 11), dtype="float64")
    pixels[0] = -1.797e308
    shard.tiff("ndvi_S2A_1.tif", pixels, nodata=None)
    shard.run()
    (band,) = shard.item("S2A_1")["assets"]["ndvi"]["bands"]
    assert set(band["statistics"]) == {"count", "valid_percent"}


def test_a_scale_that_is_no_number_is_left_out(shard: Shard) -> None:
    shard.scenes(source("S2A_1"))
    path = shard.tiff("ndvi_S2A_1.tif")
    with rasterio.open(path, "r+") as dataset:
        dataset.scales = [float("nan")]
    shard.run()
    (band,) = shard.item("S2A_1")["assets"]["ndvi"]["bands"]
    assert "raster:scale" not in band


def test_the_item_claims_nothing_that_nobody_knows(shard: Shard) -> None:
    shard.scenes(source("S2A_1"))
    shard.tiff("ndvi_S2A_1.tif")
    shard.run()
    text = json.dumps(shard.item("S2A_1"))
    assert shard.item("S2A_1")["properties"]["processing:software"] == {"ndvi.py": "5f1c"}
    for word in ("offset", "mask", "expression", "level", "reflectance", "cloud-optimized"):
        assert word not in text, word


def test_the_same_files_make_the_same_item(shard: Shard) -> None:
    shard.scenes(source("S2A_1"))
    found = []
    for names in (("ndvi", "evi"), ("evi", "ndvi")):
        for name in names:
            shard.tiff(f"{name}_S2A_1.tif")
        shard.run()
        found.append((shard.output / "2026/03/S2A_1/S2A_1.json").read_bytes())
        shutil.rmtree(shard.output)
    assert found[0] == found[1]


def test_a_scene_without_a_file_fails_with_the_reason_and_alone(shard: Shard) -> None:
    shard.scenes(source("S2A_1"), source("S2A_2"))
    shard.tiff("ndvi_S2A_2.tif")
    shard.run()
    assert shard.failure("S2A_1") == {
        "scene": "S2A_1",
        "class": "bug",
        "reason": "ndvi.py ended without an error and left no file whose path holds the scene's id.",
    }
    assert shard.item("S2A_2")
    assert not (shard.output / "2026/03/S2A_1").exists()


def test_an_id_that_begins_another_one_gets_none_of_its_files(shard: Shard) -> None:
    shard.scenes(source("S2A_1"), source("S2A_10"), source("S2A_1_0"))
    shard.tiff("ndvi_S2A_10.tif")
    shard.tiff("ndvi_S2A_1_0.tif")
    shard.run()
    assert set(shard.item("S2A_10")["assets"]) == set(shard.item("S2A_1_0")["assets"]) == {"ndvi"}
    assert "left no file" in shard.failure("S2A_1")["reason"]


@pytest.mark.parametrize(
    ("path", "ids", "owner"),
    [
        ("ndvi_A1.tif", ["A1"], "A1"),
        ("A1.tif", ["A1"], "A1"),
        ("A1/ndvi.tif", ["A1"], "A1"),
        ("2026/03/A1/A1_ndvi.tif", ["A1"], "A1"),
        ("A1", ["A1"], "A1"),
        ("A1.SAFE.tif", ["A1", "A1.SAFE"], "A1.SAFE"),
        ("A1_b.tif", ["A1_"], "A1_"),
        ("ndvi-A1-b.tif", ["A1"], "A1"),
        ("ndvi_A10.tif", ["A1"], None),
        ("ndvi_BA1.tif", ["A1"], None),
        ("ndviA1.tif", ["A1"], None),
        ("summary.csv", ["A1"], None),
        ("change_A1_B2.tif", ["A1", "B2"], None),
        ("B2/change_A1.tif", ["A1", "B2"], None),
        ("A_B_C.tif", ["A_B", "B_C"], None),
        ("A_B.tif", ["A", "A_B", "B"], "A_B"),
        ("A/A_B.tif", ["A", "A_B"], None),
    ],
)
def test_a_file_is_of_the_scene_whose_id_its_path_holds(path: str, ids: list[str], owner: str | None) -> None:
    assert Owners(ids).of(path) == owner


def test_files_of_no_scene_or_of_two_stay_where_they_are(shard: Shard) -> None:
    shard.scenes(source("S2A_1"), source("S2A_2"))
    for name in ("ndvi_S2A_1.tif", "ndvi_S2A_2.tif", "change_S2A_1_S2A_2.tif"):
        shard.tiff(name)
    (shard.output / "summary.csv").write_text("a,b\n")
    lines = shard.run()
    assert {"summary.csv", "change_S2A_1_S2A_2.tif"} <= shard.files()
    assert [line["file"] for line in lines if line["event"] == "left as it is"] == [
        "change_S2A_1_S2A_2.tif",
        "summary.csv",
    ]
    assert set(shard.item("S2A_1")["assets"]) == {"ndvi"}


def test_what_the_script_put_into_folders_keeps_them_apart(shard: Shard) -> None:
    shard.scenes(source("S2A_1"))
    for index in ("ndvi", "evi"):
        shard.tiff(f"{index}/S2A_1.tif")
    shard.tiff("2026/03/S2A_1/savi.tif")
    shard.run()
    folder = "2026/03/S2A_1/"
    names = {"ndvi/S2A_1.tif", "evi/S2A_1.tif", "savi.tif", "S2A_1.json"}
    assert shard.files() == {folder + name for name in names}
    assert {key: asset["href"] for key, asset in shard.item("S2A_1")["assets"].items()} == {
        "ndvi": "./ndvi/S2A_1.tif",
        "evi": "./evi/S2A_1.tif",
        "savi": "./savi.tif",
    }


def test_a_table_called_like_the_item_makes_way_for_it(shard: Shard) -> None:
    shard.scenes(source("S2A_1"))
    (shard.output / "S2A_1.json").write_text('{"mean": 0.5}')
    shard.run()
    assert json.loads((shard.output / "2026/03/S2A_1/S2A_1_data.json").read_text()) == {"mean": 0.5}
    assert shard.item("S2A_1")["assets"]["data"]["href"] == "./S2A_1_data.json"
    assert shard.item("S2A_1")["geometry"] == source("S2A_1")["geometry"]


@pytest.mark.parametrize("name", ["ndvi of S2A_1.tif", "S2A_1#50%41?.tif", "índice_S2A_1.tif"])
def test_an_href_leads_to_its_file_whatever_that_is_called(shard: Shard, name: str) -> None:
    shard.scenes(source("S2A_1"))
    shard.tiff(name)
    shard.run()
    (asset,) = shard.item("S2A_1")["assets"].values()
    key = asset_key(asset["href"], item_key="guide/2026/03/S2A_1/S2A_1.json", output=None)
    assert key == f"guide/2026/03/S2A_1/{name}"


def test_two_files_that_would_be_one_are_no_product(shard: Shard) -> None:
    shard.scenes(source("S2A_1"))
    shard.tiff("a_S2A_1.tif")
    shard.tiff("2026/03/S2A_1/a_S2A_1.tif")
    before = shard.files()
    shard.run()
    assert "one name" in shard.failure("S2A_1")["reason"]
    assert shard.files() - {"runs/run1/failures/S2A_1.json"} == before


def test_an_item_or_a_failure_file_of_the_scripts_own_is_left_alone(shard: Shard) -> None:
    shard.scenes(source("S2A_1"), source("S2A_2"))
    shard.tiff("2026/03/S2A_1/S2A_1_ndvi.tif")
    (shard.output / "2026/03/S2A_1/S2A_1.json").write_text("the script's")
    shard.tiff("ndvi_S2A_2.tif")
    (shard.output / "runs/run1/failures").mkdir(parents=True)
    (shard.output / "runs/run1/failures/S2A_2.json").write_text('{"reason": "clouds"}')
    before = shard.files()
    shard.run()
    assert shard.files() == before
    assert (shard.output / "2026/03/S2A_1/S2A_1.json").read_text() == "the script's"
    assert shard.failure("S2A_2") == {"reason": "clouds"}


@pytest.mark.parametrize("size", [0, 100, 400])
def test_a_raster_that_was_cut_short_is_no_product_and_none_of_the_scenes_files_moves(shard: Shard, size: int) -> None:
    shard.scenes(source("S2A_1"), source("S2A_2"))
    shard.tiff("evi_S2A_1.tif")
    path = shard.tiff("ndvi_S2A_1.tif")
    path.write_bytes(path.read_bytes()[:size])
    shard.tiff("ndvi_S2A_2.tif")
    shard.run()
    assert "ndvi_S2A_1.tif can't be read" in shard.failure("S2A_1")["reason"]
    assert {"evi_S2A_1.tif", "ndvi_S2A_1.tif"} < shard.files()
    assert not (shard.output / "2026/03/S2A_1").exists()
    assert shard.item("S2A_2")


def test_a_raster_of_which_no_item_can_tell_is_no_product_and_none_of_the_scenes_files_moves(shard: Shard) -> None:
    shard.scenes(source("S2A_1"), source("S2A_2"))
    shard.tiff("ndvi_S2A_1.tif", transform=Affine(10, 0, math.nan, 0, -10, 0))
    shard.tiff("evi_S2A_1.tif")
    shard.tiff("ndvi_S2A_2.tif")
    shard.run()
    assert shard.files() == {
        "ndvi_S2A_1.tif",
        "evi_S2A_1.tif",
        "2026/03/S2A_2/ndvi_S2A_2.tif",
        "2026/03/S2A_2/S2A_2.json",
        "runs/run1/failures/S2A_1.json",
    }
    assert "says of itself what no Item can hold" in shard.failure("S2A_1")["reason"]


def test_a_broken_file_whose_name_is_no_text_costs_its_scene_alone(shard: Shard) -> None:
    shard.scenes(source("S2A_1"), source("S2A_2"))
    (shard.output / os.fsdecode(b"ndvi_S2A_1_\xff.tif")).write_bytes(b"no raster")
    shard.tiff("ndvi_S2A_2.tif")
    shard.run()
    assert "ndvi_S2A_1_?.tif can't be read" in shard.failure("S2A_1")["reason"]
    assert "2026/03/S2A_2/S2A_2.json" in shard.files()


def test_links_are_no_products_and_lead_nowhere(shard: Shard, tmp_path: Path) -> None:
    shard.scenes(source("S2A_1"), source("S2A_2", datetime="2026-05-01T00:00:00Z"))
    outside = tmp_path / "outside"
    outside.mkdir()
    (shard.output / "ndvi_S2A_1.tif").symlink_to(SCRIPTS / "spectral/__init__.py")
    shard.tiff("ndvi_S2A_2.tif")
    (shard.output / "2026").symlink_to(outside)
    told = {line["file"]: line["reason"] for line in shard.run() if line["event"] == "left as it is"}
    assert told == dict.fromkeys(["ndvi_S2A_1.tif", "2026"], "it is a link; a job uploads none")
    assert list(outside.iterdir()) == []
    assert "left no file" in shard.failure("S2A_1")["reason"]
    assert "outside of" in shard.failure("S2A_2")["reason"]


def test_a_product_cut_to_an_area_lies_where_its_pixels_do(shard: Shard) -> None:
    shard.scenes(source("S2A_1"))
    transform = from_origin(530000, 4350000, 10, 10)
    shard.tiff("ndvi_S2A_1.tif", np.ones((50, 50), "float32"), transform=transform)
    shard.run()
    west, south, east, north = shard.item("S2A_1")["bbox"]
    assert (east - west, north - south) == pytest.approx((0.0058, 0.0045), abs=0.0005)
    assert shard.item("S2A_1")["geometry"]["coordinates"][0][0] == pytest.approx([west, south], abs=0.001)


def test_pictures_and_tables_are_told_as_what_they_are(shard: Shard) -> None:
    shard.scenes(source("S2A_1"))
    shard.tiff("ndvi_S2A_1.tif", np.ones((4, 4), "int16"), nodata=-32768)
    shard.tiff("ndvi_S2A_1.png", np.ones((4, 4), "uint8"), driver="PNG", crs=None, transform=None, nodata=None)
    (shard.output / "S2A_1.csv").write_text("a,b\n")
    shard.run()
    assets = shard.item("S2A_1")["assets"]
    assert {key: (asset.get("type"), asset["roles"]) for key, asset in assets.items()} == {
        "csv": ("text/csv", ["data"]),
        "ndvi_png": ("image/png", ["overview"]),
        "ndvi_tif": ("image/tiff; application=geotiff", ["data"]),
    }
    assert assets["ndvi_tif"]["bands"][0]["nodata"] == -32768


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (["ndvi_X1.tif"], ["ndvi"]),
        (["X1_ndvi.tif"], ["ndvi"]),
        (["X1.tif"], ["data"]),
        (["a_X1_b.tif"], ["a_b"]),
        (["X1/X1_ndvi.tif"], ["ndvi"]),
        (["ndvi_X1.tif", "ndvi_X1.tif.aux.xml"], ["ndvi_tif", "ndvi_tif_aux_xml"]),
        (["X1.tif", "X1.png"], ["tif", "png"]),
        (["NDVI_X1.tif", "ndvi_X1.tif"], ["NDVI_X1.tif", "ndvi_X1.tif"]),
        (["a/b_X1.tif", "a_b_X1.tif"], ["a/b_X1.tif", "a_b_X1.tif"]),
    ],
)
def test_assets_are_called_by_what_is_left_of_a_name(names: list[str], keys: list[str]) -> None:
    assert list(asset_keys(names, "X1").values()) == keys


def test_an_empty_shard_is_fine(shard: Shard) -> None:
    shard.run()
    assert shard.files() == set()


def test_an_output_that_cannot_be_written_to_fails_the_job(shard: Shard) -> None:
    shard.scenes(source("S2A_1"))
    shard.output.rmdir()
    shard.output.write_text("a file")
    shard.run(code=1)
