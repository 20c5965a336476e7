"""Who loses a conditional write tries again, and so many at once do not wear each other out."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

from geocadence.plan.claims import leave, read_claims
from geocadence.tries import MOST, tries
from tests.geocadence.pipeline import in_memory
from tests.geocadence.scenes import item, scene_id

RUNS = 20


def test_twenty_runs_at_once_all_enter_and_share_out_the_scenes() -> None:
    """Twenty windows that overlap by a scene, and twenty threads that begin together."""
    pipeline = in_memory([item(n) for n in range(RUNS + 1)])
    first = datetime.fromisoformat(item(0)["properties"]["datetime"])
    ready = Barrier(RUNS)

    def is_at_work(arn: str) -> bool:
        time.sleep(0.003)  # as Step Functions takes its time to say
        return True

    def plan(n: int) -> dict[str, Any]:
        window = {"start": (first + timedelta(days=n)).isoformat(), "end": (first + timedelta(days=n + 1)).isoformat()}
        ready.wait()
        return pipeline.plan(f"window-{n}", {"window": window}, is_at_work=is_at_work)

    with ThreadPoolExecutor(RUNS) as pool:
        planned = list(pool.map(plan, range(RUNS)))

    taken = Counter(scene for each in planned for scene in pipeline.taken(each))
    assert taken == Counter(scene_id(n) for n in range(RUNS + 1))
    entered = {claim.run_id for claim in read_claims(pipeline.inputs, "ndvi").runs}
    assert entered == {each["run_id"] for each in planned if each["planned"]}

    with ThreadPoolExecutor(RUNS) as pool:
        list(pool.map(lambda each: leave(pipeline.inputs, "ndvi", each["run_id"]), planned))
    assert read_claims(pipeline.inputs, "ndvi").runs == ()


def test_pauses_are_random_and_grow_by_what_a_try_takes_up_to_a_minute() -> None:
    now, pauses = [0.0], []
    longest = lambda low, high: high if low == 0 else low  # noqa: E731

    for _ in tries(6, clock=lambda: now[0], sleep=pauses.append, between=longest):
        now[0] += 5

    assert pauses == [10, 20, 40, 60, 60]
    assert len(list(tries(sleep=lambda seconds: None))) == MOST
