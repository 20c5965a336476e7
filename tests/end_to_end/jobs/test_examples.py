"""The examples' scripts run as they stand, by the state machine, with what their images lack brought along."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest

from examples.made_up_data import RASTERS, SCENES, bands, classes
from tests.end_to_end.conftest import Deployed
from tests.end_to_end.examples import BUCKET, ROOT, read_tiff


def log_of(job: str) -> list[dict]:
    """The launcher's lines in the logs of a job's hosts."""
    logs = boto3.client("logs")
    group = "/aws/sagemaker/ProcessingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{job}/")["logStreams"]
    events = [
        event["message"]
        for stream in streams
        for event in logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    ]
    return [json.loads(line) for line in events if line.startswith('{"time"')]


def test_a_script_in_the_manner_of_awss_guide_runs_as_it_is(deployed: Deployed) -> None:
    ended = deployed.run("ndvi-of-search-results")
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert ended["output"]["outcome"] == "complete"
    assert ended["output"]["planned"] == 3
    products = deployed.keys("ndvi-of-search-results/") & {f"ndvi_{scene}.tif" for scene in SCENES}
    assert len(products) == 3
    for n, scene in enumerate(SCENES):
        red, nir = (np.ma.masked_equal(band, 0).astype("float64") for band in bands(n))
        found = read_tiff(deployed.read(f"ndvi-of-search-results/ndvi_{scene}.tif"))
        found = np.ma.masked_invalid(found)
        np.testing.assert_allclose(found.compressed(), ((nir - red) / (nir + red)).compressed(), rtol=1e-6)
    (job,) = deployed.jobs("ndvi-of-search-results")
    described = boto3.client("sagemaker").describe_processing_job(ProcessingJobName=job["ProcessingJobName"])
    cluster = described["ProcessingResources"]["ClusterConfig"]
    assert cluster["InstanceCount"] == 3, "4 were asked for, and the search found 3 scenes"
    said = [line for line in log_of(job["ProcessingJobName"]) if line["event"] == "job"]
    assert sorted(line["host"] for line in said) == ["algo-1", "algo-2", "algo-3"]
    assert [line["inputs"]["input_data"]["files"] for line in said] == [1, 1, 1]
    assert {"python", "gdal", "rasterio", "numpy", "rioxarray"} <= set(said[0]["versions"])


def clear_ndvi(n: int) -> np.ndarray:
    """NDVI of scene `n`, by numpy alone; NaN where a band has no value or there is a cloud."""
    red, nir = (np.ma.masked_equal(band, 0).astype("float64") for band in bands(n))
    clouds = np.isin(np.kron(classes(), np.ones((2, 2))), (8, 9, 10))
    return np.ma.masked_where(clouds, (nir - red) / (nir + red)).filled(np.nan)


def test_a_script_with_positional_arguments_and_folders_of_its_own_runs_as_it_is(deployed: Deployed) -> None:
    ended = deployed.run("cloud-free-ndvi")
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    products = {key for key in deployed.keys("cloud-free-ndvi/") if not key.startswith("runs/")}
    assert products == {f"{scene}_nir_red.tif" for scene in SCENES}
    for n, scene in enumerate(SCENES):
        found = read_tiff(deployed.read(f"cloud-free-ndvi/{scene}_nir_red.tif")).filled(np.nan)
        np.testing.assert_allclose(found, clear_ndvi(n), rtol=1e-6)
    (job,) = deployed.jobs("cloud-free-ndvi")
    given = [line["inputs"] for line in log_of(job["ProcessingJobName"]) if line["event"] == "job"]
    assert sorted(each["input_data"]["files"] for each in given) == [1, 2]


def read_cube(content: bytes, path: Path) -> dict[str, Any]:
    """A netCDF file as xarray reads it, in the jobs' environment: this one has no xarray."""
    path.write_bytes(content)
    program = """
import json, sys, numpy, rioxarray, xarray
with xarray.open_dataset(sys.argv[1], engine="netcdf4", decode_coords="all") as cube:
    told = {name: numpy.where(numpy.isnan(cube[name]), None, cube[name]).tolist() for name in cube.data_vars}
    print(json.dumps(told | {"time": str(cube.time.values)[:19], "crs": cube.rio.crs.to_epsg()}))
"""
    command = [ROOT / ".local/container/bin/python", "-c", program, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_cubes_of_fields_on_every_instance_from_scenes_that_are_dealt_out(deployed: Deployed, tmp_path: Path) -> None:
    ended = deployed.run("data-cubes")
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    products = {key for key in deployed.keys("data-cubes/") if not key.startswith("runs/")}
    assert products == {f"west-{scene}.nc" for scene in SCENES}, "the east is under clouds, elsewhere is in no scene"
    for n, scene in enumerate(SCENES):
        cube = read_cube(deployed.read(f"data-cubes/west-{scene}.nc"), tmp_path / "cube.nc")
        assert (cube["time"], cube["crs"]) == (f"2026-03-{n + 1:02}T11:21:21", 4326)
        west = slice(0, 15)
        np.testing.assert_allclose(np.array(cube["ndvi"], float), clear_ndvi(n)[:, west], rtol=1e-6)
        np.testing.assert_array_equal(np.array(cube["nir"], float), bands(n)[1][:, west])
        np.testing.assert_array_equal(np.array(cube["scl"], float), np.kron(classes(), np.ones((2, 2)))[:, west])
    (job,) = deployed.jobs("data-cubes")
    given = [line["inputs"] for line in log_of(job["ProcessingJobName"]) if line["event"] == "job"]
    assert [each["objects"]["files"] for each in given] == [1, 1]
    assert sorted(each["input_data"]["files"] for each in given) == [1, 2]


def test_zonal_statistics_with_areas_on_every_instance_two_outputs_and_a_library_of_their_own(
    deployed: Deployed,
) -> None:
    ended = deployed.run("zonal-statistics")
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    for name, factor in RASTERS.items():
        table = deployed.read(f"zonal-statistics/statistics/{name}.csv").decode()
        rows = {row["name"]: row for row in csv.DictReader(io.StringIO(table))}
        assert {area: float(row["mean"]) for area, row in rows.items()} == pytest.approx(
            {"west": 10 * factor, "east": 30 * factor}
        )
        assert {area: float(row["count"]) for area, row in rows.items()} == pytest.approx({"west": 200, "east": 200})
        shown = json.loads(deployed.read(f"zonal-statistics/{name}.geojson"))
        assert [feature["properties"]["mean"] for feature in shown["features"]] == [10 * factor, 30 * factor]
    (job,) = deployed.jobs("zonal-statistics")
    lines = log_of(job["ProcessingJobName"])
    assert [line["used"] for line in lines if line["event"] == "libraries"] == [True, True]
    given = [line["inputs"] for line in lines if line["event"] == "job"]
    assert [each["areas"]["files"] for each in given] == [1, 1]
    assert sorted(each["input_data"]["files"] for each in given) == [1, 2]


def test_a_manifest_that_names_what_is_not_there_ends_the_run_before_a_job(deployed: Deployed) -> None:
    s3 = boto3.client("s3")
    before = s3.get_object(Bucket=BUCKET, Key="rasters/manifest.json")["Body"].read()
    jobs = deployed.jobs("zonal-statistics")
    s3.put_object(
        Bucket=BUCKET, Key="rasters/manifest.json", Body=json.dumps([*json.loads(before), "june.tif"]).encode()
    )
    try:
        ended = deployed.run("zonal-statistics")
    finally:
        s3.put_object(Bucket=BUCKET, Key="rasters/manifest.json", Body=before)
    assert (ended["status"], ended["error"]) == ("FAILED", "InvalidInput")
    assert f"s3://{BUCKET}/rasters/june.tif (not there)" in ended["cause"]
    assert deployed.jobs("zonal-statistics") == jobs
