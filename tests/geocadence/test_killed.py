"""A function that dies at any of its writes: tried again, or followed by the next run, the catalogue ends the same."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scale.store import Client, Store
from geocadence.bucket import Bucket
from geocadence.layout import RunLayout
from geocadence.plan.batch_objects import write_batch
from tests.geocadence.pipeline import Pipeline, linked, table
from tests.geocadence.scenes import item, part, scene_id

OLD, NEW = ({"s2:processing_baseline": baseline} for baseline in ("05.10", "05.11"))


class Killed(BaseException):
    """Nothing of ours catches it, as nothing catches a time-out of Lambda."""


class Mortal(Client):
    """Dies at its n-th write: just before it, or just after, when nobody hears of it any more."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._lock = threading.Lock()
        self.live()

    def die_at(self, write: int, *, after: bool) -> None:
        self._left, self._after = write, after

    def live(self) -> None:
        self._left, self._after = 0, False

    def put_object(self, **request: Any) -> dict[str, Any]:
        with self._lock:
            self._left -= 1
            left = self._left
        if left == 0 and not self._after:
            raise Killed
        answer = super().put_object(**request)
        if left == 0:
            raise Killed
        return answer


def before_the_run() -> tuple[Pipeline, Mortal]:
    """What can go wrong is there: new versions, a part of a split tile, a product of an aborted run, another recipe."""
    client = Mortal(Store())
    pipeline = Pipeline(Bucket(client, "in"), Bucket(client, "out"), [])
    committed = [_of(4, OLD), part("0", -8.0, -7.5, **OLD), part("1", -7.51, -7.0, **OLD)]
    pipeline.items = committed
    pipeline.run("first")
    pipeline.items = [*committed, _of(6, OLD)]
    aborted = pipeline.plan("aborted")
    pipeline.work(aborted, is_reconciled=False)
    pipeline.abort(aborted)
    pipeline.definition["processing"]["arguments"] = {"indices": ["EVI"]}
    pipeline.items = [_of(4, NEW), part("2", -8.0, -7.5, **NEW), committed[2], _of(6, OLD), _of(7, NEW)]
    pipeline.jobs.clear()
    return pipeline, client


def _of(n: int, baseline: dict[str, str]) -> dict[str, Any]:
    return item(n, properties=item(n)["properties"] | baseline)


class TheRun:
    """Its functions, in their order, and the job between them."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.planned: dict[str, Any] = {}

    def plan(self) -> None:
        self.planned = self.pipeline.plan("x")

    def write(self) -> None:
        write_batch(self.pipeline.inputs, RunLayout("ndvi", self.planned["run_id"]), 0)

    def work(self) -> None:
        self.pipeline._process(self.planned, but=())

    def reconcile(self) -> None:
        self.pipeline.reconcile(self.planned, [0])

    def close(self) -> None:
        self.pipeline.close(self.planned)

    def steps(self) -> list[Callable[[], None]]:
        return [self.plan, self.write, self.work, self.reconcile, self.close]

    def is_aborted(self) -> None:
        self.pipeline.at_work.clear()


STEPS = ("plan", "write", "work", "reconcile", "close")


def catalogue(pipeline: Pipeline, tmp_path: Path) -> list[tuple[str, str, str]]:
    rows = table(pipeline, tmp_path, 'id, "geocadence:baseline", "geocadence:recipe"')
    assert Counter(linked(pipeline)) == Counter(scene for scene, *_ in rows)
    return sorted(rows)


def undisturbed(tmp_path: Path) -> tuple[list[tuple[str, str, str]], Counter[str]]:
    pipeline, _ = before_the_run()
    for step in TheRun(pipeline).steps():
        step()
    return catalogue(pipeline, tmp_path), Counter(pipeline.jobs)


@pytest.mark.parametrize("is_tried_again", [True, False], ids=["tried again", "aborted"])
@pytest.mark.parametrize("dies", ["plan", "reconcile", "close"])
def test_whatever_write_a_function_dies_at_nothing_is_lost_or_made_twice(
    tmp_path: Path, dies: str, is_tried_again: bool
) -> None:
    expected, jobs = undisturbed(tmp_path)
    assert {scene for scene, *_ in expected} >= {scene_id(n) for n in (4, 6, 7)}
    at = STEPS.index(dies)
    deaths = 0
    for after in (False, True):
        for write in range(1, 100):
            pipeline, client = before_the_run()
            run = TheRun(pipeline)
            steps = run.steps()
            for step in steps[:at]:
                step()
            client.die_at(write, after=after)
            try:
                steps[at]()
            except Killed:
                deaths += 1
            else:
                break
            client.live()
            if is_tried_again:
                for step in steps[at:]:
                    step()
            else:
                run.is_aborted()
            pipeline.later(days=1)
            pipeline.run("next")

            told = (dies, write, "after" if after else "before")
            assert catalogue(pipeline, tmp_path) == expected, told
            assert Counter(pipeline.jobs) == jobs, told
            assert pipeline.run("last")["outcome"] == "empty", told
    assert deaths >= 4
