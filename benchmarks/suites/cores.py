"""The same tile on one core, two, four, up to all there are."""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.bench import Bench
from benchmarks.harness import free_cores
from benchmarks.methods import OURS
from benchmarks.results import COST_COLUMNS, Chart, Column, Result, costs_of


def run(bench: Bench) -> Result:
    """Wall time on n cores, and the efficiency: that of one core ÷ (n × that of n)."""
    cores = free_cores()
    counts = sorted({*(2**power for power in range(10) if 2**power <= len(cores)), len(cores)})
    runs = [OURS.run(bench.task, key=f"cores-{count}", cpus=cores[:count]) for count in counts]
    bench.verify(OURS, bench.task, runs[-1])
    costs, raw = costs_of(bench.costs(runs))
    one = costs["cores-1"].wall
    rows = []
    for count in counts:
        cost = costs[f"cores-{count}"]
        speed = one / cost.wall
        rows.append({"cores": count, **asdict(cost), "speed": speed, "efficiency": speed / count})
    return Result(
        suite="cores",
        title="One tile on more cores",
        columns=[
            Column("cores", "cores"),
            *COST_COLUMNS,
            Column("speed", "times as fast as one", 2),
            Column("efficiency", "parallel efficiency", 2),
        ],
        rows=rows,
        chart=Chart("lines", "cores", ("wall",), "wall seconds"),
        notes=["Whole processes: start and imports, which use one core, are part of it."],
        raw=raw,
    )
