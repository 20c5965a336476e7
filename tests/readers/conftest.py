"""A small finished catalogue on disk, as `make run` leaves one under out/, for programs that others look at it with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from geocadence.close.collection import commit
from geocadence.close.items_table import Entry, commit_items, row_of
from geocadence.products import Product as Found
from sample.scenes import make_sample

ROOT = Path(__file__).resolve().parents[2]
PIPELINE = "ndvi-sample"
DESCRIPTION = "Weekly NDVI of the sample scenes"


@dataclass(frozen=True)
class Product:
    """One scene's product in the catalogue's folder."""

    folder: Path
    item: dict[str, Any]

    @property
    def cog(self) -> Path:
        return self.folder / self.item["assets"]["ndvi"]["href"]

    @property
    def json(self) -> Path:
        return self.folder / f"{self.item['id']}.json"


@dataclass(frozen=True)
class Catalogue:
    folder: Path
    products: list[Product]


class _Folder:
    """A folder in the place of the bucket, with the calls that committing takes; nobody else writes to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def uri(self, key: str) -> str:
        return f"s3://products/{key}"

    def key(self, uri: str) -> str:
        return uri.removeprefix("s3://products/")

    def etag(self, key: str) -> str | None:
        return "first" if (self.folder / key).is_file() else None

    def fetch(self, key: str, path: Path) -> str | None:
        etag = self.etag(key)
        if etag:
            shutil.copy(self.folder / key, path)
        return etag

    def read_with_etag(self, _key: str) -> tuple[None, None]:
        return None, None

    def replace_file(self, key: str, path: Path, *, etag: str | None, content_type: str) -> str | None:
        shutil.copy(path, self.folder / key)
        return self.etag(key)

    def replace_json(self, key: str, content: dict[str, Any], *, etag: str | None) -> None:
        (self.folder / key).write_text(json.dumps(content, indent=2))


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """The sample's scenes, made by the script as a user runs it, and committed as the close does it."""
    given, output = tmp_path_factory.mktemp("given"), tmp_path_factory.mktemp("output")
    items = make_sample(given / "imagery", href_prefix=str(given / "imagery"))
    (given / "items").mkdir()
    (given / "items" / "items.json").write_text(json.dumps(items))
    folder = output / PIPELINE
    command = [sys.executable, ROOT / "processing_scripts" / "spectral_index.py", "--indices", "NDVI"]
    done = subprocess.run(
        [*command, "--input", given / "items", "--output", folder],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GEOCADENCE_PIPELINE": PIPELINE},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    paths = sorted(folder.glob("[0-9]*/*/*/*.json"))
    assert len(paths) == len(items)
    products = [Product(path.parent, json.loads(path.read_text())) for path in paths]
    _commit(_Folder(output), products, tmp_path_factory.mktemp("scratch"))
    return Catalogue(folder, products)


def _commit(outputs: _Folder, products: list[Product], scratch: Path) -> None:
    rows, table = scratch / "rows.jsonl", scratch / "table.parquet"
    with rows.open("w") as lines:
        for each in products:
            key, scene = each.json.relative_to(outputs.folder).as_posix(), each.item["id"]
            files = (each.cog.name,)
            found = Found(scene, key, each.item, datetime.now(UTC), "first", size=0, files=files, faults=())
            row = row_of(Entry(found, acquisition=scene, baseline="", recipe="", footprint=None), outputs, PIPELINE)
            lines.write(json.dumps(row) + "\n")
    etag = commit_items(outputs, PIPELINE, rows, after=table, scratch=scratch)
    commit(outputs, pipeline=PIPELINE, description=DESCRIPTION, table=table, etag=etag)
