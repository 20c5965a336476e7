"""What a run leaves behind: valid COGs with the right numbers, a STAC collection, a report."""

from __future__ import annotations

import io
import json
from pathlib import Path

import boto3
import numpy as np
import pystac
import pytest
import rasterio
from rasterio.io import MemoryFile
from rio_cogeo import cog_validate

from tests.end_to_end.conftest import Deployed

MASKED_CLASSES = (0, 1, 3, 8, 9, 10)


@pytest.fixture(scope="module")
def products(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything below the pipeline's output prefix, as files."""
    ended = deployed.run("e2e-scenes")
    assert ended["output"]["outcome"] in ("complete", "empty"), ended
    folder = tmp_path_factory.mktemp("products")
    for key in deployed.keys("e2e-scenes/"):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(deployed.read(f"e2e-scenes/{key}"))
    return folder


def test_every_scene_has_a_valid_cog_whose_ndvi_is_the_independent_one(deployed: Deployed, products: Path):
    for item in deployed.items:
        (path,) = products.glob(f"*/*/{item['id']}/{item['id']}_ndvi.tif")
        valid, errors, warnings = cog_validate(path, strict=True)
        assert valid, (errors, warnings)
        with rasterio.open(path) as dataset:
            stored = dataset.read(1)
            found = np.where(stored == dataset.nodata, np.nan, stored * dataset.scales[0] + dataset.offsets[0])
        expected = independent_ndvi(item)
        assert np.array_equal(np.isnan(found), np.isnan(expected)), item["id"]
        assert np.nanmax(np.abs(found - expected)) <= 6e-5, item["id"]


def test_the_catalogue_is_one_that_pystac_reads_down_to_every_asset(deployed: Deployed, products: Path):
    collection = pystac.Collection.from_file(str(products / "collection.json"))
    items = list(collection.get_items())
    assert {item.id for item in items} == {item["id"] for item in deployed.items}
    for item in items:
        assert item.collection_id == collection.id == "e2e-scenes"
        for asset in item.get_assets().values():
            assert Path(asset.get_absolute_href()).exists()


def test_run_and_report_tell_of_every_scene(deployed: Deployed, products: Path):
    told = set()
    for run in products.glob("runs/*/run.json"):
        scenes = {scene["id"] for scene in json.loads(run.read_text())["scenes"]}
        page = (run.parent / "report.html").read_text()
        assert [scene for scene in scenes if scene not in page] == []
        told |= scenes
    assert told == {item["id"] for item in deployed.items}


def test_one_bad_scene_does_not_stop_the_others(deployed: Deployed):
    ended = deployed.run("e2e-flawed")
    output = ended["output"]
    assert (output["outcome"], output["planned"], output["produced"], output["failed"]) == ("partial", 3, 1, 2)
    failures = deployed.keys(f"e2e-flawed/runs/{output['run_id']}/failures/")
    assert len(failures) == 2
    for key in failures:
        told = json.loads(deployed.read(f"e2e-flawed/runs/{output['run_id']}/failures/{key}"))
        assert told["class"] == "input", told


def independent_ndvi(item: dict) -> np.ndarray:
    """NDVI in float64 straight from the stored numbers, written without a look at the script.

    The offset is decided by how the sample was made: pixels carry it unless the baseline is before 04.00 or
    the catalogue says that it has been taken off.
    """
    red, nir, classes = (read(item["assets"][key]["href"]).astype("float64") for key in ("red", "nir", "scl"))
    properties = item["properties"]
    taken_off = properties.get("earthsearch:boa_offset_applied") or float(properties["s2:processing_baseline"]) < 4
    offset = 0.0 if taken_off else -0.1
    classes = classes.repeat(2, axis=0).repeat(2, axis=1)[: red.shape[0], : red.shape[1]]
    unusable = (red == 0) | (nir == 0) | (red == 65535) | (nir == 65535) | np.isin(classes, MASKED_CLASSES)
    red, nir = red / 10_000 + offset, nir / 10_000 + offset
    unusable |= (red <= 0) | (nir <= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(unusable, np.nan, (nir - red) / (nir + red))


def read(href: str) -> np.ndarray:
    bucket, _, key = href.removeprefix("s3://").partition("/")
    body = io.BytesIO(boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    with MemoryFile(body) as memory, memory.open() as dataset:
        return dataset.read(1)
