"""Scenes cut into batches, one processing job each, and instances given to the jobs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

Scene = TypeVar("Scene")

# An execution's history holds 25,000 events (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html).
# A batch takes 18, and some 10 for each attempt at its job that has to be made again.
MOST_BATCHES = 500


def cut(scenes: Sequence[Scene], *, scenes_per_job: int) -> list[Sequence[Scene]]:
    """As few batches as `scenes_per_job` allows, their sizes at most one apart, in order."""
    batches = -(-len(scenes) // scenes_per_job)
    if batches == 0:
        return []
    size, larger = divmod(len(scenes), batches)
    starts = [n * size + min(n, larger) for n in range(batches + 1)]
    return [scenes[start:end] for start, end in pairwise(starts)]


def instances_of_a_job(*, asked: int, objects: int, jobs: int) -> int:
    """Never more instances than the smallest batch has objects: one without work is paid for too."""
    return max(1, min(asked, objects // jobs)) if jobs else asked


def ranked(weights: Sequence[float], *, instances: int) -> list[int]:
    """The order of a batch's objects (positions in `weights`) that spreads bytes over the instances.

    ShardedByS3Key promises each instance about 1/n of the objects, and not which
    (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingS3Input.html). They may be dealt out one by
    one in the order of their keys, or in runs of neighbours. So each object, the heaviest first, gets a place where the
    share of either dealing is the lightest so far.
    """
    size, larger = divmod(len(weights), instances)
    ends = [n * size + min(n, larger) for n in range(1, instances + 1)]
    # The free places of each run of neighbours, by which instance they fall to when dealt out one by one.
    free: list[dict[int, list[int]]] = [{} for _ in range(instances)]
    for run, (start, end) in enumerate(pairwise([0, *ends])):
        for place in range(start, end):
            free[run].setdefault(place % instances, []).append(place)
    of_run, dealt = [0.0] * instances, [0.0] * instances
    order = [0] * len(weights)
    for position in sorted(range(len(weights)), key=lambda n: -weights[n]):
        run = min((n for n in range(instances) if free[n]), key=lambda n: of_run[n])
        turn = min(free[run], key=lambda n: dealt[n])
        order[free[run][turn].pop(0)] = position
        if not free[run][turn]:
            del free[run][turn]
        of_run[run] += weights[position]
        dealt[turn] += weights[position]
    return order
