"""The suites, in the order in which `make bench` runs them. Each is a function from a `Bench` to a `Result`."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.bench import Bench
from benchmarks.results import Result
from benchmarks.suites import area, cores, floor, indices, memory, remote, scale, shard, tile

SUITES: dict[str, Callable[[Bench], Result]] = {
    "tile": tile.run,
    "floor": floor.run,
    "memory": memory.run,
    "remote": remote.run,
    "area": area.run,
    "cores": cores.run,
    "shard": shard.run,
    "indices": indices.run,
    "scale": scale.run,
}
