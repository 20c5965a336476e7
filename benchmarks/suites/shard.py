"""Several scenes in one shard: do reading and computing overlap?"""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.bench import Bench
from benchmarks.methods import OURS
from benchmarks.results import COST_COLUMNS, Chart, Column, Result, at_most, costs_of
from benchmarks.servers import RangeServer
from benchmarks.suites.remote import LATENCY, RATE
from benchmarks.tasks import task_of

_SCENES = 4
_PLACES = {"local": "local files", "remote": "over HTTP"}


def run(bench: Bench) -> Result:
    """One scene and four, near and far; what a further scene takes, and how busy the cores are."""
    with RangeServer(bench.scene.folder.parent, latency=LATENCY, rate=RATE) as server:
        prefixes = {"local": None, "remote": server.url}
        tasks = {
            f"{place}-{count}": task_of(
                f"{place}-{count}", [bench.scene.item(number=number, prefix=prefix) for number in range(count)]
            )
            for place, prefix in prefixes.items()
            for count in (1, _SCENES)
        }
        runs = {key: OURS.run(task, key=key, cpus=bench.cores) for key, task in tasks.items()}
        empty = task_of("empty", [])
        start = OURS.run(empty, key="start", cpus=bench.cores)
        bench.verify(OURS, tasks["local-1"], runs["local-1"])
        costs, raw = costs_of(bench.costs([*runs.values(), start]))
    rows, targets = [], []
    for place, told in _PLACES.items():
        one, many = (costs[f"{place}-{count}"] for count in (1, _SCENES))
        further = (many.wall - one.wall) / (_SCENES - 1)
        alone = one.wall - costs["start"].wall
        for count, cost in ((1, one), (_SCENES, many)):
            busy = cost.cpu / (cost.wall * len(bench.cores))
            rows.append({"what": f"{count} scene{'s'[: count - 1]}, {told}", **asdict(cost), "busy": busy})
        rows[-1]["further"] = further
        what = f"wall of a further scene, over that of the first without the start, {told}"
        targets.append(at_most(what, 1, further / alone))
    return Result(
        suite="shard",
        title="Scenes of one shard",
        columns=[
            Column("what", "what"),
            *COST_COLUMNS,
            Column("busy", "share of the cores used", 2),
            Column("further", "wall s a further scene", 2),
        ],
        rows=rows,
        chart=Chart("bars", "what", ("wall", "cpu"), "seconds"),
        targets=targets,
        notes=["Below 1, a scene is read while the one before is computed or written."],
        raw=raw,
    )
