"""The methods measured: `spectral_index`, and its peers, each as its own documentation would have it used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.agreement import Meaning
from benchmarks.harness import Run
from benchmarks.places import CONTAINER_PYTHON, PEERS, PEERS_BIN, PEERS_PYTHON, SCRIPT
from benchmarks.tasks import Task

Argv = Sequence[str | Path]


@dataclass(frozen=True)
class Method:
    """One way from a scene to its NDVI."""

    key: str
    label: str
    output: str  # what it leaves, in words
    meaning: Meaning  # of its pixels: what was masked and applied
    command: Callable[[Task, Path], Argv]
    result: str  # the raster that it writes, as a pattern below its output folder
    needs: str | None = None  # a program outside of the clone, which may not be there
    loses_zeros: bool = False  # declares 0 nodata in its output, and so loses the pixels whose NDVI is 0

    @property
    def missing(self) -> str | None:
        """Why it can't be run on this machine, if so."""
        if self.needs and not shutil.which(self.needs):
            return f"not measured: `{self.needs}` is not on this machine"
        return None

    def run(self, task: Task, **more) -> Run:
        """Measured on `task`; more: another `key`, `environment`, `cpus`."""
        leaves = (self.result, len(task.items))
        return Run(more.pop("key", self.key), lambda folder: self.command(task, folder), leaves, **more)


def spectral_index(*arguments: str, indices: str = "NDVI") -> Callable[[Task, Path], Argv]:
    """The command line of our own script, as a user calls it."""
    return lambda task, folder: [
        CONTAINER_PYTHON, SCRIPT, "--input", task.stac, "--output", folder, "--indices", indices, *arguments,
    ]  # fmt: skip


def _script(name: str) -> Callable[[Task, Path], Argv]:
    return lambda task, folder: [PEERS_PYTHON, PEERS / name, task.item, folder / "ndvi.tif"]


def _loam(task: Task, folder: Path) -> Argv:
    """`loam plan` would search a STAC API on the internet; its manifest, for the same scene, is written here."""
    scenes = [
        {
            "id": item["id"],
            "datetime": item["properties"]["datetime"],
            "assets": {key: asset["href"] for key, asset in item["assets"].items()},
        }
        for item in task.items
    ]
    manifest = {
        "version": 2,
        "op": "band-math",
        "params": {"indices": ["NDVI"], "target_res": None, "format": "cog"},
        "collection": "sentinel-2",
        "aoi": task.items[0]["bbox"],
        "output_uri": str(folder),
        "scenes": scenes,
        "shards": [{"index": 0, "scene_ids": [scene["id"] for scene in scenes]}],
    }
    path = task.folder / "manifest.json"
    path.write_text(json.dumps(manifest))
    return [PEERS_BIN / "loam", "run-shard", "--manifest", path, "-i", "0"]


OURS = Method(
    "geocadence", "spectral_index", "int16 COG, overviews, preview, Item", Meaning.PRODUCT, spectral_index(),
    result="*/*/*/*_ndvi.tif",
)  # fmt: skip
OURS_RAW = Method(
    "geocadence-raw", "spectral_index, no mask, no offset", "the same", Meaning.RAW,
    spectral_index("--mask", "none", "--offset", "0"), result="*/*/*/*_ndvi.tif",
)  # fmt: skip
AWS = Method(
    "aws", "AWS's documented way (rioxarray)", "float32 raw", Meaning.RAW,
    lambda task, folder: [CONTAINER_PYTHON, PEERS / "aws_rioxarray.py", task.search, folder], result="ndvi_*.tif",
)  # fmt: skip
AWS_COG = Method(
    "aws-cog", "AWS's way, written as COG", "float32 COG, deflate", Meaning.RAW,
    lambda task, folder: [CONTAINER_PYTHON, PEERS / "aws_rioxarray.py", task.search, folder, "COG"],
    result="ndvi_*.tif",
)  # fmt: skip
_GDAL_CALC = Method(
    "gdal-calc", "gdal_calc", "float32 raw", Meaning.RAW,
    lambda task, folder: [
        "gdal_calc.py", "--quiet", "-A", task.href("red"), "-B", task.href("nir"), "--outfile", folder / "ndvi.tif",
        "--type", "Float32", "--calc", "(B.astype(float32)-A)/(B.astype(float32)+A)",
    ],
    result="ndvi.tif", needs="gdal_calc.py",
)  # fmt: skip
_ORFEO = Method(
    "orfeo", "Orfeo ToolBox BandMath", "float32 raw", Meaning.RAW,
    lambda task, folder: [
        "otbcli_BandMath", "-il", task.href("red"), task.href("nir"), "-out", folder / "ndvi.tif", "float",
        "-exp", "(im2b1-im1b1)/(im2b1+im1b1)",
    ],
    result="ndvi.tif", needs="otbcli_BandMath", loses_zeros=True,
)  # fmt: skip
_RIO_CALC = Method(
    "rio-calc", "rio calc", "float32 raw", Meaning.RAW,
    lambda task, folder: [
        PEERS_BIN / "rio", "calc", "--dtype", "float32", "--masked",
        "(/ (- (* 1.0 (read 2 1)) (read 1 1)) (+ (* 1.0 (read 2 1)) (read 1 1)))",
        task.href("red"), task.href("nir"), folder / "ndvi.tif",
    ],
    result="ndvi.tif", loses_zeros=True,
)  # fmt: skip

METHODS = (
    OURS,
    OURS_RAW,
    AWS,
    AWS_COG,
    _GDAL_CALC,
    _ORFEO,
    _RIO_CALC,
    Method("dask", "rioxarray + dask", "float32, deflate", Meaning.RAW, _script("rioxarray_dask.py"), "ndvi.tif"),
    Method("stackstac", "stackstac", "float32, deflate", Meaning.RAW, _script("stackstac_ndvi.py"), "ndvi.tif"),
    Method("odc-stac", "odc-stac + save_cog", "float32 COG", Meaning.RAW, _script("odc_stac_cog.py"), "ndvi.tif"),
    Method("spyndex", "spyndex", "float32 raw", Meaning.RAW, _script("spyndex_ndvi.py"), "ndvi.tif"),
    Method("loam", "loam-geo run-shard", "float32, deflate, overviews", Meaning.CLOUDLESS, _loam, "shard=*/*.tif"),
    Method(
        "rasterio", "rasterio threads + GDAL's COG driver", "int16 COG, deflate", Meaning.RAW,
        _script("rasterio_cog_driver.py"), "ndvi.tif",
    ),
)  # fmt: skip
