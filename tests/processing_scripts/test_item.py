"""The product's Item: valid STAC, true to its files, and the last thing to appear."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer
from pystac.validation import validate_dict
from spectral.failures import InputFailure
from spectral.item import EXTENSIONS
from spectral.moments import in_utc, instant, year_and_month

from geocadence.instants import parse_instant
from tests.offline_validator import TOOLS, stac_valid
from tests.processing_scripts.factory import Folder, random_dn, write


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
    subprocess.run([TOOLS / "rustac", "validate", core], check=True)
    assert item["stac_version"] == "1.1.0"
    assert set(item["stac_extensions"]) == set(EXTENSIONS.values())


def test_stac_valid_passes_it_offline(product: Folder):
    (item,) = product.output.glob("*/*/S2X/S2X.json")
    done = stac_valid(item)
    assert done.returncode == 0, done.stdout
    broken = product.root / "broken.json"
    broken.write_text(json.dumps({**product.item(), "bbox": [1, 2, 3]}))
    assert stac_valid(broken).returncode == 1


def test_extension_fields_go_by_names_that_the_field_has_a_list_of(product: Folder):
    """Radiant Earth's stac-fields, which pystac brings along; the schemas refuse any other name behind their prefix."""
    known = json.loads((Path(pystac.__file__).parent / "static/fields-normalized.json").read_text())["metadata"]
    prefixes = tuple(EXTENSIONS)
    found = set()

    def look(part) -> None:
        for name, value in part.items() if isinstance(part, dict) else ():
            found.update({name} if name.startswith(prefixes) else ())
            look(value)
        for value in part if isinstance(part, list) else ():
            look(value)

    look(product.item())
    assert len(found) > 15
    assert found <= set(known)


def test_extension_fields_are_of_the_kinds_that_their_schemas_ask_for(product: Folder):
    """What the schemas of projection 2.0.0, raster 2.0.0, processing 1.2.0, file 2.1.0, eo 2.0.0 and grid 1.1.0 demand
    of these fields. The schemas themselves are on the internet only; docs/scripts.md says how to check against them."""
    item = product.item()
    properties = item["properties"]
    assert not {"proj:epsg", "raster:bands", "eo:bands"} & {
        *properties,
        *(f for a in item["assets"].values() for f in a),
    }
    assert len(properties["proj:shape"]) == 2
    assert len(properties["proj:transform"]) in (6, 9)
    assert set(properties["proj:centroid"]) == {"lat", "lon"}
    assert all(isinstance(version, str) for version in properties["processing:software"].values())
    assert {"processing:lineage", "processing:version", "processing:level"} <= set(properties)
    assert re.fullmatch(r"[A-Z0-9]+-[-_.A-Za-z0-9]+", properties["grid:code"])
    for asset in item["assets"].values():
        assert re.fullmatch(r"[a-f0-9]+", asset["file:checksum"])
        assert isinstance(asset["file:size"], int)
        if "processing:expression" in asset:
            assert set(asset["processing:expression"]) == {"format", "expression"}
        for band in asset.get("bands", []):
            assert band["raster:sampling"] in ("area", "point")
            assert band["raster:spatial_resolution"] == 10
            assert set(band["statistics"]) <= {"minimum", "maximum", "mean", "stddev", "count", "valid_percent"}
            if histogram := band.get("raster:histogram"):
                assert set(histogram) == {"count", "min", "max", "buckets"}
                assert len(histogram["buckets"]) == histogram["count"] >= 3
                assert all(isinstance(bucket, int) for bucket in histogram["buckets"])


def test_pystac_reads_its_extensions(product: Folder):
    item = pystac.Item.from_dict(product.item())
    assert item.ext.proj.code == "EPSG:32629"
    assert item.ext.proj.shape == [60, 80]
    assert item.ext.proj.transform == [10, 0, 600_000, 0, -10, 4_280_000]
    assert item.ext.proj.bbox == [600_000, 4_279_400, 600_800, 4_280_000]
    longitude, latitude = Transformer.from_crs(32629, 4326, always_xy=True).transform(600_400, 4_279_700)
    assert item.ext.proj.centroid == {"lat": pytest.approx(latitude), "lon": pytest.approx(longitude)}
    assert item.ext.eo.cloud_cover == 12.5
    assert item.ext.grid.code == "MGRS-29SPC"


def test_size_and_checksum_are_those_of_the_files(product: Folder):
    (folder,) = product.output.glob("*/*/S2X")
    for asset in product.item()["assets"].values():
        content = (folder / asset["href"]).read_bytes()
        assert asset["file:size"] == len(content)
        assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()


def test_statistics_are_of_the_numbers_in_the_file(product: Folder):
    """https://github.com/stac-extensions/raster: "minimum value of the pixels"; `scale` makes of a pixel its value."""
    for part in ("ndvi", "evi", "sr"):
        with rasterio.open(product.product(part=part)) as dataset:
            valid = dataset.read(1, masked=True).compressed().astype(np.float64)
        (band,) = product.item()["assets"][part]["bands"]
        found = band["statistics"]
        assert found["count"] == valid.size
        assert found["valid_percent"] == pytest.approx(75.0)
        expected = valid.min(), valid.max(), valid.mean(), valid.std()
        assert [found[key] for key in ("minimum", "maximum", "mean", "stddev")] == pytest.approx(
            expected, rel=1e-6, abs=0.005
        )
        assert band["geocadence:percentiles"]["p50"] == pytest.approx(
            np.quantile(valid, 0.5, method="inverted_cdf"), rel=0 if band["data_type"] == "int16" else 0.004
        )
    (band,) = product.item()["assets"]["ndvi"]["bands"]
    with rasterio.open(product.product()) as dataset:
        stored = dataset.read(1, masked=True)
    histogram = band["raster:histogram"]
    assert sum(histogram["buckets"]) == stored.count()
    assert (histogram["min"], histogram["max"]) == (stored.min(), stored.max() + 1)


def test_percentiles_and_histogram_of_an_unbounded_index(folder: Folder):
    """float32 has no bounds: percentiles to 0.4 %, the histogram between the outer ones."""
    random = np.random.default_rng(6)
    red, nir = random.integers(1001, 4000, (2, 300, 200), dtype=np.uint16)
    red[0, 0], nir[0, 0] = 1001, 9000  # 8000
    folder.scene(red=red, nir=nir)
    folder.run("SR,LOW=R-N")
    for part in ("sr", "low"):
        values = np.sort(folder.values(part=part).ravel())
        (band,) = folder.item()["assets"][part]["bands"]
        for name, found in band["geocadence:percentiles"].items():
            expected = np.quantile(values, int(name[1:]) / 100, method="inverted_cdf")
            assert found == pytest.approx(expected, rel=0.004)
        histogram = band["raster:histogram"]
        low, high = histogram["min"], histogram["max"]
        assert (low, high) == (band["geocadence:percentiles"]["p2"], band["geocadence:percentiles"]["p98"])
        assert sum(histogram["buckets"]) == pytest.approx(0.96 * values.size, rel=0.01)
        upper_half = sum(histogram["buckets"][20:])
        assert upper_half == pytest.approx(np.count_nonzero((values > (low + high) / 2) & (values <= high)), rel=0.03)


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


def test_a_raster_outside_of_its_coordinate_system_has_no_outline_and_is_a_product_all_the_same(folder: Folder):
    item = folder.scene(red=random_dn((4, 4)), nir=random_dn((4, 4)), add=False)
    for key, asset in item["assets"].items():
        asset["href"] = str(write(folder.root / f"{key}.tif", random_dn((4, 4)), west=1e12))
    folder.add({**item, "geometry": None, "bbox": None})
    folder.run()
    assert folder.failures() == {}
    assert folder.item()["geometry"] is None
    assert "proj:centroid" not in folder.item()["properties"]


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
        ("2026-04-26T11:21:09.024Z", "2026-04-26T11:21:09.024Z"),
        ("2026-04-26 11:21:09.024000123+00:00", "2026-04-26T11:21:09.024000123Z"),
        ("2026-01-01T00:30:00+02:00", "2025-12-31T22:30:00Z"),
        ("2026-01-01t00:30+0200", "2025-12-31T22:30:00Z"),
        ("2026-06-01", "2026-06-01T00:00:00Z"),
        ("0987-06-01T00:00:00Z", "0987-06-01T00:00:00Z"),
    ],
)
def test_moments_are_written_in_utc(moment, expected):
    assert in_utc(moment) == expected
    assert year_and_month({"datetime": moment}) == f"{expected[:4]}/{expected[5:7]}"
    assert year_and_month({"datetime": None, "start_datetime": moment}) == f"{expected[:4]}/{expected[5:7]}"


@pytest.mark.parametrize("moment", [None, "", "2026", "2026-13-01T00:00:00Z", "../../x", 5, "٢٠٢٦-04-26T11:21:09Z"])
def test_no_moment_is_a_failure_of_the_input(moment):
    with pytest.raises(InputFailure, match="datetime"):
        year_and_month({"datetime": moment})


@given(
    st.one_of(
        st.from_regex(r"\A\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,10})?)?([Zz]|[+-]\d\d:?\d\d)?)?\Z"),
        st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
        st.text(max_size=30),
    )
)
def test_a_moment_is_one_here_exactly_when_it_is_one_to_the_plan(text):
    """The script imports nothing of geocadence; a rule of its own would let the two disagree on what a scene is."""
    try:
        expected = parse_instant(text)
    except ValueError:
        expected = None
    assert instant(text) == expected


def test_a_span_of_time_is_kept_only_whole(folder: Folder):
    bands = {"red": random_dn((4, 4)), "nir": random_dn((4, 4))}
    start, end = "2026-04-26T11:00:00Z", "2026-04-26T12:00:00Z"
    folder.scene("WHOLE", **bands, properties={"datetime": None, "start_datetime": start, "end_datetime": end})
    folder.scene("HALF", **bands, properties={"datetime": None, "start_datetime": start})
    folder.run()
    whole, half = (folder.item(name)["properties"] for name in ("WHOLE", "HALF"))
    assert (whole["datetime"], whole["start_datetime"], whole["end_datetime"]) == (None, start, end)
    assert half["datetime"] == start
    assert "start_datetime" not in half
    for name in ("WHOLE", "HALF"):
        validate_dict(folder.item(name), extensions=[])


def test_the_source_is_linked_only_where_the_link_leads_somewhere(folder: Folder):
    item = folder.scene(red=random_dn((4, 4)), nir=random_dn((4, 4)), add=False)
    folder.add(
        {**item, "links": [{"rel": "self", "href": "./S2X.json"}, {"rel": "canonical", "href": "s3://b/S2X.json"}]}
    )
    folder.run()
    assert [link["href"] for link in folder.item()["links"]] == ["s3://b/S2X.json"]


@pytest.mark.parametrize("count", [1, 7, 10, 51, 100])
def test_percentiles_are_values_that_occur(count: int):
    """The least one that so many percent do not exceed: numpy's inverted distribution."""
    from spectral.statistics import PERCENTILES, Statistics

    values = np.random.default_rng(count).integers(-9000, 9000, (1, count)).astype(np.int16)
    statistics = Statistics(packed=True)
    statistics.add(statistics.tally(values), 0)
    expected = {f"p{p}": int(np.percentile(values, p, method="inverted_cdf")) for p in PERCENTILES}
    assert statistics.result()["percentiles"] == expected
