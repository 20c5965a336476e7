"""Bytes spread over instances, however ShardedByS3Key deals the objects out."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from geocadence.plan.batches import instances_of_a_job, ranked


def heaviest_share(weights: list[float], shares: list[list[int]]) -> float:
    """How much more the heaviest share is than an even one."""
    sums = [sum(weights[n] for n in share) for share in shares]
    return max(sums) / (sum(sums) / len(sums))


def one_by_one(order: list[int], instances: int) -> list[list[int]]:
    return [order[n::instances] for n in range(instances)]


def in_runs(order: list[int], instances: int) -> list[list[int]]:
    size, larger = divmod(len(order), instances)
    ends = [n * size + min(n, larger) for n in range(instances + 1)]
    return [order[start:end] for start, end in pairwise(ends)]


@pytest.mark.parametrize("instances", [2, 3, 4, 8])
@pytest.mark.parametrize("scenes", [100, 500])
def test_shares_are_even_in_bytes_whichever_way_objects_are_dealt(instances: int, scenes: int) -> None:
    chance = random.Random(instances * scenes)  # noqa: S311
    # Whole tiles, and edges of the swath
    weights = [chance.choice([1.0, 1.0, chance.random()]) * chance.lognormvariate(0, 0.6) for _ in range(scenes)]
    order = ranked(weights, instances=instances)

    assert sorted(order) == list(range(scenes))
    assert heaviest_share(weights, one_by_one(order, instances)) < 1.05
    assert heaviest_share(weights, in_runs(order, instances)) < 1.05
    unordered = list(range(scenes))
    assert heaviest_share(weights, one_by_one(unordered, instances)) > heaviest_share(
        weights, one_by_one(order, instances)
    )


@pytest.mark.parametrize(("scenes", "instances"), [(1, 1), (3, 2), (5, 5), (7, 3)])
def test_every_object_has_its_rank(scenes: int, instances: int) -> None:
    assert sorted(ranked([1.0] * scenes, instances=instances)) == list(range(scenes))


def test_no_more_instances_than_scenes() -> None:
    assert instances_of_a_job(asked=8, objects=3, jobs=1) == 3
    assert instances_of_a_job(asked=8, objects=9, jobs=2) == 4
    assert instances_of_a_job(asked=8, objects=0, jobs=0) == 8
