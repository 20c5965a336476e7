"""The made-up data that the examples are run on: `python -m examples.made_up_data BUCKET` puts it into a bucket.

Three scenes and three rasters, 20 rows each, all over the two areas of the examples.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import boto3
import numpy as np
from botocore.exceptions import ClientError
from rasterio.io import MemoryFile
from rasterio.transform import from_bounds

SCENES = ("S2A_1", "S2B_2", "S2C_3")
RASTERS = {"march": 1.0, "april": 2.0, "may": 4.0}


def put_data(bucket: str) -> list[str]:
    """The keys of what is put there; a bucket that is not there is made."""
    s3 = boto3.client("s3")
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError:
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    given = dict(_scenes(bucket)) | dict(_rasters(bucket))
    for key, body in given.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body if isinstance(body, bytes) else json.dumps(body).encode())
    return list(given)


def _scenes(bucket: str) -> Any:
    """As search results and as STAC Items, which a manifest lists."""
    for n, scene in enumerate(SCENES):
        red, nir = bands(n)
        hrefs = {}
        for name, pixels in {"red": red, "nir": nir, "scl": classes()}.items():
            key = f"imagery/{scene}_{name}.tif"
            yield key, tiff(pixels)
            hrefs[name] = f"s3://{bucket}/{key}"
        day = f"2026-03-{n + 1:02}T11:21:21Z"
        result = {"Id": scene, "DateTime": day, "Assets": {name: {"Href": href} for name, href in hrefs.items()}}
        yield f"search-results/{n}.json", [result]
        item = {"id": scene, "properties": {"datetime": day}, "assets": {k: {"href": v} for k, v in hrefs.items()}}
        yield f"scenes/{scene}.json", item
    yield "scenes/manifest.json", [{"prefix": f"s3://{bucket}/scenes/"}, *(f"{scene}.json" for scene in SCENES)]


def _rasters(bucket: str) -> Any:
    for name, factor in RASTERS.items():
        yield f"rasters/{name}.tif", tiff(halves() * factor)
    yield "rasters/manifest.json", [{"prefix": f"s3://{bucket}/rasters/"}, *(f"{name}.tif" for name in RASTERS)]


def bands(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Red and near infrared of scene `n`; 0 is nodata."""
    red = np.random.default_rng(n).integers(100, 3000, (20, 30)).astype("uint16")
    nir = np.random.default_rng(n + 100).integers(100, 3000, (20, 30)).astype("uint16")
    red[0, 0] = 0
    return red, nir


def classes() -> np.ndarray:
    """In pixels of twice the bands' size: vegetation, a small cloud in the west, clouds over nearly all of the east."""
    found = np.full((10, 15), 4, "uint8")
    found[2, 3] = 9
    found[:, 8:] = 8
    return found


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


if __name__ == "__main__":
    for key in put_data(sys.argv[1]):
        print(f"s3://{sys.argv[1]}/{key}")
