"""Batches: every scene in exactly one, none larger than asked, no instance without an object."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from geocadence.plan.batches import cut, instances_of_a_job


@given(count=st.integers(0, 3000), scenes_per_job=st.integers(1, 600))
def test_batches_are_a_partition_of_even_parts(count: int, scenes_per_job: int) -> None:
    batches = cut(range(count), scenes_per_job=scenes_per_job)

    assert [scene for batch in batches for scene in batch] == list(range(count))
    assert len(batches) == (count + scenes_per_job - 1) // scenes_per_job
    sizes = [len(batch) for batch in batches]
    assert not sizes or (max(sizes) <= scenes_per_job and max(sizes) - min(sizes) <= 1)


@given(count=st.integers(1, 3000), scenes_per_job=st.integers(1, 600), asked=st.integers(1, 100))
def test_no_instance_gets_an_empty_shard(count: int, scenes_per_job: int, asked: int) -> None:
    batches = cut(range(count), scenes_per_job=scenes_per_job)

    instances = instances_of_a_job(asked=asked, objects=count, jobs=len(batches), is_sharded=True)

    assert 1 <= instances <= asked
    assert all(len(batch) >= instances for batch in batches)


def test_replicated_input_goes_to_as_many_instances_as_asked() -> None:
    assert instances_of_a_job(asked=5, objects=2, jobs=1, is_sharded=False) == 5
