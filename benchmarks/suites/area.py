"""Parts of a tile: does an area cost as much as the blocks that it touches?"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from rasterio.warp import transform_geom

from benchmarks.bench import Bench
from benchmarks.harness import Run
from benchmarks.methods import OURS, spectral_index
from benchmarks.results import COST_COLUMNS, Chart, Column, Result, at_most, costs_of
from benchmarks.scene import BLOCK, Scene
from benchmarks.tasks import task_of
from sample.items import CRS

# Blocks along each side of the areas, and from how many blocks on the cost should be even.
_SIDES = (1, 2, 4, 11)
_FROM = 4
_LIMIT = 1.3
# Pixels that an area stays away from its blocks' edges, so that no further block is touched.
_MARGIN = 8


def run(bench: Bench) -> Result:
    """CPU a block, without the start, for areas of 1, 4, 16 and all blocks."""
    across = math.ceil(bench.size / BLOCK)
    sides = sorted({min(side, across) for side in _SIDES})
    areas = {side: area_of(bench.scene, side) for side in sides}
    runs = {side: _run(bench, side, areas[side]) for side in sides}
    start = OURS.run(task_of("empty", []), key="start", cpus=bench.cores)
    for side in sides:
        bench.verify(OURS, bench.task, runs[side], area=areas[side])
    costs, raw = costs_of(bench.costs([*runs.values(), start]))
    rows = []
    for side in sides:
        cost = costs[f"area-{side}"]
        each = (cost.cpu - costs["start"].cpu) / side**2
        rows.append({"blocks": side**2, **asdict(cost), "each_ms": 1000 * each})
    even = [row["each_ms"] for row in rows if row["blocks"] >= _FROM]
    # A small scene has no two such areas.
    spread = max(even) / min(even) if len(even) > 1 else None
    return Result(
        suite="area",
        title="Areas of 1 to all blocks of a tile",
        columns=[Column("blocks", "blocks touched"), *COST_COLUMNS, Column("each_ms", "CPU ms a block", 1)],
        rows=rows,
        chart=Chart("lines", "blocks", ("each_ms",), "CPU milliseconds a block, without the start"),
        targets=[at_most(f"CPU of the dearest block over the cheapest, from {_FROM} blocks on", _LIMIT, spread)],
        notes=[
            f"Blocks of {BLOCK} × {BLOCK} pixels, in the middle of the tile; its last row and column are cut off.",
            "The CPU of a start without scenes is taken off before dividing.",
        ],
        raw=raw,
    )


def area_of(scene: Scene, side: int) -> dict[str, Any]:
    """A square of `side` × `side` blocks in the middle of the scene, as GeoJSON (degrees)."""
    across = math.ceil(scene.size / BLOCK)
    first = (across - side) // 2 * BLOCK + _MARGIN
    last = min(first - _MARGIN + side * BLOCK, scene.size) - _MARGIN
    # Straight in metres is bent in degrees: a corner every half block keeps the difference below the margin.
    steps = [first + (last - first) * step / (2 * side) for step in range(2 * side)]
    back = [first + last - step for step in steps]
    corners = [
        *((x, first) for x in steps), *((last, y) for y in steps),
        *((x, last) for x in back), *((first, y) for y in back),
    ]  # fmt: skip
    ring = [(scene.shot.west + 10 * x, scene.shot.north - 10 * y) for x, y in (*corners, corners[0])]
    return transform_geom(CRS, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]})


def _run(bench: Bench, side: int, area: dict[str, Any]) -> Run:
    path = bench.task.folder / f"area-{side}.geojson"
    path.write_text(json.dumps(area))
    command = spectral_index("--area", str(path))
    return Run(f"area-{side}", lambda folder: command(bench.task, folder), (OURS.result, 1), cpus=bench.cores)
