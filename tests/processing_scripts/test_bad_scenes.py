"""One bad scene is one failure file: the others go on, and nothing lands outside of the output folder."""

from __future__ import annotations

import errno
import io
import json
import math
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from spectral import failures
from spectral.failures import InputFailure, UnfitInstance, check_id, file_name_for
from spectral.staging import Staging

from geocadence import scene_ids
from tests.processing_scripts.factory import NORTH, WEST, Folder, random_dn, write


@pytest.fixture
def good(folder: Folder) -> Folder:
    """A folder with a scene that works."""
    folder.scene("GOOD", red=random_dn((300, 300), seed=1), nir=random_dn((300, 300), seed=2))
    return folder


def bands():
    return {"red": random_dn((300, 300), seed=1), "nir": random_dn((300, 300), seed=2)}


def only_failure(folder: Folder) -> dict[str, str]:
    """The one failure there is, after checking that the good scene made it."""
    folder.run()
    assert folder.products() == {"GOOD"}
    ((_, record),) = folder.failures().items()
    assert set(record) == {"scene", "class", "reason"}
    return record


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
    "scene_id",
    ["../escaped", "a/b", "/etc/passwd", "", "x" * 300, "..", ".", "-rf", "a\nb", "a\x00b", "\ud800", None, 7, ["x"]],
)
def test_a_hostile_id(good: Folder, scene_id):
    item = good.scene("BAD", **bands(), add=False)
    before = set(good.root.rglob("*")) | {good.input / "hostile.json", good.output}
    good.add({**item, "id": scene_id}, name="hostile")
    record = only_failure(good)
    assert record["class"] == "input"
    after = {path for path in good.root.rglob("*") if good.output not in path.parents}
    assert after <= before
    (file,) = good.output.glob("failures/*")
    assert file.parent == good.output / "failures"
    assert len(file.name) < 120


@pytest.mark.parametrize("scene_id", ["S2B_T29SPC_20260426T112109_L2A", "LC09_L2SP_203033", "a", "x" * 181])
def test_usual_ids_are_kept(scene_id):
    assert check_id(scene_id) == file_name_for(scene_id) == scene_id


@pytest.mark.parametrize("scene_id", ["a", "x" * 181, "x" * 182, "urn:x:1", "_x", ".x", "-x", "a=b", "a~b", "é", "a\n"])
def test_an_id_is_safe_here_exactly_when_it_is_safe_to_the_plan(scene_id):
    """The script imports nothing of geocadence; a rule of its own would let the two disagree on what is done."""
    assert (failures._SAFE_ID.pattern, failures._SAFE_ID.flags) == (scene_ids._SAFE.pattern, scene_ids._SAFE.flags)
    assert (file_name_for(scene_id) == scene_id) == scene_ids.is_safe_id(scene_id)
    with nullcontext() if scene_ids.is_safe_id(scene_id) else pytest.raises(InputFailure):
        check_id(scene_id)


def test_names_of_different_bad_ids_differ():
    assert (
        len({file_name_for(scene_id) for scene_id in ("a/b", "a b", "a_b", "a\\b", "../a_b", "x" * 300, "x" * 301)})
        == 7
    )


@pytest.mark.parametrize("target", ["../x.json", "/tmp/x.json", "a/../../x.json", ".", ""])
def test_nothing_is_placed_outside(tmp_path: Path, target):
    with Staging(tmp_path / "output") as staging, pytest.raises(ValueError, match="outside"):
        staging.place_json({}, target)


def test_a_link_does_not_lead_outside(tmp_path: Path):
    (tmp_path / "output").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "output" / "2026").symlink_to(tmp_path / "elsewhere")
    with Staging(tmp_path / "output") as staging, pytest.raises(ValueError, match="outside"):
        staging.place_json({}, "2026/x.json")


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe", b"[" * 100_000, b"[1]", b'{"type": "Feature"}', b"null"])
def test_a_file_that_holds_no_scene(good: Folder, content):
    (good.input / "broken.json").write_bytes(content)
    record = only_failure(good)
    assert (record["scene"], record["class"]) == ("broken", "input")
    assert "broken.json" in record["reason"]


def test_an_unreadable_file_named_like_a_scene_keeps_its_own_failure(good: Folder):
    """Whatever becomes of the scene: a product would take the failure away, a failure would write over it."""
    good.scene("BAD", red=random_dn((8, 8)))
    for scene_id in ("GOOD", "BAD"):
        good.add(json.loads((good.input / f"{scene_id}.json").read_text()), f"elsewhere/{scene_id.lower()}")
        (good.input / f"{scene_id}.json").write_text("{")
    summary = good.run()
    assert good.products() == {"GOOD"}
    failures = good.failures()
    assert set(failures) == {"BAD", "BAD.json", "GOOD.json"}
    assert "no band N" in failures["BAD"]["reason"]
    for name in ("BAD.json", "GOOD.json"):
        assert failures[name]["scene"] == name
        assert f"{name} can't be read as JSON" in failures[name]["reason"]
    assert "3 failed (3 input)" in summary


def test_a_file_with_several_entries_that_are_no_scenes_is_one_failure(good: Folder):
    good.add([1, {"a": 1}, None], "list")
    assert "1 failed (1 input)" in good.run()
    assert "list.json holds 3 entries that are neither" in good.failures()["list"]["reason"]


def test_a_folder_with_the_name_of_a_file_is_no_failure(good: Folder):
    (good.input / "folder.json").mkdir()
    good.run()
    assert good.failures() == {}


def test_a_number_for_an_id_takes_nothing_from_the_scene_whose_id_looks_like_it(folder: Folder):
    item = folder.scene("7", **bands(), add=False)
    folder.add({**item, "id": 7}, "a")
    folder.add(item, "b")
    folder.run()
    assert folder.products() == {"7"}
    ((name, failure),) = folder.failures().items()
    assert name.startswith("int_7-")
    assert "The scene's id 7 can't name a file" in failure["reason"]


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
