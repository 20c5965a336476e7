"""Put the sample's rasters where a pipeline's job may read them: into its own part of the input bucket."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3

from sample.scenes import make_sample


def put_sample(*, bucket: str, pipeline: str) -> list[dict[str, Any]]:
    """Make the sample, upload what is not there yet, and return its STAC Items."""
    prefix = f"{pipeline}/imagery/"
    s3 = boto3.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    there = {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", [])}
    with tempfile.TemporaryDirectory(prefix="geocadence-sample-") as folder:
        items = make_sample(Path(folder), href_prefix=f"s3://{bucket}/{prefix}")
        files = {f"{prefix}{path.relative_to(folder).as_posix()}": path for path in Path(folder).rglob("*.tif")}
        missing = [key for key, path in files.items() if there.get(key) != path.stat().st_size]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: s3.upload_file(str(files[key]), bucket, key), missing))
    return items
