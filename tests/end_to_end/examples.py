"""The examples as a user takes them over: with a bucket of theirs, and data in it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import rasterio
from rasterio.io import MemoryFile
from rasterio.transform import from_bounds

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "examples-of-a-user"
SCENES = ("S2A_1", "S2B_2", "S2C_3")
RASTERS = {"march": 1.0, "april": 2.0, "may": 4.0}


def put_examples(pipelines: Path) -> None:
    """Every example's definition with what lies beside it, the bucket's name being the one thing that changes."""
    for folder in (ROOT / "examples").iterdir():
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.suffix == ".yaml":
                (pipelines / path.name).write_text(path.read_text().replace("my-bucket", BUCKET))
            elif path.is_dir():
                shutil.copytree(path, pipelines / path.name)
            else:
                shutil.copy(path, pipelines)


def put_data() -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})

    def put(key: str, body: Any) -> None:
        s3.put_object(Bucket=BUCKET, Key=key, Body=body if isinstance(body, bytes) else json.dumps(body).encode())

    for n, scene in enumerate(SCENES):
        red, nir = bands(n)
        put(f"imagery/{scene}_red.tif", tiff(red))
        put(f"imagery/{scene}_nir.tif", tiff(nir))
        hrefs = {band: {"Href": f"s3://{BUCKET}/imagery/{scene}_{band}.tif"} for band in ("red", "nir")}
        put(f"search-results/{n}.json", [{"Id": scene, "Assets": hrefs}])
    for name, factor in RASTERS.items():
        put(f"rasters/{name}.tif", tiff(halves() * factor))
    names = [f"{name}.tif" for name in RASTERS]
    put("rasters/manifest.json", [{"prefix": f"s3://{BUCKET}/rasters/"}, *names])


def bands(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Red and near infrared of scene `n`; 0 is nodata."""
    red = np.random.default_rng(n).integers(100, 3000, (20, 30)).astype("uint16")
    nir = np.random.default_rng(n + 100).integers(100, 3000, (20, 30)).astype("uint16")
    red[0, 0] = 0
    return red, nir


def halves() -> np.ndarray:
    """10 west and 30 east of 8° W, the line between the examples' areas."""
    return np.where(np.arange(20) < 10, 10.0, 30.0)[None, :].repeat(20, axis=0).astype("float32")


def tiff(pixels: np.ndarray) -> bytes:
    """Over the two areas of the examples."""
    height, width = pixels.shape
    transform = from_bounds(-8.01, 38.0, -7.99, 38.02, width, height)
    settings = {"driver": "GTiff", "dtype": pixels.dtype, "crs": "EPSG:4326", "transform": transform, "nodata": 0}
    with MemoryFile() as memory:
        with memory.open(count=1, height=height, width=width, **settings) as dataset:
            dataset.write(pixels, 1)
        return memory.read()


def read_tiff(content: bytes) -> np.ma.MaskedArray:
    with MemoryFile(content) as memory, memory.open() as dataset:
        assert dataset.crs == rasterio.CRS.from_epsg(4326)
        return dataset.read(1, masked=True)
