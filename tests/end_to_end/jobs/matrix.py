"""A pipeline for every kind of input of a job that a definition can ask for."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

DATA_TYPES = ("S3Prefix", "ManifestFile")
DISTRIBUTIONS = ("ShardedByS3Key", "FullyReplicated")
UPLOADS = ("EndOfJob", "Continuous")
PIPELINES = list(product(DATA_TYPES, DISTRIBUTIONS, UPLOADS))


def name_of(pipeline: tuple[str, ...]) -> str:
    return "e2e-matrix-" + "-".join(word[0].lower() for word in pipeline)


def write_matrix(folder: Path, *, input_bucket: str) -> None:
    """A definition for each pipeline of the matrix."""
    for data_type, distribution, upload in PIPELINES:
        name = name_of((data_type, distribution, upload))
        place = f"s3://{input_bucket}/{name}"
        source = {"prefix": {"uri": f"{place}/objects/"}}
        if data_type == "ManifestFile":
            source = {"manifest": {"uri": f"{place}/manifest.json"}}
        processing = {"script": "listing.py", "distribution": distribution, "upload": upload}
        definition = {"name": name, "source": source, "processing": processing}
        (folder / f"{name}.yaml").write_text(json.dumps(definition))
