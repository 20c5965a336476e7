"""Writes a file at once, and goes on until an object in its input bucket says that it may end."""

import os
import time
from pathlib import Path

import boto3

Path("/opt/ml/processing/output_data/early.txt").write_text("made at the beginning")
print("written", flush=True)
s3, pipeline = boto3.client("s3"), os.environ["GEOCADENCE_PIPELINE"]
until = time.monotonic() + 90
while not s3.list_objects_v2(Bucket=os.environ["INPUT_BUCKET"], Prefix=f"{pipeline}/go.txt")["KeyCount"]:
    assert time.monotonic() < until
    time.sleep(0.2)
