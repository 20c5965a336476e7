"""A product in QGIS, where that is installed: what it reads, and what it paints without being told anything."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from tests.readers.conftest import Catalogue, Product

SCRIPT = Path(__file__).with_name("qgis_reads.py")
# QGIS's modules belong to the system's Python, whatever this one is.
PYTHON = shutil.which("python3", path="/usr/bin")
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "QT_QPA_PLATFORM": "offscreen", "LC_ALL": "C.UTF-8"}


@pytest.fixture(scope="module", autouse=True)
def _qgis(tmp_path_factory: pytest.TempPathFactory) -> None:
    ENVIRONMENT["HOME"] = ENVIRONMENT["XDG_RUNTIME_DIR"] = str(tmp_path_factory.mktemp("home"))
    command = [PYTHON or "python3", "-c", "import qgis.core"]
    try:
        subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("QGIS is not on this machine (Debian: apt-get install python3-qgis)")


@pytest.fixture(scope="module")
def cloudy(catalogue: Catalogue) -> Product:
    """A product with pixels that were masked."""
    return min(catalogue.products, key=lambda each: each.item["assets"]["ndvi"]["bands"][0]["statistics"]["count"])


def seen(cog: Path, item: Path, picture: Path, place: tuple[float, float], *sizes: int) -> dict[str, Any]:
    command = [PYTHON, SCRIPT, cog, item, picture, *place, *sizes]
    done = subprocess.run(
        [str(part) for part in command], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_qgis_shows_values_where_they_belong_and_nothing_where_there_are_none(cloudy: Product, tmp_path: Path) -> None:
    with rasterio.open(cloudy.cog) as dataset:
        stored = dataset.read(1, masked=True)
        row, column = (int(places[places.size // 2]) for places in np.nonzero(~stored.mask))
        place = dataset.xy(row, column)
        bounds = list(dataset.bounds)
    values = stored.compressed() * 1e-4

    found = seen(cloudy.cog, cloudy.json, tmp_path / "picture.png", place, stored.shape[0])

    assert found["valid"]
    assert found["crs"] == "EPSG:32629"
    assert found["size"] == [stored.shape[1], stored.shape[0]]
    assert found["extent"] == bounds
    assert found["band"] == "Band 1: NDVI"
    assert (found["nodata"], found["scale"], found["offset"]) == (-32768, 1e-4, 0)
    assert found["value"] == pytest.approx(stored[row, column] * 1e-4, abs=1e-6)
    assert found["range"] == pytest.approx([values.min(), values.max()], abs=1e-6)
    (painted,) = found["painted"].values()
    assert painted["empty"] == pytest.approx(stored.mask.mean(), abs=0.001)
    assert painted["colours"] > 100


def test_qgis_opens_the_item_as_its_footprint(cloudy: Product, tmp_path: Path) -> None:
    found = seen(cloudy.cog, cloudy.json, tmp_path / "picture.png", (0, 0), 10)["item"]
    assert (found["valid"], found["count"], found["crs"]) == (True, 1, "EPSG:4326")
    assert found["extent"] == pytest.approx(cloudy.item["bbox"])
    assert {"id", "datetime", "proj:code", "eo:cloud_cover"} <= set(found["fields"])


def test_qgis_paints_a_small_map_from_the_overviews(cloudy: Product, tmp_path: Path) -> None:
    """The tiles of full resolution are made unreadable: a small map must not need them, a large one must."""
    broken = tmp_path / "broken.tif"
    content = bytearray(cloudy.cog.read_bytes())
    with rasterio.open(cloudy.cog) as dataset:
        assert dataset.overviews(1) == [2]
        for _, window in dataset.block_windows(1):
            column, row = window.col_off // dataset.block_shapes[0][1], window.row_off // dataset.block_shapes[0][0]
            first, size = (
                int(dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=1)) for what in ("OFFSET", "SIZE")
            )
            content[first : first + size] = bytes(size)
    broken.write_bytes(content)

    found = seen(broken, cloudy.json, tmp_path / "picture.png", (0, 0), 200, 800)["painted"]

    masked = 1 - cloudy.item["assets"]["ndvi"]["bands"][0]["statistics"]["valid_percent"] / 100
    assert found["200"]["empty"] == pytest.approx(masked, abs=0.01)
    assert found["800"]["empty"] == 1
