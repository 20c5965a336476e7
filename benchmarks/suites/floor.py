"""How far `spectral_index` is from what the work takes at least: see `benchmarks/floor.py`."""

from __future__ import annotations

import json
import statistics
from typing import Any

from benchmarks.bench import Bench
from benchmarks.harness import Run, output_folder
from benchmarks.methods import OURS
from benchmarks.places import PEERS_PYTHON, ROOT
from benchmarks.results import Chart, Column, Result, at_most, costs_of
from benchmarks.tasks import task_of

_PARTS = ("inflate", "kernel", "encode")
_LIMIT, _AIM = 2, 1.5


class Floor:
    """The floor as one more run among others; afterwards, what its parts took."""

    def __init__(self, bench: Bench) -> None:
        script = [PEERS_PYTHON, ROOT / "benchmarks" / "floor.py", bench.scene.band("red"), bench.scene.band("nir")]
        self.run = Run("floor", lambda folder: [*script, folder / "floor.json"], ("floor.json", 1), cpus=bench.cores)
        self.told: list[dict[str, Any]] = []

    def after(self, run: Run) -> None:
        """Keep what the floor told before its output is removed."""
        if run.key == self.run.key:
            self.told.append(json.loads((output_folder(run.key) / "floor.json").read_text()))

    @property
    def parts(self) -> dict[str, float]:
        """The CPU seconds of each part, medians of the rounds."""
        return {part: statistics.median(one["parts"][part] for one in self.told) for part in _PARTS}


def run(bench: Bench) -> Result:
    """The CPU of a whole tile less that of a start without scenes, over the floor's CPU."""
    empty = task_of("empty", [])
    floor = Floor(bench)
    runs = [
        OURS.run(bench.task, cpus=bench.cores),
        OURS.run(empty, key="start", cpus=bench.cores),
        floor.run,
    ]
    bench.verify(OURS, bench.task, runs[0])
    costs, raw = costs_of(bench.costs(runs, after=floor.after))
    parts = floor.parts
    total = sum(parts.values())
    ours = costs["geocadence"].cpu - costs["start"].cpu
    means = {part: " or ".join(sorted({one["means"][part] for one in floor.told})) for part in _PARTS}
    rows = [
        *({"what": f"floor: {part}", "by": means[part], "cpu": parts[part]} for part in _PARTS),
        {"what": "floor", "by": "one core, no file", "cpu": total},
        {"what": "spectral_index without its start", "by": "the whole product", "cpu": ours},
        {"what": "start and imports", "by": "an empty shard", "cpu": costs["start"].cpu},
    ]
    for row in rows:
        row["ratio"] = row["cpu"] / total
    return Result(
        suite="floor",
        title="CPU over the floor",
        columns=[Column("what", "what"), Column("by", "by"), Column("cpu", "CPU s", 2), Column("ratio", "÷ floor", 2)],
        rows=rows,
        chart=Chart("bars", "what", ("cpu",), "CPU seconds"),
        targets=[
            at_most("CPU of the whole product without the start, over the floor", _LIMIT, ours / total),
            at_most("the same: the aim", _AIM, ours / total),
        ],
        notes=[
            "The floor reads red and nir only: no mask, no overviews, no statistics, no preview, no file.",
            "An empty shard may import less than a scene needs: what is missing there counts against us.",
        ],
        raw={**raw, "floor_parts": floor.told},
    )
