"""Scripts that know no STAC, over new scenes only: what they leave becomes products, and nothing is made twice."""

from __future__ import annotations

import json

import boto3
import duckdb
import numpy as np
import pystac
from pystac.validation import validate_dict
from rasterio.io import MemoryFile

from geocadence.instants import parse_instant
from geocadence.layout import product_folder
from tests.end_to_end.conftest import Deployed
from tests.end_to_end.scenes.conftest import LATE_NIR


def read(content: bytes) -> np.ma.MaskedArray:
    with MemoryFile(content) as memory, memory.open() as dataset:
        return dataset.read(1, masked=True)


def folder_of(pipeline: str, item: dict) -> str:
    return product_folder(pipeline, item["id"], parse_instant(item["properties"]["datetime"]))


def table(deployed: Deployed, pipeline: str, tmp_path) -> dict[str, str]:
    """Ids of items.parquet, and where the first asset of each is."""
    path = tmp_path / "items.parquet"
    path.write_bytes(deployed.read(f"{pipeline}/items.parquet"))
    return dict(duckdb.read_parquet(str(path)).project("id, assets.ndvi.href").fetchall())


def test_awss_guide_runs_unchanged_over_new_scenes_and_over_none_twice(deployed: Deployed, tmp_path) -> None:
    first = deployed.run("e2e-guide")
    assert first["status"] == "SUCCEEDED", first.get("cause")
    output = first["output"]
    assert (output["outcome"], output["produced"], output["failed"]) == ("complete", output["planned"], 0)
    assert output["planned"] > 1

    links = json.loads(deployed.read("e2e-guide/collection.json"))["links"]
    paths = [link["href"] for link in links if link["rel"] == "item"]
    assert len(paths) == output["planned"]
    by_id = {item["id"]: item for item in deployed.items}
    rows = table(deployed, "e2e-guide", tmp_path)
    for path in paths:
        item = json.loads(deployed.read(f"e2e-guide/{path.removeprefix('./')}"))
        validate_dict(item, extensions=[])
        source, scene = by_id[item["id"]], item["id"]
        folder = folder_of("e2e-guide", source)
        assert deployed.keys(folder) == {f"{scene}.json", f"ndvi_{scene}.tif"}
        assert rows[scene] == f"s3://{deployed.output_bucket}/{folder}ndvi_{scene}.tif"
        assert pystac.Item.from_dict(item).collection_id == "e2e-guide"
        found = read(deployed.read(f"{folder}ndvi_{scene}.tif"))
        red, nir = (pixels(source, band).astype("float64") for band in ("red", "nir"))
        expected = (nir - red) / (nir + red)
        np.testing.assert_allclose(np.ma.masked_invalid(found).compressed(), expected.compressed(), rtol=1e-5)
        (band,) = item["assets"]["ndvi"]["bands"]
        assert abs(band["statistics"]["mean"] - expected.mean()) < 1e-5
    assert len(rows) == len(paths)
    assert not [key for key in deployed.keys("e2e-guide/") if "/" not in key and key.endswith(".tif")], (
        "nothing is left flat"
    )

    again = deployed.run("e2e-guide")
    assert (again["output"]["outcome"], again["output"]["planned"]) == ("empty", 0)
    assert len(deployed.jobs("e2e-guide-")) == 1


def pixels(item: dict, band: str) -> np.ma.MaskedArray:
    bucket, _, key = item["assets"][band]["href"].removeprefix("s3://").partition("/")
    return read(boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


def test_a_scene_that_failed_is_all_that_the_next_run_takes(deployed: Deployed, tmp_path) -> None:
    first = deployed.run("e2e-files")
    output = first["output"]
    assert (output["outcome"], output["planned"], output["produced"], output["failed"]) == ("partial", 3, 2, 1), first
    run = json.loads(deployed.read(f"e2e-files/runs/{output['run_id']}/run.json"))
    (lost,) = [scene for scene in run["scenes"] if scene["status"] == "failed"]
    assert "patient.py ended without an error and left no file" in lost["failure"]["reason"]
    assert lost["id"] not in table(deployed, "e2e-files", tmp_path)

    source = next(item for item in deployed.items if item["id"] == lost["id"])
    bucket, _, key = source["assets"]["nir"]["href"].removeprefix("s3://").partition("/")
    boto3.client("s3").copy_object(
        Bucket=deployed.input_bucket, Key=LATE_NIR, CopySource={"Bucket": bucket, "Key": key}
    )
    second = deployed.run("e2e-files")
    output = second["output"]
    assert (output["outcome"], output["planned"], output["produced"], output["skipped"]) == ("complete", 1, 1, 2), (
        second
    )
    assert len(table(deployed, "e2e-files", tmp_path)) == 3
    folder, scene = folder_of("e2e-files", source), lost["id"]
    assert deployed.keys(folder) == {f"{scene}.json", f"{scene}.csv", f"{scene}/ndvi.tif"}
    item = json.loads(deployed.read(f"{folder}{scene}.json"))
    validate_dict(item, extensions=[])
    assert set(item["assets"]) == {"ndvi", "data"}
    assert deployed.run("e2e-files")["output"]["outcome"] == "empty"
