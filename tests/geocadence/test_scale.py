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


@pytest.mark.parametrize("step", ["plan", "close", "again", "adopt", "adopt_close"])
def test_what_each_scene_adds_is_little_enough_for_100000(measured: dict[int, dict[str, Any]], step: str) -> None:
    few, many = (measured[scenes][step].cpu for scenes in (FEW, MANY))

    # A minute on a machine of one's own; tests share theirs, which can double what the operating system counts.
    assert (many - few) / (MANY - FEW) * LARGE <= 2 * scale.MOST_SECONDS


@pytest.mark.parametrize("step", ["plan_rustac", "plan", "close", "again", "close_again", "adopt", "adopt_close"])
def test_memory_grows_no_faster_than_the_scenes_do(measured: dict[int, dict[str, Any]], step: str) -> None:
    few, some, many = (measured[scenes][step].peak_mb for scenes in (FEW, SOME, MANY))

    # As many scenes more each time. Allocators take memory in steps, so some MB say nothing.
    assert many - some <= 1.8 * max(some - few, 0) + 20
    # Most of it are large pages, of which several are held at a time whatever the scenes.
    assert many <= 0.6 * scale.MOST_MB


@pytest.mark.parametrize("step", ["write", "reconcile"])
def test_a_batch_takes_the_same_in_a_run_of_any_size(measured: dict[int, dict[str, Any]], step: str) -> None:
    few, many = (measured[scenes][step] for scenes in (FEW, MANY))

    assert isinstance(many, Cost)
    assert many.cpu <= 2 * few.cpu + 0.3
    assert many.peak_mb <= 1.2 * few.peak_mb + 10


def test_what_the_plan_returns_into_the_state_does_not_grow(measured: dict[int, dict[str, Any]]) -> None:
    assert measured[MANY]["state_bytes"] <= measured[FEW]["state_bytes"] + 10
