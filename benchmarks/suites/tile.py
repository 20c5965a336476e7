"""One whole tile by every method, side by side."""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.agreement import PACKED_TOLERANCE
from benchmarks.bench import Bench
from benchmarks.harness import Cost
from benchmarks.methods import METHODS, OURS, Method
from benchmarks.results import COST_COLUMNS, Chart, Column, Result, Target, at_least, costs_of

# By method: how many times our wall time, and our CPU time, its own should be at least.
_WALL = {"aws": 4, "aws-cog": 6, "gdal-calc": 1.9}
_CPU = {"aws": 2}
# Our own, in another way: no peer.
_NO_PEERS = {"geocadence", "geocadence-raw"}


def run(bench: Bench, methods: tuple[Method, ...] = METHODS) -> Result:
    """Every method of `methods` that this machine has; ours must be the first."""
    here = [method for method in methods if not method.missing]
    runs = {method.key: method.run(bench.task, cpus=bench.cores) for method in here}
    agreed = {method.key: bench.verify(method, bench.task, runs[method.key]) for method in here}
    costs, raw = costs_of(bench.costs(list(runs.values())))
    rows = [
        {
            "label": method.label,
            "output": method.missing or method.output,
            **(_figures(costs[method.key], costs[OURS.key]) if method.key in costs else {}),
            **({"error": agreed[method.key].largest_error} if method.key in agreed else {}),
        }
        for method in methods
    ]
    return Result(
        suite="tile",
        title="NDVI of one Sentinel-2 tile",
        columns=[
            Column("label", "method"),
            Column("output", "output"),
            *COST_COLUMNS,
            Column("wall_ratio", "wall ÷ ours", 2),
            Column("cpu_ratio", "CPU ÷ ours", 2),
        ],
        rows=rows,
        chart=Chart("bars", "label", ("wall", "cpu"), "seconds"),
        targets=[target for method in methods for target in _targets(method, costs)],
        notes=[
            "Whole processes, start and imports included; local files in a warm page cache.",
            "Before anything was timed, each method's pixels were compared with NDVI computed by plain float64 numpy "
            f"(int16 within {PACKED_TOLERANCE:g}, float32 within 1e-6): ours of masked, offset-corrected reflectance, "
            "the peers' of what they compute.",
            *(
                f"{method.label} loses the pixels whose NDVI is 0: its output declares 0 nodata."
                for method in here
                if method.loses_zeros
            ),
        ],
        raw=raw,
    )


def _figures(cost: Cost, ours: Cost) -> dict[str, float]:
    return {**asdict(cost), "wall_ratio": cost.wall / ours.wall, "cpu_ratio": cost.cpu / ours.cpu}


def _targets(method: Method, costs: dict[str, Cost]) -> list[Target]:
    if method.key in _NO_PEERS:
        return []
    ours, its = costs[OURS.key], costs.get(method.key)
    targets = [at_least(f"wall: {method.label} ÷ ours", _WALL.get(method.key, 1), its and its.wall / ours.wall)]
    if method.key in _CPU:
        targets.append(at_least(f"CPU: {method.label} ÷ ours", _CPU[method.key], its and its.cpu / ours.cpu))
    return targets
