"""Scenes cut into batches, one processing job each, and instances given to the jobs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

Scene = TypeVar("Scene")


def cut(scenes: Sequence[Scene], *, scenes_per_job: int) -> list[Sequence[Scene]]:
    """As few batches as `scenes_per_job` allows, their sizes at most one apart, in order."""
    batches = -(-len(scenes) // scenes_per_job)
    if batches == 0:
        return []
    size, larger = divmod(len(scenes), batches)
    starts = [n * size + min(n, larger) for n in range(batches + 1)]
    return [scenes[start:end] for start, end in pairwise(starts)]


def instances_of_a_job(*, asked: int, objects: int, jobs: int, is_sharded: bool) -> int:
    """Never more instances than the smallest batch has objects: an empty shard is paid for too."""
    if not is_sharded or jobs == 0:
        return asked
    return max(1, min(asked, objects // jobs))
