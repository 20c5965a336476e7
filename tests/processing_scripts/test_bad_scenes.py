"""One bad scene is one failure file: the others go on, and nothing lands outside of the output folder."""

from __future__ import annotations

import errno
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from spectral.failures import UnfitInstance
from spectral.staging import Staging

from tests.processing_scripts.factory import NORTH, WEST, Folder, bands, only_failure, random_dn, write


def test_a_truncated_raster(good: Folder):
    item = good.scene("BAD", **bands())
    path = Path(item["assets"]["nir"]["href"])
    path.write_bytes(path.read_bytes()[:20_000])
    record = only_failure(good)
    assert (record["scene"], record["class"]) == ("BAD", "input")
    assert "Asset nir" in record["reason"]


def test_a_missing_raster(good: Folder):
    item = good.scene("BAD", **bands())
    Path(item["assets"]["red"]["href"]).unlink()
    record = only_failure(good)
    assert record["class"] == "input"
    assert "red.tif" in record["reason"]


def test_a_raster_that_is_none(good: Folder):
    item = good.scene("BAD", **bands())
    Path(item["assets"]["red"]["href"]).write_text("<html>Access denied</html>")
    assert only_failure(good)["class"] == "input"


@pytest.mark.parametrize(("key", "kind"), [("nir", "complex64"), ("nir", "complex_int16"), ("scl", "complex128")])
def test_a_raster_of_complex_numbers(good: Folder, key: str, kind: str):
    item = good.scene("BAD", **bands(), add=False)
    path = good.root / "complex.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=300, height=300, count=1, dtype=kind, crs="EPSG:32629",
        transform=from_origin(WEST, NORTH, 10, 10),
    ) as dataset:  # fmt: skip
        dataset.write(np.ones((1, 300, 300), np.complex64))
    item["assets"][key] = {"href": str(path)}
    good.add(item)
    record = only_failure(good)
    assert record["class"] == "input"
    assert f"Asset {key} ({path}) holds complex numbers" in record["reason"]


def test_a_vrt_in_disguise_is_not_opened(good: Folder):
    """Items are somebody else's: a format that points to further files and hosts stays closed."""
    item = good.scene("BAD", **bands())
    path = Path(item["assets"]["red"]["href"])
    secret = write(good.root / "secret.tif", random_dn((300, 300)))
    path.write_text(
        '<VRTDataset rasterXSize="300" rasterYSize="300"><SRS>EPSG:32629</SRS>'
        f"<GeoTransform>{WEST}, 10, 0, {NORTH}, 0, -10</GeoTransform>"
        '<VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        f"<SourceFilename>{secret}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    assert only_failure(good)["class"] == "input"


def test_a_missing_band(good: Folder):
    good.scene("BAD", red=random_dn((300, 300)))
    record = only_failure(good)
    assert record["class"] == "input"
    assert record["reason"] == "The scene has no band N (looked for nir or b8 or b08 among red)."


@pytest.mark.parametrize(
    "href",
    [
        None, "", 5, "ftp://example.com/red.tif", "/vsizip/x.zip/red.tif", "a\x00b", "file:///a%00b", "file://", "file://a/b",
        "s3:///x",
    ],
)  # fmt: skip
def test_an_unusable_href(good: Folder, href):
    item = good.scene("BAD", **bands(), add=False)
    item["assets"]["red"]["href"] = href
    good.add(item)
    assert only_failure(good)["class"] == "input"


def test_a_path_of_gdals_own_is_not_opened_though_a_raster_is_there(good: Folder):
    """Such paths lead into archives, over the network and into memory."""
    item = good.scene("BAD", **bands(), add=False)
    item["assets"]["red"]["href"] = f"/vsisubfile/0,{item['assets']['red']['href']}"
    good.add(item)
    record = only_failure(good)
    assert record["class"] == "input"
    assert "is a path of GDAL's own" in record["reason"]


def test_bands_of_different_tiles(good: Folder):
    good.scene("BAD", **bands())
    write(good.root / "imagery/BAD/nir.tif", random_dn((300, 300)), west=609_600)
    assert "grids don't match" in only_failure(good)["reason"]


def test_grids_a_few_metres_apart_are_told_with_all_digits(good: Folder):
    good.scene("BAD", **bands())
    write(good.root / "imagery/BAD/nir.tif", random_dn((300, 300)), north=NORTH + 4)
    reason = only_failure(good)["reason"]
    assert f"{WEST}, {NORTH}" in reason
    assert f"{WEST}, {NORTH + 4}" in reason


@pytest.mark.parametrize(
    "place", [{"west": math.nan}, {"north": math.inf}, {"pixel_size": math.nan}, {"pixel_size": 1e307}], ids=str
)
def test_bands_that_lie_nowhere(good: Folder, place: dict[str, float]):
    good.scene("BAD", **bands())
    for key, pixels in bands().items():
        write(good.root / f"imagery/BAD/{key}.tif", pixels, **place)
    record = only_failure(good)
    assert record["class"] == "input"
    assert "lies nowhere" in record["reason"]
    assert not list(good.output.glob("*/*/BAD/*"))


@pytest.mark.parametrize("size", [5e-310, 1e-200, 1e200])
def test_a_band_whose_pixels_size_is_a_damaged_number(good: Folder, size: float):
    """As one flipped bit of a file makes it: beside another band's there is no ratio, which was a bug of ours."""
    good.scene("BAD", **bands())
    write(good.root / "imagery/BAD/nir.tif", bands()["nir"], pixel_size=size)
    record = only_failure(good)
    assert record["class"] == "input"
    assert "Asset nir lies nowhere: it has pixels of" in record["reason"]


def test_a_scene_without_a_date(good: Folder):
    good.scene("BAD", **bands(), properties={"datetime": None})
    assert "datetime" in only_failure(good)["reason"]


@pytest.mark.parametrize(
    "area",
    [
        {"type": "FeatureCollection", "features": 5},
        {"type": "GeometryCollection", "geometries": {"a": 1}},
        {"type": "Polygon", "coordinates": [[[10**400, 0], [1, 1], [2, 2], [0, 0]]]},
        {"type": "Polygon", "coordinates": 5},
        True,
    ],
)
def test_an_area_that_is_none_is_the_inputs_fault(good: Folder, area):
    item = good.scene("BAD", **bands(), add=False)
    good.add({**item, "geocadence:area": area})
    record = only_failure(good)
    assert record["class"] == "input"
    assert "geocadence:area can't be used" in record["reason"]


@pytest.mark.parametrize(
    "href",
    [
        "http://[::1/x.tif",
        "https://",
        "https://h:x/y.tif",
        "https://example.com/a b.tif",
        "https://a/b\r\nc: d",
        "https://a..b/x.tif",
        f"https://{'a' * 64}.example/x.tif",
        "s3://",
    ],
)
def test_an_address_that_is_none_is_the_inputs_fault_at_once(good: Folder, href):
    item = good.scene("BAD", **bands(), add=False)
    item["assets"]["red"]["href"] = href
    good.add(item)
    record = only_failure(good)
    assert record["class"] == "input"
    assert "is no address" in record["reason"]


def test_a_processing_baseline_that_is_no_number_counts_as_none(good: Folder):
    good.scene("BAD", **bands(), properties={"s2:processing_baseline": "9" * 5000 + ".1"})
    good.run()
    assert good.failures() == {}
    assert good.item("BAD")["properties"]["geocadence:offset"]["source"] == "unknown"


def test_signatures_and_passwords_of_addresses_stay_out_of_reasons_and_logs(
    good: Folder, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.01")
    item = good.scene("BAD", **bands(), add=False)
    item["assets"]["red"]["href"] = "http://someone:secret1@127.0.0.1:1/red.tif?se=2026&sig=secret2"
    good.add(item)
    summary = good.run(stream=log)
    reason = good.failures()["BAD"]["reason"]
    assert "http://127.0.0.1:1/red.tif?…" in reason
    assert "secret" not in reason + summary + log.getvalue()


def test_a_failure_that_cannot_be_recorded_ends_the_shard_with_its_reason(folder: Folder, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    folder.scene("BAD", red=random_dn((8, 8)))
    monkeypatch.setattr(Staging, "place_json", broken)
    with pytest.raises(UnfitInstance, match=r"Input/output error.*: The scene has no band N"):
        folder.run()


def test_the_same_scene_twice_is_one_product_of_the_newest_baseline(folder: Folder, log: io.StringIO):
    for name, version in (("a", "05.09"), ("b", "05.11"), ("c", "04.00")):
        item = folder.scene("TWICE", **bands(), add=False, properties={"s2:processing_baseline": version})
        folder.add(item, name)
    folder.run(stream=log)
    assert folder.products() == {"TWICE"}
    assert folder.item("TWICE")["properties"]["s2:processing_baseline"] == "05.11"
    assert folder.failures() == {
        "TWICE.duplicate": {
            "scene": "TWICE.duplicate",
            "class": "input",
            "reason": "The id is listed 3 times in this shard; the newest (by baseline, then by its last change) is "
            "processed, 2 left out.",
        }
    }
    assert [json.loads(line)["event"] for line in log.getvalue().splitlines()].count("duplicate") == 1


def test_that_a_scene_is_listed_twice_is_no_failure_of_another_that_has_its_records_name(folder: Folder):
    for name, scene_id in (("a", "TWICE"), ("b", "TWICE"), ("c", "TWICE.duplicate")):
        folder.add(folder.scene(scene_id, **bands(), add=False), name)
    folder.run()
    assert folder.products() == {"TWICE", "TWICE.duplicate"}
    assert set(folder.failures()) == {"TWICE.duplicate.json"}


def test_what_nobody_foresaw_is_a_bug_with_its_traceback_in_the_log(good: Folder, log: io.StringIO, monkeypatch):
    from spectral import produce

    good.scene("BAD", **bands())
    made = produce.item_of

    def broken(source, **keywords):
        if source["id"] == "BAD":
            raise KeyError("surprise")
        return made(source, **keywords)

    monkeypatch.setattr(produce, "item_of", broken)
    good.run(stream=log)
    assert good.products() == {"GOOD"}
    assert good.failures()["BAD"]["class"] == "bug"
    assert not list(good.output.glob("*/*/BAD/*"))
    assert "surprise" in log.getvalue()


def test_an_item_that_cannot_be_written_down_leaves_the_older_product_as_it_was(good: Folder):
    good.run()
    before = {path: path.read_bytes() for path in good.output.rglob("GOOD?*")}
    # As Python has an argument that is no UTF-8.
    good.run("NDVI,SR", collection="\udcff")
    assert "surrogates not allowed" in good.failures()["GOOD"]["reason"]
    (good.output / "failures/GOOD.json").unlink()
    assert {path: path.read_bytes() for path in good.output.rglob("GOOD?*")} == before


def test_a_full_disk_ends_the_shard(good: Folder, monkeypatch):
    good.scene("BAD", red=random_dn((300, 300)))
    monkeypatch.setattr(Staging, "free_bytes", lambda self: 1 << 20)
    with pytest.raises(UnfitInstance, match="disk is full"):
        good.run()


def test_a_disk_that_is_full_while_tiles_are_written_ends_the_shard(good: Folder, monkeypatch):
    """What the scene had written is gone by then, so the free space says nothing any more."""
    from spectral.draft import Draft

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Draft, "add", full)
    with pytest.raises(UnfitInstance, match="disk is full"):
        good.run()
    assert not list(good.output.rglob("GOOD*"))


def test_a_scene_that_works_at_last_leaves_no_failure(folder: Folder):
    item = folder.scene("LATE", red=random_dn((8, 8)))
    folder.run()
    assert set(folder.failures()) == {"LATE"}
    item["assets"]["nir"] = {"href": str(write(folder.root / "nir.tif", random_dn((8, 8))))}
    folder.add(item)
    folder.run()
    assert folder.failures() == {}
    assert folder.products() == {"LATE"}


def test_nothing_but_the_output_is_left_behind(good: Folder):
    good.scene("BAD", red=random_dn((8, 8)))
    good.run()
    assert sorted(path.name for path in good.root.iterdir()) == ["imagery", "input", "output"]
    assert sorted(path.name for path in good.output.iterdir()) == ["2026", "failures"]


def test_an_output_that_cannot_be_written_is_an_unfit_instance(good: Folder):
    good.output.write_text("a file")
    with pytest.raises(UnfitInstance, match="can't be written"):
        good.run()


def test_nan_in_the_pixels_is_nodata(folder: Folder):
    red = np.full((4, 4), 2000, np.float32)
    red[0, 0] = np.nan
    folder.scene(red=red, nir=np.full((4, 4), 4000, np.float32))
    folder.run()
    assert np.isnan(folder.values()).sum() == 1
