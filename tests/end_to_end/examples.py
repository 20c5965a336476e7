"""The examples as a user takes them over: with a bucket of theirs, and what they leave."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import rasterio
from rasterio.io import MemoryFile

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "examples-of-a-user"


def put_examples(pipelines: Path) -> None:
    """Every example's definition with what lies beside it, the bucket's name being the one thing that changes."""
    for folder in (ROOT / "examples").iterdir():
        for path in folder.iterdir() if folder.is_dir() and folder.name != "__pycache__" else ():
            if path.suffix == ".yaml":
                (pipelines / path.name).write_text(path.read_text().replace("my-bucket", BUCKET))
            elif path.is_dir():
                shutil.copytree(path, pipelines / path.name)
            else:
                shutil.copy(path, pipelines)


def read_tiff(content: bytes) -> np.ma.MaskedArray:
    with MemoryFile(content) as memory, memory.open() as dataset:
        assert dataset.crs == rasterio.CRS.from_epsg(4326)
        return dataset.read(1, masked=True)
