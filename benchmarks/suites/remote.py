"""The tile's COGs behind HTTP: 20 ms to the first byte of a request, 60 MB/s a connection."""

from __future__ import annotations

import json
import statistics
import subprocess
from dataclasses import asdict
from typing import Any

from benchmarks.bench import Bench
from benchmarks.harness import clean_environment
from benchmarks.methods import AWS, OURS
from benchmarks.places import CONTAINER_PYTHON, SCRIPT
from benchmarks.results import COST_COLUMNS, Chart, Column, Result, at_least, costs_of
from benchmarks.servers import RangeServer
from benchmarks.tasks import task_of

LATENCY, RATE = 0.02, 60e6
_LABELS = {
    "geocadence": "spectral_index",
    "aws-default": "AWS's documented way, GDAL's defaults",
    "aws-same": "AWS's documented way, our GDAL settings",
    "aws-tuned": "AWS's documented way, GDAL tuned for COGs",
}
_LIMITS = {"aws-default": 5, "aws-same": 2, "aws-tuned": 2}
# What is advised for COGs (https://gdalcubes.github.io/source/concepts/config.html) and helps here. The rest of the
# advice does not: with GDAL_CACHEMAX at 128 or 200 MB, or with VSI_CACHE and GDAL_NUM_THREADS together, GDAL 3.10
# fetched every byte four times for rioxarray.
_TUNED = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_VERSION": "2",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32000",
}


def run(bench: Bench) -> Result:
    """Ours, AWS's way as it is, with the GDAL settings that ours gives itself, and with those that experts advise."""
    with RangeServer(bench.scene.folder.parent, latency=LATENCY, rate=RATE) as server:
        task = task_of("remote", [bench.scene.item(prefix=server.url)])
        runs = [
            OURS.run(task, cpus=bench.cores),
            AWS.run(task, key="aws-default", cpus=bench.cores),
            AWS.run(task, key="aws-same", cpus=bench.cores, environment=our_gdal_settings()),
            AWS.run(task, key="aws-tuned", cpus=bench.cores, environment=_TUNED),
        ]
        for one, method in zip(runs, (OURS, AWS, AWS, AWS), strict=True):
            bench.verify(method, task, one)
        seen: dict[str, list[dict[str, int]]] = {run.key: [] for run in runs}
        server.counts()
        costs, raw = costs_of(bench.costs(runs, after=lambda run: seen[run.key].append(server.counts())))
    ours = costs["geocadence"].wall
    rows = [
        {"what": label, **asdict(costs[key]), "ratio": costs[key].wall / ours, **_asked(seen[key])}
        for key, label in _LABELS.items()
    ]
    return Result(
        suite="remote",
        title="One tile over HTTP (20 ms, 60 MB/s a connection)",
        columns=[
            Column("what", "method"),
            *COST_COLUMNS,
            Column("ratio", "wall ÷ ours", 2),
            Column("requests", "requests", 0),
            Column("connections", "connections", 0),
            Column("megabytes", "MB fetched", 0),
        ],
        rows=rows,
        chart=Chart("bars", "what", ("wall",), "wall seconds"),
        targets=[
            at_least(f"wall: {_LABELS[key]} ÷ ours", limit, costs[key].wall / ours) for key, limit in _LIMITS.items()
        ],
        notes=[
            f"The two bands and the SCL are {_megabytes(bench):.0f} MB on disk with their overviews.",
            "Our GDAL settings without GDAL_CACHEMAX, with which AWS's way would fetch every byte four times.",
            "The server is a process beside the measured one, on the same machine.",
        ],
        raw={**raw, "asked": seen},
    )


def our_gdal_settings() -> dict[str, str]:
    """The variables that `spectral_index` sets for GDAL when none are set, but its small block cache: see `_TUNED`."""
    code = "import json; from spectral.gdal_options import gdal_options; print(json.dumps(gdal_options({})))"
    asked = subprocess.run(
        [CONTAINER_PYTHON, "-c", code], cwd=SCRIPT.parent, env=clean_environment(), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return {name: value for name, value in json.loads(asked.stdout).items() if name != "GDAL_CACHEMAX"}


def _asked(counts: list[dict[str, int]]) -> dict[str, Any]:
    return {
        "requests": statistics.median(one["requests"] for one in counts),
        "connections": statistics.median(one["connections"] for one in counts),
        "megabytes": statistics.median(one["bytes"] for one in counts) / 1e6,
    }


def _megabytes(bench: Bench) -> float:
    return sum(bench.scene.band(key).stat().st_size for key in ("red", "nir", "scl")) / 1e6
