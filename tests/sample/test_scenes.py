"""The sample is the same every time, and has what makes real catalogues hard."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pystac.validation import validate_dict
from rio_cogeo import cog_validate

from sample.scenes import make_sample

AREA = Path(__file__).resolve().parents[2] / "pipelines" / "areas" / "alentejo.geojson"
BANDS = ("blue", "green", "red", "nir")


@pytest.fixture(scope="module")
def imagery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("imagery")


@pytest.fixture(scope="module")
def items(imagery: Path) -> list[dict]:
    return make_sample(imagery, href_prefix=f"{imagery}/")


def pixels(item: dict, key: str) -> np.ndarray:
    with rasterio.open(item["assets"][key]["href"]) as dataset:
        return dataset.read(1)


def test_a_second_sample_has_the_same_bytes(imagery: Path, items: list[dict], tmp_path: Path):
    # The prefix may lack its slash.
    again = make_sample(tmp_path, href_prefix=str(imagery))
    assert again == items
    assert items[0]["assets"]["red"]["href"] == f"{imagery}/{items[0]['id']}/B04.tif"
    files = [path.relative_to(imagery) for path in sorted(imagery.rglob("*.tif"))]
    assert len(files) == 5 * len(items)
    for file in files:
        assert (tmp_path / file).read_bytes() == (imagery / file).read_bytes()


def test_it_is_small(imagery: Path):
    assert sum(path.stat().st_size for path in imagery.rglob("*.tif")) < 30e6


def test_every_item_is_valid(items: list[dict], tmp_path: Path):
    """Against the core schemas of pystac and of rustac, offline."""
    for item in items:
        core = {**item, "stac_extensions": []}
        validate_dict({**core, "stac_version": "1.1.0", "links": [*item["links"], {"rel": "collection", "href": "c"}]})
        pystac_links = {**core, "links": [{"rel": "collection", "href": "https://example.com/c"}]}
        (tmp_path / "item.json").write_text(json.dumps(pystac_links))
        subprocess.run([Path(sys.executable).with_name("rustac"), "validate", tmp_path / "item.json"], check=True)


def test_ids_and_months_differ(items: list[dict]):
    assert len({item["id"] for item in items}) == len(items) == 7
    assert len({item["properties"]["datetime"][:7] for item in items}) >= 5


def test_every_raster_is_a_valid_cog_on_the_grid_that_its_item_tells(items: list[dict]):
    for item in items:
        for asset in item["assets"].values():
            assert cog_validate(asset["href"], strict=True, quiet=True)[0]
            with rasterio.open(asset["href"]) as dataset:
                assert [dataset.height, dataset.width] == asset["proj:shape"]
                assert list(dataset.transform[:6]) == asset["proj:transform"]
                assert dataset.crs.to_epsg() == item["properties"]["proj:epsg"]
                assert dataset.overviews(1)


def test_every_scene_lies_inside_the_pipelines_area(items: list[dict]):
    (ring,) = json.loads(AREA.read_text())["geometry"]["coordinates"]
    west, east = min(x for x, _ in ring), max(x for x, _ in ring)
    south, north = min(y for _, y in ring), max(y for _, y in ring)
    for item in items:
        assert west < item["bbox"][0] < item["bbox"][2] < east
        assert south < item["bbox"][1] < item["bbox"][3] < north


def test_metadata_tell_the_offset_in_all_the_ways_there_are(items: list[dict]):
    """In the pixels and told; from before 04.00; removed from the pixels, with raster:bands contradicting."""
    found = set()
    for item in items:
        band = item["assets"]["red"]["raster:bands"][0]
        properties = item["properties"]
        dark = np.percentile(pixels(item, "red")[pixels(item, "red") > 0], 1)
        told = (properties["s2:processing_baseline"] >= "04.00", band.get("offset"))
        found.add((*told, properties.get("earthsearch:boa_offset_applied"), bool(dark > 1000)))
    assert found == {(True, -0.1, None, True), (True, -0.1, True, False), (False, None, None, False)}


def test_there_are_clouds_shadows_and_a_swath_edge_and_the_classes_say_so(items: list[dict]):
    classes = set()
    for item in items:
        scl, red = pixels(item, "scl"), pixels(item, "red")
        classes |= set(np.unique(scl).tolist())
        covered = np.repeat(np.repeat(scl, 2, axis=0), 2, axis=1)[: red.shape[0], : red.shape[1]]
        assert np.mean((red == 0) != (covered == 0)) < 0.01
        if (covered == 9).any():
            assert red[covered == 9].mean() > 2 * red[(covered == 4) | (covered == 5)].mean()
        expected = 100 * np.isin(scl, (8, 9, 10)).sum() / (scl != 0).sum()
        assert item["properties"]["eo:cloud_cover"] == pytest.approx(expected, abs=0.5)
    assert {0, 3, 4, 5, 8, 9, 10} <= classes


def test_one_scene_has_an_odd_number_of_pixels(items: list[dict]):
    odd = [item for item in items if item["assets"]["red"]["proj:shape"][0] % 2]
    assert [item["assets"]["scl"]["proj:shape"] for item in odd] == [[278, 278]]


def test_the_year_shows(items: list[dict]):
    """Fields are green in spring and dry in June; woods stay."""
    ndvi = {}
    for item in items:
        if "29SNC" not in item["id"]:
            continue
        offset = 1000 if item["assets"]["red"]["raster:bands"][0].get("offset") else 0
        offset = 0 if item["properties"].get("earthsearch:boa_offset_applied") else offset
        red, nir = (pixels(item, key).astype(float) - offset for key in ("red", "nir"))
        clear = np.repeat(np.repeat(np.isin(pixels(item, "scl"), (4, 5)), 2, axis=0), 2, axis=1)
        values = ((nir - red) / (nir + red))[clear]
        ndvi[item["properties"]["datetime"][:7]] = np.percentile(values, [25, 90])
    assert ndvi["2026-03"][0] - ndvi["2026-06"][0] > 0.2
    assert abs(ndvi["2026-03"][1] - ndvi["2026-06"][1]) < 0.1
