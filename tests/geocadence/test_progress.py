"""How far a run is, and that looking at it costs no more the larger it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from geocadence import progress
from geocadence.bucket import Bucket
from geocadence.close.batch import packed_lines, read_produced, read_result
from geocadence.instants import format_instant
from geocadence.layout import RunLayout
from geocadence.progress import RunHandle, RunWatch
from tests.geocadence.pipeline import Pipeline, delete
from tests.geocadence.scenes import item, scene_id

Look = Callable[[], progress.Progress]


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What SageMaker tells."""
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(progress, "read_jobs", lambda client, name_prefix: told)
    return told


@pytest.fixture
def execution() -> dict[str, str]:
    return {"status": "RUNNING"}


@pytest.fixture
def watch(jobs: Any, execution: dict[str, str]) -> Callable[[Pipeline, dict[str, Any]], Look]:
    class Client:
        def describe_execution(self, **_: Any) -> dict[str, str]:
            return execution

    def begin(pipeline: Pipeline, planned: dict[str, Any]) -> Look:
        class Target:
            inputs, outputs = pipeline.inputs, pipeline.outputs

            def client(self, service: str) -> Client:
                return Client()

        watch = RunWatch(Target(), RunHandle("ndvi", planned["run_id"], planned["arn"], pipeline.clock))
        return lambda: watch.look()[0]

    return begin


@pytest.fixture
def fetched(s3: Any) -> Iterator[list[int]]:
    """The bytes of each object, or part of one, that is read."""
    sizes: list[int] = []

    def note(parsed: dict[str, Any], **_: Any) -> None:
        sizes.append(parsed.get("ContentLength", 0))

    s3.meta.events.register("after-call.s3.GetObject", note)
    yield sizes
    s3.meta.events.unregister("after-call.s3.GetObject", note)


def large(inputs: Bucket, outputs: Bucket, scenes: int, *, scenes_per_job: int = 20) -> Pipeline:
    made = Pipeline(inputs, outputs, [item(n) for n in range(scenes)])
    made.definition["limits"] |= {"scenes_per_job": scenes_per_job}
    return made


def job(batch: int, **changes: Any) -> dict[str, Any]:
    """As `close.jobs.describe` tells it, as far as a watch looks at it."""
    return {
        "name": f"ndvi-7b6f11-0aade92c4d93-{batch}-0-0",
        "batch": batch,
        "status": "InProgress",
        "failure_reason": "",
        "created": "2026-11-22T06:03:00Z",
        "started": "2026-11-22T06:04:00Z",
        "ended": None,
    } | changes


def test_batches_that_have_ended_are_counted_by_their_results_and_those_at_work_by_their_products(
    inputs: Bucket, outputs: Bucket, jobs: Any, watch: Any
) -> None:
    pipeline = large(inputs, outputs, 5, scenes_per_job=2)
    planned = pipeline.plan("a")
    look = watch(pipeline, planned)
    assert (look().planned, look().produced, look().phase) == (5, 0, "starting jobs")
    jobs += [job(0), job(1)]
    pipeline.work(planned, but=(scene_id(1), scene_id(2), scene_id(4)), is_reconciled=False)
    assert (look().produced, look().phase) == (2, "processing")

    pipeline.reconcile(planned, [0])
    pipeline.produce(2)

    assert look().produced == 3
    # What a batch's result told does not change any more.
    delete(outputs, *(found.key for found in outputs.listing("ndvi/2026/")))
    assert look().produced == 3


def test_a_run_between_two_tries_of_its_only_job_is_seen_to_wait_as_long_as_it_goes_on(
    inputs: Bucket, outputs: Bucket, jobs: Any, execution: dict[str, str], watch: Any
) -> None:
    pipeline = large(inputs, outputs, 3)
    look = watch(pipeline, pipeline.plan("a"))
    now = format_instant(datetime.now(UTC))
    failed = {"status": "Failed", "failure_reason": "CapacityError: none", "started": None}
    jobs.append(job(0, created=now, ended=now, **failed))

    seen = look()

    assert (seen.phase, [pause.job for pause in seen.pauses]) == ("waiting for capacity", [jobs[0]["name"]])
    execution["status"] = "ABORTED"
    assert (look().phase, look().pauses) == ("aborted", [])


def test_products_of_before_the_run_do_not_count(inputs: Bucket, outputs: Bucket, jobs: Any, watch: Any) -> None:
    pipeline = large(inputs, outputs, 3)
    pipeline.run("a")
    planned = pipeline.plan("b", {"recompute": True})
    jobs.append(job(0))
    look = watch(pipeline, planned)
    assert look().produced == 0

    pipeline.produce(1)

    assert look().produced == 1


def test_a_run_that_has_ended_is_told_by_its_record(
    inputs: Bucket, outputs: Bucket, execution: dict[str, str], watch: Any
) -> None:
    pipeline = large(inputs, outputs, 5, scenes_per_job=2)
    planned = pipeline.plan("a")
    pipeline.work(planned, but=(scene_id(4),))
    pipeline.close(planned)
    execution["status"] = "FAILED"

    seen = watch(pipeline, planned)()

    assert (seen.planned, seen.produced, seen.failed, seen.phase) == (5, 4, 1, "failed")


def test_a_result_of_code_that_did_not_count_in_its_head_is_counted(inputs: Bucket, outputs: Bucket) -> None:
    pipeline = large(inputs, outputs, 3)
    planned = pipeline.plan("a")
    pipeline.work(planned, but=(scene_id(1),))
    layout = RunLayout("ndvi", planned["run_id"])
    assert read_produced(inputs, layout, 0) == 2

    result = read_result(inputs, layout, 0)
    assert result is not None
    head, entries = result.read()
    older = packed_lines([{"failure": head["failure"]}, *entries])
    inputs.write(layout.batch_result(0), older, content_type="application/gzip")

    assert read_produced(inputs, layout, 0) == 2


def test_of_an_aborted_run_whose_slices_have_expired_nobody_tells_what_was_made(
    inputs: Bucket, outputs: Bucket, execution: dict[str, str], jobs: Any, watch: Any
) -> None:
    pipeline = large(inputs, outputs, 3)
    planned = pipeline.plan("a")
    execution["status"] = "ABORTED"
    jobs.append(job(0, status="Stopped"))
    delete(inputs, RunLayout("ndvi", planned["run_id"]).plan_slice(0))

    assert (watch(pipeline, planned)().planned, watch(pipeline, planned)().produced) == (3, None)


def test_looking_again_reads_the_plans_first_kilobytes_whatever_its_size(
    new_bucket: Callable[[str], Bucket], jobs: Any, watch: Any, fetched: list[int]
) -> None:
    read = {}
    for scenes in (40, 100):
        pipeline = large(new_bucket("input"), new_bucket("output"), scenes)
        planned = pipeline.plan("a")
        jobs[:] = [job(batch) for batch in range(planned["batches"])]
        pipeline.work(planned, is_reconciled=False)
        pipeline.reconcile(planned, range(planned["batches"] - 1))
        look = watch(pipeline, planned)
        fetched.clear()
        assert look().produced == scenes
        first = sum(fetched)
        fetched.clear()
        assert look().produced == scenes
        read[scenes] = (sum(fetched), len(pipeline.inputs.read(RunLayout("ndvi", planned["run_id"]).plan) or b""))
        # The first look reads beside it a few kilobytes a batch that has ended, and the slice of the one at work.
        slice_ = pipeline.inputs.read(RunLayout("ndvi", planned["run_id"]).plan_slice(planned["batches"] - 1))
        assert first <= read[scenes][0] + planned["batches"] * (4 << 10) + len(slice_ or b"")

    assert read[40][0] == read[100][0] == 8 << 10
    assert read[40][1] > 8 << 10  # the plan, which grows with the scenes
    assert read[100][1] > 2 * read[40][1]


def test_a_head_that_is_longer_is_read_on(inputs: Bucket, outputs: Bucket, watch: Any) -> None:
    pipeline = large(inputs, outputs, 3)
    planned = pipeline.plan("a")
    key = RunLayout("ndvi", planned["run_id"]).plan
    head, _, rest = (inputs.read(key) or b"").partition(b"\n")
    note = b'"note":"' + b"x" * 100_000
    inputs.write(key, head.replace(b'"note":"', note) + b"\n" + rest, content_type="application/json")

    assert watch(pipeline, planned)().planned == 3


def test_a_result_with_a_long_failure_is_counted_too(inputs: Bucket, outputs: Bucket, jobs: Any, watch: Any) -> None:
    pipeline = large(inputs, outputs, 3)
    planned = pipeline.plan("a")
    pipeline.work(planned, is_reconciled=False)
    why = "".join(f"{n * n:x}" for n in range(5000))
    pipeline.reconcile(planned, [0], failure=why)

    assert watch(pipeline, planned)().produced == 3


def test_of_a_submitted_run_whose_jobs_may_not_be_read_that_is_told_and_no_state(
    inputs: Bucket, outputs: Bucket, watch: Any, execution: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was "not started" while its job ran."""
    pipeline = large(inputs, outputs, 1, scenes_per_job=2)
    planned = pipeline.plan("a")
    execution.clear()

    def refused(client: Any, *, name_prefix: str) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "ListProcessingJobs")

    monkeypatch.setattr(progress, "list_jobs", refused)
    with pytest.raises(ClientError, match="ListProcessingJobs"):
        watch(pipeline, planned)()
