"""Scenes for tests: rasters of given DN, the Item that goes with them, and a run of the script over them."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import from_origin

SCRIPTS = Path(__file__).resolve().parents[2] / "processing_scripts"
WEST, NORTH = 600_000, 4_280_000
MOMENT = "2026-04-26T11:21:09.024Z"


@dataclass
class Folder:
    """One test's input and output."""

    root: Path

    def __post_init__(self) -> None:
        self.input = self.root / "input"
        self.output = self.root / "output"
        self.input.mkdir()

    def add(self, item: dict[str, Any], name: str | None = None) -> Path:
        """Put an Item (or any document) into the input folder."""
        path = self.input / f"{name or item['id']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(item))
        return path

    def scene(self, scene_id: str = "S2X", *, scl: np.ndarray | None = None, add: bool = True, **bands: Any) -> dict:
        """Write bands (10 m) and SCL (20 m) and add their Item; other keywords go into its properties."""
        properties = {"datetime": MOMENT, "s2:processing_baseline": "05.11", **bands.pop("properties", {})}
        rasters = self.root / "imagery" / scene_id
        assets = {}
        for key, pixels in bands.items():
            assets[key] = {"href": str(write(rasters / f"{key}.tif", pixels)), "eo:bands": [{"common_name": key}]}
        if scl is not None:
            assets["scl"] = {"href": str(write(rasters / "scl.tif", np.asarray(scl, np.uint8), pixel_size=20))}
        item = {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": scene_id,
            "geometry": {"type": "Point", "coordinates": [-7.85, 38.66]},
            "bbox": [-7.85, 38.66, -7.85, 38.66],
            "properties": properties,
            "links": [{"rel": "self", "href": f"https://example.com/items/{scene_id}"}],
            "assets": assets,
        }
        if add:
            self.add(item)
        return item

    def run(self, indices: str = "NDVI", *, stream: io.StringIO | None = None, **settings: Any) -> str:
        """Work through the input folder, in this process; returns the summary."""
        from spectral.cog import has_compression
        from spectral.indices import parse_indices
        from spectral.progress import Progress
        from spectral.settings import Settings
        from spectral.shard import work_through

        # As the command line chooses.
        compression = {} if has_compression("zstd") else {"compression": "deflate"}
        return work_through(
            input_folder=self.input,
            output_folder=self.output,
            settings=Settings(tuple(parse_indices(indices)), **compression | settings),
            run_id=None,
            progress=Progress(stream or io.StringIO()),
            facts={},
            sleep=lambda seconds: None,
        )

    def product(self, scene_id: str = "S2X", part: str = "ndvi") -> Path:
        """Where the product's raster is."""
        (found,) = self.output.glob(f"*/*/{scene_id}/{scene_id}_{part}.tif")
        return found

    def item(self, scene_id: str = "S2X") -> dict[str, Any]:
        """The product's Item."""
        (found,) = self.output.glob(f"*/*/{scene_id}/{scene_id}.json")
        return json.loads(found.read_text())

    def values(self, scene_id: str = "S2X", part: str = "ndvi") -> np.ndarray:
        """The product's values in float64, nodata as NaN."""
        with rasterio.open(self.product(scene_id, part)) as dataset:
            pixels = dataset.read(1, masked=True)
            return pixels.astype(np.float64).filled(np.nan) * dataset.scales[0] + dataset.offsets[0]

    def failures(self) -> dict[str, dict[str, str]]:
        """The failure files, by name."""
        return {path.stem: json.loads(path.read_text()) for path in self.output.glob("failures/*.json")}

    def products(self) -> set[str]:
        """The ids of finished products."""
        return {path.stem for path in self.output.glob("[0-9]*/*/*/*.json")}


def write(path: Path, pixels: np.ndarray, *, pixel_size: float = 10, west=WEST, north=NORTH, crs="EPSG:32629") -> Path:
    """A plain GeoTIFF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.asarray(pixels)
    pixels = pixels.astype(np.uint16) if pixels.dtype == np.int64 else pixels
    with rasterio.open(
        path, "w", driver="GTiff", width=pixels.shape[1], height=pixels.shape[0], count=1, dtype=pixels.dtype.name,
        crs=crs, transform=from_origin(west, north, pixel_size, pixel_size), tiled=True, blockxsize=256,
        blockysize=256, compress="deflate",
    ) as dataset:  # fmt: skip
        dataset.write(pixels, 1)
    return path


def random_dn(shape: tuple[int, int], *, low: int = 1010, high: int = 6000, seed: int = 1) -> np.ndarray:
    """DN of baseline 04.00 and later, evenly spread."""
    return np.random.default_rng(seed).integers(low, high, shape, dtype=np.uint16)


def bands() -> dict[str, np.ndarray]:
    """What a scene that works has."""
    return {"red": random_dn((300, 300), seed=1), "nir": random_dn((300, 300), seed=2)}


def only_failure(folder: Folder) -> dict[str, str]:
    """The one failure there is, after checking that the good scene made it."""
    folder.run()
    assert folder.products() == {"GOOD"}
    ((_, record),) = folder.failures().items()
    assert set(record) == {"scene", "class", "reason"}
    return record
