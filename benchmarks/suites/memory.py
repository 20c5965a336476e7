"""Peak memory: of one scene, of twenty in one process, of a smaller one."""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.bench import Bench
from benchmarks.methods import AWS, OURS
from benchmarks.results import COST_COLUMNS, Chart, Column, Result, at_most, costs_of
from benchmarks.tasks import task_of

_MANY = 20
_MANY_AWS = 3  # more would take more memory than small machines have
_LIMIT_MB = 400
# Allocators are not exact to the page.
_GROWTH = 1.05


def run(bench: Bench) -> Result:
    """One round: memory hardly varies from run to run."""
    half = bench.scene_of(bench.size // 2)
    tasks = {
        "one": bench.task,
        "many": task_of("many", [bench.scene.item(number=number) for number in range(_MANY)]),
        "half": task_of("half", [half.item()]),
        "aws-many": task_of("aws-many", [bench.scene.item(number=number) for number in range(_MANY_AWS)]),
    }
    runs = [
        OURS.run(tasks["one"], key="one", cpus=bench.cores),
        OURS.run(tasks["many"], key="many", cpus=bench.cores),
        OURS.run(tasks["half"], key="half", cpus=bench.cores),
        AWS.run(tasks["one"], key="aws-one", cpus=bench.cores),
        AWS.run(tasks["aws-many"], key="aws-many", cpus=bench.cores),
    ]
    bench.verify(OURS, tasks["one"], runs[0])
    costs, raw = costs_of(bench.costs(runs, rounds=1))
    labels = {
        "half": f"spectral_index, one scene of {half.size} × {half.size}",
        "one": "spectral_index, one scene",
        "many": f"spectral_index, {_MANY} scenes",
        "aws-one": "AWS's documented way, one scene",
        "aws-many": f"AWS's documented way, {_MANY_AWS} scenes",
    }
    rows = [{"what": label, **asdict(costs[key])} for key, label in labels.items()]
    peak = {key: cost.peak_mb for key, cost in costs.items()}
    return Result(
        suite="memory",
        title="Peak memory of one process",
        columns=[Column("what", "what"), *COST_COLUMNS],
        rows=rows,
        chart=Chart("bars", "what", ("peak_mb",), "MB at the peak", line_at=_LIMIT_MB),
        targets=[
            at_most("one scene", _LIMIT_MB, peak["one"], "MB"),
            at_most(f"{_MANY} scenes in one process", _LIMIT_MB, peak["many"], "MB"),
            at_most(f"{_MANY} scenes, over one scene", _GROWTH, peak["many"] / peak["one"]),
        ],
        notes=["One round.", "The scenes of a shard are the same files under different ids."],
        raw=raw,
    )
