"""What a run of 100,000 scenes takes, told from small ones; `make bench SUITE=scale` measures it.

Each step is a fresh process on one core.
"""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.bench import Bench
from benchmarks.harness import Cost, free_cores
from benchmarks.suites import scale

FEW, SOME, MANY = 500, 3000, 5500
LARGE = 100_000


@pytest.fixture(scope="module")
def measured() -> dict[int, dict[str, Any]]:
    bench = Bench(size=0, rounds=1, say=print, cores=free_cores()[:2])
    return {scenes: scale.point(bench, scenes) for scenes in (FEW, SOME, MANY)}


@pytest.mark.parametrize("step", ["plan", "close", "again", "close_again"])
def test_cpu_grows_no_faster_than_the_scenes_do(measured: dict[int, dict[str, Any]], step: str) -> None:
    few, some, many = (measured[scenes][step].cpu for scenes in (FEW, SOME, MANY))

    # As many scenes more each time; what grows with their square takes 2.4 times as much the second time.
    assert many - some <= 1.8 * (some - few) + 0.3


# Not `close`: DuckDB takes up to its own limit and spills what is above, which no line through small runs tells of.
# `test_items_table` holds it to that limit.
@pytest.mark.parametrize("step", ["plan_rustac", "plan", "again", "close_again"])
def test_100000_scenes_stay_within_the_memory_they_may_take(measured: dict[int, dict[str, Any]], step: str) -> None:
    few, many = (measured[scenes][step].peak_mb for scenes in (FEW, MANY))

    assert many + (many - few) / (MANY - FEW) * (LARGE - MANY) <= scale.MOST_MB


@pytest.mark.parametrize("step", ["write", "reconcile"])
def test_a_batch_takes_the_same_in_a_run_of_any_size(measured: dict[int, dict[str, Any]], step: str) -> None:
    few, many = (measured[scenes][step] for scenes in (FEW, MANY))

    assert isinstance(many, Cost)
    assert many.cpu <= 1.5 * few.cpu + 0.3
    assert many.peak_mb <= 1.2 * few.peak_mb + 10


def test_what_the_plan_returns_into_the_state_does_not_grow(measured: dict[int, dict[str, Any]]) -> None:
    assert measured[MANY]["state_bytes"] <= measured[FEW]["state_bytes"] + 10
