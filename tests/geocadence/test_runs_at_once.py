"""Runs at the same time: each scene is taken by one of them."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from geocadence.bucket import Bucket
from geocadence.instants import parse_instant
from geocadence.plan.claims import read_claims, renew
from tests.geocadence.pipeline import Pipeline, table
from tests.geocadence.scenes import definition, item, scene_id


@pytest.fixture
def pipeline(inputs: Bucket, outputs: Bucket) -> Pipeline:
    return Pipeline(inputs, outputs, [item(n) for n in range(5)])


def test_two_starts_at_once_make_one_set_of_products(pipeline: Pipeline, tmp_path: Any) -> None:
    first, second = pipeline.plan("a"), pipeline.plan("b")

    assert (first["planned"], second["planned"], second["batches"]) == (5, 0, 0)
    assert set(pipeline.decisions(second).values()) == {("skip", f"run {first['run_id']} is working on it")}
    pipeline.close(second)
    pipeline.work(first)
    assert pipeline.close(first)["outcome"] == "complete"
    assert sorted(pipeline.jobs) == [scene_id(n) for n in range(5)]
    assert table(pipeline, tmp_path) == [scene_id(n) for n in range(5)]
    assert read_claims(pipeline.inputs, "ndvi").runs == ()


def test_of_two_runs_that_plan_at_the_very_same_time_one_looks_again(pipeline: Pipeline) -> None:
    others: list[dict[str, Any]] = []

    def meanwhile(arn: str) -> bool:
        return arn in pipeline.at_work

    pipeline.plan("early")  # so that claims are looked at while planning

    def slow(arn: str) -> bool:
        if not others:
            others.append({})
            others.append(pipeline.plan("fast"))
        return meanwhile(arn)

    pipeline.abort({"arn": next(iter(pipeline.at_work))})
    slow_one = pipeline.plan("slow", is_at_work=slow)

    assert (others[1]["planned"], slow_one["planned"]) == (5, 0)


def test_as_many_neighbours_as_a_backfill_may_run_at_once_share_out_the_scenes(inputs: Bucket, outputs: Bucket) -> None:
    """Ten windows that overlap by a scene, planned by ten threads on a bucket that refuses conditional writes."""
    pipeline = Pipeline(inputs, outputs, [item(n) for n in range(12)])
    first = parse_instant(item(0)["properties"]["datetime"])

    def plan(n: int) -> dict[str, Any]:
        window = {"start": (first + timedelta(days=n)).isoformat(), "end": (first + timedelta(days=n + 1)).isoformat()}
        return pipeline.plan(f"window-{n}", {"window": window}, is_at_work=lambda arn: True)

    with ThreadPoolExecutor(10) as pool:
        planned = list(pool.map(plan, range(10)))

    taken = Counter(scene for each in planned for scene in pipeline.taken(each))
    assert taken == Counter(scene_id(n) for n in range(11))
    claimed = {claim.run_id for claim in read_claims(inputs, "ndvi").runs}
    assert claimed == {each["run_id"] for each in planned if each["planned"]}


def test_a_run_that_closes_while_another_plans_is_not_overlooked(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other's products come after they were looked for, and its claim goes before it was looked at."""
    first = pipeline.plan("a")
    listing, calls = Bucket.listing, []

    def then_closes(bucket: Bucket, prefix: str, *, after: str = "") -> Any:
        found = list(listing(bucket, prefix, after=after))
        if after and not calls:
            calls.append(prefix)
            pipeline.work(first)
            pipeline.close(first)
        return iter(found)

    pipeline.at_work.clear()
    monkeypatch.setattr(Bucket, "listing", then_closes)
    second = pipeline.plan("b")

    assert calls
    assert (second["planned"], second["skipped"]) == (0, 5)


def test_a_run_that_came_and_went_while_another_planned_is_not_overlooked(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Products were looked for before they were there, and the claims name the same runs as before: none."""
    scenes = pipeline.items
    pipeline.items = [item(9)]
    pipeline.run("first")  # so that there are claims to read
    pipeline.items, pipeline.jobs = scenes, []
    listing, calls = Bucket.listing, []

    def while_another_comes_and_goes(bucket: Bucket, prefix: str, *, after: str = "") -> Any:
        found = list(listing(bucket, prefix, after=after))
        if after and not calls:
            calls.append(prefix)
            pipeline.run("fast")
        return iter(found)

    monkeypatch.setattr(Bucket, "listing", while_another_comes_and_goes)
    slow = pipeline.run("slow")

    assert calls
    assert (slow["planned"], slow["outcome"]) == (0, "empty")
    assert Counter(pipeline.jobs) == Counter(scene_id(n) for n in range(5))


def test_who_took_a_claim_for_dead_before_its_owner_showed_life_looks_again(pipeline: Pipeline) -> None:
    """A submitted job: its claim is there before SageMaker lists it."""
    submitted = pipeline.plan("submitted")
    pipeline.at_work.clear()
    looked: list[str] = []

    def then_shows(arn: str) -> bool:
        looked.append(arn)
        if len(looked) == 1:
            pipeline.at_work.add(submitted["arn"])
            assert renew(pipeline.inputs, "ndvi", submitted["run_id"])
            return False
        return arn in pipeline.at_work

    second = pipeline.plan("b", is_at_work=then_shows)

    assert (second["planned"], second["skipped"]) == (0, 5)
    assert looked == [submitted["arn"]] * 2


def test_a_claim_that_another_run_has_entered_over_is_not_renewed(pipeline: Pipeline) -> None:
    submitted = pipeline.plan("submitted")
    pipeline.at_work.clear()
    second = pipeline.plan("b")

    assert second["planned"] == 5
    assert not renew(pipeline.inputs, "ndvi", submitted["run_id"])
    assert [claim.run_id for claim in read_claims(pipeline.inputs, "ndvi").runs] == [second["run_id"]]


def test_planning_a_run_again_keeps_its_scenes(pipeline: Pipeline) -> None:
    pipeline.plan("a")
    again = pipeline.plan("a")

    assert again["planned"] == 5
    assert [claim.run_id for claim in read_claims(pipeline.inputs, "ndvi").runs] == [again["run_id"]]


def test_a_dry_run_claims_nothing(pipeline: Pipeline) -> None:
    pipeline.plan("a", {"dry_run": True})

    assert pipeline.plan("b")["planned"] == 5


def test_two_runs_over_the_same_objects_do_not_run_at_once(inputs: Bucket, outputs: Bucket) -> None:
    pipeline = Pipeline(inputs, outputs, [])
    inputs.write("images/a.tif", b"x", content_type="image/tiff")

    def plan(name: str) -> dict[str, Any]:
        pipeline.definition = definition(prefix={"uri": inputs.uri("images/")})
        return pipeline.plan(name)

    first, second = plan("a"), plan("b")

    assert (first["planned"], second["planned"], second["batches"]) == (1, 0, 0)
    assert second["document"]["note"] == f"run {first['run_id']} is working on the same objects"
