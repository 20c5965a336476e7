"""Five indices in one run, against one index and against five runs."""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.bench import Bench
from benchmarks.harness import Run
from benchmarks.methods import OURS, spectral_index
from benchmarks.results import COST_COLUMNS, Chart, Column, Result, at_most, costs_of
from benchmarks.suites.floor import Floor

_INDICES = ("NDVI", "SAVI", "GNDVI", "NDWI", "EVI")
# Together they need blue, green, red and nir; one index needs two bands.
_BANDS = 4
_LIMIT = 2


def run(bench: Bench) -> Result:
    """The floor is measured too: how much dearer than one index are five at least?"""
    floor = Floor(bench)
    single = {name: _run(bench, (name,), key=name) for name in _INDICES}
    together = _run(bench, _INDICES, key="together")
    bench.verify(OURS, bench.task, single["NDVI"])
    costs, raw = costs_of(bench.costs([*single.values(), together, floor.run], after=floor.after))
    one, five = costs["NDVI"], costs["together"]
    rows = [
        {"what": "NDVI", **asdict(one)},
        {"what": f"{', '.join(_INDICES)} in one run", **asdict(five)},
        {
            "what": "the same in five runs",
            "wall": sum(costs[name].wall for name in _INDICES),
            "cpu": sum(costs[name].cpu for name in _INDICES),
            "peak_mb": max(costs[name].peak_mb for name in _INDICES),
        },
    ]
    for row in rows:
        row["ratio"] = row["cpu"] / one.cpu
    parts = floor.parts
    # Of two bands and one index; what several indices compute counts once here.
    least = _BANDS / 2 * parts["inflate"] + parts["kernel"] + len(_INDICES) * parts["encode"]
    return Result(
        suite="indices",
        title="Several indices of one tile",
        columns=[Column("what", "what"), *COST_COLUMNS, Column("ratio", "CPU ÷ NDVI alone", 2)],
        rows=rows,
        chart=Chart("bars", "what", ("wall", "cpu"), "seconds"),
        targets=[
            at_most("CPU: five indices in one run, over one index", _LIMIT, five.cpu / one.cpu),
            at_most("wall: five indices in one run, over one index", _LIMIT, five.wall / one.wall),
        ],
        notes=[
            f"Five indices take at least {least / sum(parts.values()):.2f} × the CPU of one, by the parts of the floor "
            "(see its suite): twice the bands to inflate, five files to pack.",
        ],
        raw={**raw, "floor_parts": floor.told},
    )


def _run(bench: Bench, names: tuple[str, ...], *, key: str) -> Run:
    command = spectral_index(indices=",".join(names))
    return Run(key, lambda folder: command(bench.task, folder), ("*/*/*/*.tif", len(names)), cpus=bench.cores)
