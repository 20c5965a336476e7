"""An aborted execution that is redriven: it goes on where nobody came in between, and does no harm where one did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from geocadence.again import NothingToRetry, inputs_for_retry
from geocadence.close.batch import reconcile_batch
from geocadence.layout import RunLayout
from geocadence.plan.claims import ClaimGone
from tests.geocadence.pipeline import Pipeline, in_memory, table
from tests.geocadence.scenes import item, scene_id

MADE_FROM = 'id, "geocadence:baseline"'


def of(baseline: str) -> dict[str, Any]:
    return item(2, properties=item(2)["properties"] | {"s2:processing_baseline": baseline})


@pytest.fixture
def pipeline() -> Pipeline:
    return in_memory([of("05.10")])


def redrive(pipeline: Pipeline, planned: dict[str, Any]) -> None:
    pipeline.at_work.add(planned["arn"])


def objects_of_batches(pipeline: Pipeline, planned: dict[str, Any]) -> list[str]:
    return [found.key for found in pipeline.inputs.listing(f"ndvi/runs/{planned['run_id']}/batches/")]


def before_a_file_is_replaced(
    happens: Callable[[], None], pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Once, between what a close has read and what it writes; the list has the file's key then."""
    replace_file, replaced = type(pipeline.outputs).replace_file, []

    def after_that(bucket: Any, key: str, path: Any, **how: Any) -> str:
        if not replaced:
            replaced.append(key)
            happens()
        return replace_file(bucket, key, path, **how)

    monkeypatch.setattr(type(pipeline.outputs), "replace_file", after_that)
    return replaced


def test_a_redriven_run_whose_scenes_went_to_another_starts_no_job_and_commits_nothing(
    pipeline: Pipeline, tmp_path: Any
) -> None:
    aborted = pipeline.plan("a")
    pipeline.abort(aborted)
    pipeline.items = [of("05.11")]
    pipeline.run("b")

    redrive(pipeline, aborted)
    with pytest.raises(ClaimGone) as refusal:
        pipeline.work(aborted, is_redriven=True)
    closed = pipeline.close(aborted)

    assert objects_of_batches(pipeline, aborted) == []
    assert table(pipeline, tmp_path, MADE_FROM) == [(scene_id(2), "05.11")]
    assert closed["failure"] == str(refusal.value)
    assert str(refusal.value) == (
        f"the claim of run {aborted['run_id']} is gone: after the run was stopped another one has entered, and may "
        "have taken its scenes (what is still missing is asked for by "
        f"`.venv/bin/geocadence retry {aborted['run_id']}`)"
    )
    assert (closed["outcome"], closed["failed"]) == ("failed", 1)
    assert pipeline.run("c")["outcome"] == "empty"
    assert pipeline.jobs == [scene_id(2)]
    # What it says to do is possible, and finds nothing missing.
    with pytest.raises(NothingToRetry, match="or a run since has"):
        inputs_for_retry(RunLayout("ndvi", aborted["run_id"]), inputs=pipeline.inputs, outputs=pipeline.outputs)


def test_what_such_a_run_was_to_commit_for_another_its_retry_asks_for(pipeline: Pipeline) -> None:
    made = pipeline.plan("made")
    pipeline.work(made)
    pipeline.abort(made)
    heir = pipeline.plan("heir")
    pipeline.abort(heir)
    pipeline.items = [item(5)]
    pipeline.run("elsewhere")

    redrive(pipeline, heir)
    assert "retry" in pipeline.close(heir)["failure"]
    run = RunLayout("ndvi", heir["run_id"])
    assert inputs_for_retry(run, inputs=pipeline.inputs, outputs=pipeline.outputs) == [{"scenes": [scene_id(2)]}]


def test_a_redriven_run_that_nobody_came_before_goes_on(pipeline: Pipeline, tmp_path: Any) -> None:
    aborted = pipeline.plan("a")
    pipeline.abort(aborted)

    redrive(pipeline, aborted)
    pipeline.work(aborted, is_redriven=True)
    assert pipeline.plan("b")["planned"] == 0
    closed = pipeline.close(aborted)

    assert closed["outcome"] == "complete"
    assert table(pipeline, tmp_path) == [scene_id(2)]


def test_who_took_a_run_for_dead_before_it_was_redriven_looks_again(pipeline: Pipeline) -> None:
    aborted = pipeline.plan("a")
    pipeline.abort(aborted)
    looked: list[str] = []

    def is_redriven_meanwhile(arn: str) -> bool:
        looked.append(arn)
        if len(looked) == 1:
            redrive(pipeline, aborted)
            pipeline.work(aborted, is_redriven=True)
            return False
        return arn in pipeline.at_work

    second = pipeline.plan("b", is_at_work=is_redriven_meanwhile)

    assert (second["planned"], looked) == (0, [aborted["arn"]] * 2)
    assert pipeline.close(aborted)["outcome"] == "complete"


def test_a_job_that_a_redrive_begins_at_once_does_not_put_an_older_version_into_the_catalogue(
    pipeline: Pipeline, tmp_path: Any
) -> None:
    """The state machine lets none start behind WriteBatch; should one, the close minds it all the same."""
    aborted = pipeline.plan("a")
    pipeline.work(aborted, but=(scene_id(2),), is_reconciled=False)
    pipeline.abort(aborted)
    pipeline.items = [of("05.11")]
    pipeline.run("b")

    redrive(pipeline, aborted)
    pipeline._process(aborted, but=())
    assert pipeline.close(aborted)["outcome"] == "failed"

    assert table(pipeline, tmp_path, MADE_FROM) == [(scene_id(2), "05.11")]
    healing = pipeline.run("c")
    assert pipeline.decisions(healing)[scene_id(2)] == (
        "recompute",
        "processing baseline 05.11 is there, its product was made from 05.10",
    )
    assert pipeline.run("d")["outcome"] == "empty"


def test_a_batch_of_a_run_at_work_is_written_again_where_the_function_is_tried_again(pipeline: Pipeline) -> None:
    planned = pipeline.plan("a")
    pipeline.work(planned, but=(scene_id(2),))
    pipeline.work(planned)

    assert pipeline.close(planned)["outcome"] == "complete"


def test_rows_of_a_batch_whose_result_is_of_the_attempt_before_are_in_the_table_once(
    pipeline: Pipeline, tmp_path: Any
) -> None:
    """ReconcileBatch of a redriven run dies between its two files: the result says missing, the rows know better."""
    pipeline.items.append(item(4))
    pipeline.run("a")
    planned = pipeline.plan("b", {"recompute": True})
    pipeline.work(planned, but=(scene_id(2),))
    pipeline.abort(planned)
    redrive(pipeline, planned)
    pipeline._process(planned, but=())
    layout = RunLayout("ndvi", planned["run_id"])
    anew = reconcile_batch(pipeline.inputs, pipeline.outputs, layout, 0, region=None)
    pipeline.inputs.write(layout.batch_rows(0), anew.rows, content_type="application/gzip")

    assert pipeline.close(planned)["outcome"] == "partial"

    assert table(pipeline, tmp_path) == [scene_id(2), scene_id(4)]
    assert pipeline.run("c")["outcome"] == "empty"


def test_a_close_whose_run_was_stopped_meanwhile_puts_nothing_over_what_came_since(
    pipeline: Pipeline, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aborting an execution stops no function: the next run is through before this one writes its rows."""
    first = pipeline.plan("a")
    pipeline.work(first)

    def next_run() -> None:
        pipeline.abort(first)
        pipeline.items = [of("05.11")]
        pipeline.run("b")

    replaced = before_a_file_is_replaced(next_run, pipeline, monkeypatch)
    closed = pipeline.close(first)

    assert replaced == ["ndvi/items.parquet"]
    assert table(pipeline, tmp_path, MADE_FROM) == [(scene_id(2), "05.11")]
    assert (closed["outcome"], closed["failed"]) == ("failed", 1)
    assert closed["failure"].startswith(f"the claim of run {first['run_id']} is gone")
    assert pipeline.run("c")["outcome"] == "empty"


def test_of_two_closes_of_a_run_at_once_both_tell_what_it_made(
    pipeline: Pipeline, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step Functions calls CloseRun again where it got no answer, which stops none: the second is through first."""
    planned = pipeline.plan("a")
    pipeline.work(planned)
    closed: list[dict[str, Any]] = []
    before_a_file_is_replaced(lambda: closed.append(pipeline.close(planned)), pipeline, monkeypatch)
    slower = pipeline.close(planned)

    assert (slower["outcome"], slower["produced"], slower["failure"]) == ("complete", 1, "")
    assert slower == closed[0] == pipeline.close(planned)
    record = pipeline.outputs.read_json(RunLayout("ndvi", planned["run_id"]).run_json)
    assert (record["outcome"], [scene["status"] for scene in record["scenes"]]) == ("complete", ["produced"])
    assert table(pipeline, tmp_path) == [scene_id(2)]


def test_a_close_that_dies_before_its_record_keeps_its_claim_and_tells_the_next_time_what_was_made(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = pipeline.plan("a")
    pipeline.work(planned)
    with monkeypatch.context() as broken, pytest.raises(OSError, match="dies here"):
        broken.setattr(
            type(pipeline.outputs), "write_file", lambda *_, **__: (_ for _ in ()).throw(OSError("dies here"))
        )
        pipeline.close(planned)

    assert pipeline.plan("b")["planned"] == 0
    closed = pipeline.close(planned)
    assert (closed["outcome"], closed["produced"], closed["failed"]) == ("complete", 1, 0)


def test_a_close_that_is_tried_again_undoes_nothing_that_came_since(pipeline: Pipeline, tmp_path: Any) -> None:
    first = pipeline.plan("a")
    pipeline.work(first)
    closed = pipeline.close(first)
    pipeline.items = [of("05.11")]
    pipeline.run("b")

    assert pipeline.close(first) == closed
    assert table(pipeline, tmp_path, MADE_FROM) == [(scene_id(2), "05.11")]
