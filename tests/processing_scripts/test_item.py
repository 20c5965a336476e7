"""The product's Item: valid STAC, true to its files, and the last thing to appear."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pystac
import pytest
from pystac.validation import validate_dict
from spectral.failures import InputFailure
from spectral.item import EXTENSIONS, year_and_month

from tests.processing_scripts.factory import Folder, random_dn


@pytest.fixture
def product(folder: Folder) -> Folder:
    red, nir = random_dn((60, 80), seed=1), random_dn((60, 80), seed=2)
    red[:15] = 0
    properties = {"eo:cloud_cover": 12.5, "platform": "sentinel-2b", "grid:code": "MGRS-29SPC", "gsd": 10}
    folder.scene(red=red, nir=nir, blue=random_dn((60, 80), seed=3), scl=np.full((30, 40), 4), properties=properties)
    folder.run("NDVI,EVI,SR", collection="ndvi-weekly")
    return folder


def test_it_is_a_valid_stac_1_1_item(product: Folder):
    """Against the core schemas, offline: pystac and rustac each bring their own copy."""
    item = product.item()
    validate_dict(item, extensions=[])
    core = product.root / "core.json"
    core.write_text(json.dumps({**item, "stac_extensions": []}))
    subprocess.run([Path(sys.executable).with_name("rustac"), "validate", core], check=True)
    assert item["stac_version"] == "1.1.0"
    assert set(item["stac_extensions"]) == set(EXTENSIONS.values())


def test_stac_validator_finds_no_fault_with_it_and_its_extensions(product: Folder):
    try:
        socket.create_connection(("schemas.stacspec.org", 443), timeout=3).close()
    except OSError:
        pytest.skip("the extensions' schemas are on the internet only")
    (path,) = product.output.glob("*/*/*/S2X.json")
    command = [Path(sys.executable).with_name("stac-validator"), "validate", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_pystac_reads_its_extensions(product: Folder):
    item = pystac.Item.from_dict(product.item())
    assert item.ext.proj.code == "EPSG:32629"
    assert item.ext.proj.shape == [60, 80]
    assert item.ext.proj.transform == [10, 0, 600_000, 0, -10, 4_280_000]
    assert item.ext.proj.bbox == [600_000, 4_279_400, 600_800, 4_280_000]
    assert item.ext.eo.cloud_cover == 12.5
    assert item.ext.grid.code == "MGRS-29SPC"


def test_size_and_checksum_are_those_of_the_files(product: Folder):
    (folder,) = product.output.glob("*/*/S2X")
    for asset in product.item()["assets"].values():
        content = (folder / asset["href"]).read_bytes()
        assert asset["file:size"] == len(content)
        assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()


def test_statistics_are_those_of_the_stored_values(product: Folder):
    for part in ("ndvi", "evi", "sr"):
        values = product.values(part=part)
        valid = values[~np.isnan(values)]
        (band,) = product.item()["assets"][part]["bands"]
        found = band["statistics"]
        assert found["count"] == valid.size
        assert found["valid_percent"] == pytest.approx(75.0)
        expected = valid.min(), valid.max(), valid.mean(), valid.std()
        tolerance = 1e-6 * max(1, valid.max())
        assert [found[key] for key in ("minimum", "maximum", "mean", "stddev")] == pytest.approx(
            expected, abs=tolerance
        )
    (band,) = product.item()["assets"]["ndvi"]["bands"]
    values = np.sort(product.values()[15:].ravel())
    assert band["geocadence:percentiles"]["p50"] == pytest.approx(np.quantile(values, 0.5, method="inverted_cdf"))
    assert sum(band["raster:histogram"]["buckets"]) == values.size


def test_it_keeps_what_still_holds_and_points_to_its_source(product: Folder):
    item = product.item()
    assert item["properties"]["datetime"] == "2026-04-26T11:21:09.024Z"
    assert item["properties"]["platform"] == "sentinel-2b"
    assert item["bbox"] == [-7.85, 38.66, -7.85, 38.66]
    links = {link["rel"]: link["href"] for link in item["links"]}
    assert links["derived_from"] == "https://example.com/items/S2X"
    assert links["collection"] == links["parent"] == "../../../collection.json"
    assert item["collection"] == "ndvi-weekly"
    assert item["assets"]["evi"]["geocadence:constants"] == {"g": 2.5, "C1": 6.0, "C2": 7.5, "L": 1.0}


def test_without_a_collection_it_links_to_none(folder: Folder):
    folder.scene(red=random_dn((4, 4)), nir=random_dn((4, 4)))
    folder.run()
    assert "collection" not in folder.item()
    assert [link["rel"] for link in folder.item()["links"]] == ["derived_from"]


def test_a_scene_without_geometry_gets_the_rasters_outline(folder: Folder):
    item = folder.scene(red=random_dn((4, 4)), nir=random_dn((4, 4)), add=False)
    folder.add({**item, "geometry": None, "bbox": None})
    folder.run()
    west, south, east, north = folder.item()["bbox"]
    assert -7.86 < west < east < -7.84
    assert 38.66 < south < north < 38.67


def test_numbers_that_are_none_stay_out(folder: Folder):
    item = folder.scene(red=random_dn((4, 4)), nir=random_dn((4, 4)), add=False)
    item["properties"]["eo:cloud_cover"] = float("nan")
    item["geometry"]["coordinates"] = [float("nan"), 1]
    folder.add(item)
    folder.run()
    assert folder.products() == {"S2X"}
    assert "eo:cloud_cover" not in folder.item()["properties"]
    assert folder.item()["geometry"]["type"] == "Polygon"


def test_a_scene_with_no_valid_pixel_still_makes_a_product(folder: Folder):
    folder.scene(red=np.zeros((600, 600)).astype(np.uint16), nir=np.zeros((600, 600)).astype(np.uint16))
    folder.run("NDVI,SR")
    for part in ("ndvi", "sr"):
        assert folder.item()["assets"][part]["bands"][0]["statistics"] == {"count": 0, "valid_percent": 0.0}
    validate_dict(folder.item(), extensions=[])


def test_the_item_is_put_in_place_last_and_taken_away_first(folder: Folder, monkeypatch):
    from spectral.staging import Staging

    folder.scene(red=random_dn((4, 4)), nir=random_dn((4, 4)))
    folder.run()
    seen = []
    place = Staging.place

    def watched(self, source, target):
        seen.append((Path(target).name, sorted(path.name for path in folder.output.rglob("S2X*") if path.is_file())))
        return place(self, source, target)

    monkeypatch.setattr(Staging, "place", watched)
    folder.run()
    assert [name for name, _ in seen] == ["S2X_ndvi.tif", "S2X_preview.png", "S2X.json"]
    assert all("S2X.json" not in present for _, present in seen)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-04-26T11:21:09.024Z", "2026/04"),
        ("2026-04-26T11:21:09Z", "2026/04"),
        ("2026-04-26 11:21:09.024000123+00:00", "2026/04"),
        ("2026-01-01T00:30:00+02:00", "2025/12"),
    ],
)
def test_year_and_month_are_utc(moment, expected):
    assert year_and_month({"datetime": moment}) == expected
    assert year_and_month({"datetime": None, "start_datetime": moment}) == expected


@pytest.mark.parametrize("moment", [None, "", "2026", "2026-13-01T00:00:00Z", "../../x", 5, "٢٠٢٦-04-26T11:21:09Z"])
def test_no_moment_is_a_failure_of_the_input(moment):
    with pytest.raises(InputFailure, match="datetime"):
        year_and_month({"datetime": moment})
