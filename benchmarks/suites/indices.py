"""Five indices in one run, against one index and against five runs: of four bands, and of the two that one needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.bench import Bench
from benchmarks.harness import Cost, Run
from benchmarks.methods import OURS, spectral_index
from benchmarks.results import COST_COLUMNS, Chart, Column, Result, at_most, costs_of
from benchmarks.suites.floor import Floor

_ONE = "NDVI"
_BANDS_OF_ONE = 2
_LIMIT = 2


@dataclass(frozen=True)
class Five:
    """Indices asked for together, and how many bands they need."""

    key: str
    names: tuple[str, ...]
    bands: int
    told: str

    @property
    def listed(self) -> str:
        return ", ".join(self.names)

    def least(self, parts: Mapping[str, float]) -> float:
        """Over the CPU of one index, by the floor's parts. What several indices compute counts once here."""
        whole = self.bands / _BANDS_OF_ONE * parts["inflate"] + parts["kernel"] + len(self.names) * parts["encode"]
        return whole / sum(parts.values())


SETS = (
    # Blue, green, red and nir: twice what one index reads.
    Five("of-four", ("NDVI", "SAVI", "GNDVI", "NDWI", "EVI"), 4, "four bands"),
    # Red and nir only, so that all that is read is shared.
    Five("of-two", ("NDVI", "SAVI", "OSAVI", "MSAVI", "EVI2"), 2, "the same two bands"),
)


def run(bench: Bench) -> Result:
    """The floor is measured too: how much dearer than one index are five at least?"""
    floor = Floor(bench)
    single = {name: _run(bench, (name,), key=name) for five in SETS for name in five.names}
    together = {five.key: _run(bench, five.names, key=five.key) for five in SETS}
    bench.verify(OURS, bench.task, single[_ONE])
    for five in SETS:
        bench.verify(OURS, bench.task, together[five.key], indices=five.names)
    costs, raw = costs_of(bench.costs([*single.values(), *together.values(), floor.run], after=floor.after))
    one = costs[_ONE]
    rows = [{"what": _ONE, **asdict(one)}, *(row for five in SETS for row in _rows(five, costs))]
    for row in rows:
        row["ratio"] = row["cpu"] / one.cpu
    parts = floor.parts
    return Result(
        suite="indices",
        title="Several indices of one tile",
        columns=[Column("what", "what"), *COST_COLUMNS, Column("ratio", f"CPU ÷ {_ONE} alone", 2)],
        rows=rows,
        chart=Chart("bars", "what", ("wall", "cpu"), "seconds"),
        targets=[
            at_most(
                f"{label}: five indices of {five.told} in one run, over one index",
                _LIMIT,
                getattr(costs[five.key], figure) / getattr(one, figure),
            )
            for five in SETS
            for label, figure in (("CPU", "cpu"), ("wall", "wall"))
        ],
        notes=[
            f"Of {five.told} ({five.listed}), five indices take at least {five.least(parts):.2f} × the CPU of one, by "
            f"the parts of the floor (see its suite): {five.bands // _BANDS_OF_ONE} × its bands to inflate, five files "
            "to pack."
            for five in SETS
        ],
        raw={**raw, "floor_parts": floor.told},
    )


def _rows(five: Five, costs: Mapping[str, Cost]) -> list[dict[str, Any]]:
    apart = [costs[name] for name in five.names]
    return [
        {"what": f"{five.listed} in one run", **asdict(costs[five.key])},
        {
            "what": "the same in five runs",
            "wall": sum(cost.wall for cost in apart),
            "cpu": sum(cost.cpu for cost in apart),
            "peak_mb": max(cost.peak_mb for cost in apart),
        },
    ]


def _run(bench: Bench, names: tuple[str, ...], *, key: str) -> Run:
    command = spectral_index(indices=",".join(names))
    return Run(key, lambda folder: command(bench.task, folder), ("*/*/*/*.tif", len(names)), cpus=bench.cores)
