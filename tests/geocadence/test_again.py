"""What is missing, and asked for again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from geocadence import again
from geocadence.again import NothingToRetry, drift, inputs_for_retry, latest_failures
from geocadence.bucket import Bucket
from geocadence.cli import again as verbs
from geocadence.cli import main
from geocadence.cli import runs as run_verbs
from geocadence.follow import Finished, Progress, RunHandle
from geocadence.instants import format_instant
from geocadence.layout import RunLayout
from tests.geocadence.pipeline import Pipeline, table
from tests.geocadence.scenes import definition, item, scene_id


@pytest.fixture
def pipeline(inputs: Bucket, outputs: Bucket) -> Pipeline:
    return Pipeline(inputs, outputs, [item(n) for n in range(5)])


def parts(pipeline: Pipeline, planned: dict[str, Any]) -> list[dict[str, Any]]:
    return inputs_for_retry(RunLayout("ndvi", planned["run_id"]), inputs=pipeline.inputs, outputs=pipeline.outputs)


def anew(pipeline: Pipeline, planned: dict[str, Any]) -> dict[str, str]:
    """What asks for products that were made before a run was planned."""
    planned_at = pipeline.inputs.modified(RunLayout("ndvi", planned["run_id"]).plan)
    return {"recompute": format_instant(planned_at)} if planned_at else {}


def ask(pipeline: Pipeline, planned: dict[str, Any]) -> dict[str, Any]:
    (asked,) = parts(pipeline, planned)
    return asked


def test_a_retry_asks_for_what_is_missing_and_nothing_else(pipeline: Pipeline) -> None:
    planned = pipeline.plan("a")
    pipeline.work(planned, but=(scene_id(1), scene_id(4)))
    pipeline.close(planned)

    asked = ask(pipeline, planned)

    assert asked == {"scenes": [scene_id(1), scene_id(4)]}
    assert pipeline.run("b", asked)["produced"] == 2
    assert sorted(pipeline.jobs) == [scene_id(n) for n in range(5)]


def test_a_retry_of_an_aborted_run_makes_what_is_missing_and_commits_what_it_finished(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    planned = pipeline.plan("a")
    pipeline.work(planned, but=(scene_id(1),))
    pipeline.abort(planned)

    asked = parts(pipeline, planned)
    assert asked == [{"scenes": [scene_id(1)]}, {"scenes": [scene_id(n) for n in (0, 2, 3, 4)]}]
    assert [pipeline.run(f"b{n}", each)["produced"] for n, each in enumerate(asked)] == [1, 0]
    assert sorted(pipeline.jobs) == [scene_id(n) for n in range(5)]
    recipe = planned["document"]["recipe"]
    assert table(pipeline, tmp_path, 'id, "geocadence:recipe"') == [(scene_id(n), recipe) for n in range(5)]
    with pytest.raises(NothingToRetry):
        ask(pipeline, planned)


def test_a_retry_of_an_aborted_run_commits_what_it_was_to_commit_for_another(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    for name in "ab":
        planned = pipeline.plan(name)
        pipeline.work(planned, but=(scene_id(1),))
        pipeline.abort(planned)

    asked = parts(pipeline, planned)

    assert asked == [{"scenes": [scene_id(1)]}, {"scenes": [scene_id(n) for n in (0, 2, 3, 4)]}]
    assert [pipeline.run(f"c{n}", each)["produced"] for n, each in enumerate(asked)] == [1, 0]
    assert table(pipeline, tmp_path) == [scene_id(n) for n in range(5)]
    with pytest.raises(NothingToRetry):
        ask(pipeline, planned)


def test_a_retry_of_a_recompute_computes_again(pipeline: Pipeline) -> None:
    pipeline.run("a")
    pipeline.later(hours=1)
    planned = pipeline.plan("b", {"recompute": True})
    pipeline.close(planned)

    assert ask(pipeline, planned) == {"scenes": [scene_id(n) for n in range(5)]} | anew(pipeline, planned)
    assert pipeline.run("c", ask(pipeline, planned))["produced"] == 5


def test_a_retry_of_an_aborted_recompute_leaves_what_it_finished(pipeline: Pipeline) -> None:
    pipeline.run("a")
    planned = pipeline.plan("b", {"recompute": True})
    pipeline.work(planned, but=(scene_id(1),))
    pipeline.abort(planned)

    assert ask(pipeline, planned) == {"scenes": [scene_id(1)]} | anew(pipeline, planned)
    assert pipeline.run("c", ask(pipeline, planned))["produced"] == 1
    assert sorted(pipeline.jobs) == sorted([scene_id(n) for n in range(5)] * 2)


def test_a_retry_of_a_recompute_pays_for_no_scene_twice(pipeline: Pipeline) -> None:
    pipeline.run("a")
    planned = pipeline.plan("b", {"recompute": True})
    pipeline.work(planned, but=(scene_id(1), scene_id(4)))
    pipeline.close(planned)

    first = pipeline.plan("c", ask(pipeline, planned))
    pipeline.work(first, but=(scene_id(4),))
    pipeline.close(first)
    assert ask(pipeline, planned) == {"scenes": [scene_id(4)]} | anew(pipeline, planned)
    pipeline.run("d", ask(pipeline, planned))

    with pytest.raises(NothingToRetry, match="or a run since has"):
        ask(pipeline, planned)
    assert Counter(pipeline.jobs) == {scene_id(n): 2 for n in range(5)}


def test_two_people_who_retry_a_recompute_at_the_same_time_pay_for_it_once(pipeline: Pipeline) -> None:
    pipeline.run("a")
    planned = pipeline.plan("b", {"recompute": True})
    pipeline.close(planned)
    mine, yours = ask(pipeline, planned), ask(pipeline, planned)

    assert pipeline.run("c", mine)["produced"] == 5
    assert pipeline.run("d", yours)["outcome"] == "empty"
    assert Counter(pipeline.jobs) == {scene_id(n): 2 for n in range(5)}


def test_a_dry_run_is_not_said_to_have_produced_what_it_planned(pipeline: Pipeline) -> None:
    planned = pipeline.plan("a", {"dry_run": True})
    pipeline.close(planned)

    with pytest.raises(NothingToRetry, match="was a dry run, which makes nothing"):
        ask(pipeline, planned)


def test_more_scenes_than_an_input_may_name_are_asked_for_in_several(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(again, "MAX_SCENES", 2)
    pipeline.run("a")
    planned = pipeline.plan("b", {"recompute": True})
    pipeline.close(planned)

    asked = parts(pipeline, planned)

    assert [each.pop("scenes") for each in asked] == [
        [scene_id(0), scene_id(1)],
        [scene_id(2), scene_id(3)],
        [scene_id(4)],
    ]
    assert asked == [anew(pipeline, planned)] * 3


def test_long_ids_do_not_make_an_input_that_step_functions_refuses(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(again, "MAX_BYTES", 100)
    planned = pipeline.plan("a")
    pipeline.close(planned)

    asked = parts(pipeline, planned)

    assert [scene for each in asked for scene in each["scenes"]] == [scene_id(n) for n in range(5)]
    assert max(len(json.dumps(each)) for each in asked) <= 100 + len('{"scenes": []}')
    # What is around the ids of the largest input, in the execution's and in the first Task's.
    assert again.MAX_BYTES < 256 * 1024 - 1024


def test_a_scene_that_the_source_took_back_keeps_no_other_from_being_retried(pipeline: Pipeline) -> None:
    planned = pipeline.plan("a")
    pipeline.close(planned)
    pipeline.items = [each for each in pipeline.items if each["id"] != scene_id(1)]

    again = pipeline.run("b", ask(pipeline, planned))

    assert again["produced"] == 4
    assert pipeline.decisions(again)[scene_id(1)] == ("rejected", "items.json does not have it (any more)")


def test_a_complete_run_has_nothing_to_retry(pipeline: Pipeline) -> None:
    planned = pipeline.run("a")

    with pytest.raises(NothingToRetry, match=f"run {planned['run_id']} produced all that it was to produce"):
        ask(pipeline, planned)


def test_a_run_without_a_plan_has_nothing_to_retry(pipeline: Pipeline) -> None:
    with pytest.raises(NothingToRetry, match="run never has no plan"):
        ask(pipeline, {"run_id": "never"})


def test_drift_names_what_is_missing_and_why(pipeline: Pipeline) -> None:
    planned = pipeline.plan("a")
    pipeline.work(planned, but=(scene_id(1), scene_id(4)))
    key = f"ndvi/runs/{planned['run_id']}/failures/{scene_id(4)}.json"
    pipeline.outputs.write_json(key, {"scene": scene_id(4), "class": "input", "reason": "band red is broken"})
    pipeline.close(planned)

    compared = pipeline.plan("b", {"dry_run": True})["document"]
    found = drift(compared["decisions"], latest_failures(pipeline.outputs, "ndvi", {scene_id(1), scene_id(4)}))

    assert [(each["id"], each["decision"], each["reason"]) for each in found] == [
        (scene_id(1), "new", "no product yet"),
        (scene_id(4), "new", "no product yet; when it was tried: band red is broken"),
    ]


def test_drift_tells_of_scenes_that_a_run_is_working_on(pipeline: Pipeline) -> None:
    planned = pipeline.plan("a", {"scenes": [scene_id(2)]})

    found = drift(pipeline.plan("b", {"dry_run": True})["document"]["decisions"], {})

    assert len(found) == 5
    assert found[2]["reason"] == f"run {planned['run_id']} is working on it"


@pytest.fixture
def cloud(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The pipeline as the command line finds it deployed; gives the inputs of the executions that it starts."""
    asked: list[dict[str, Any]] = []

    class Target:
        flags = ""
        inputs, outputs = pipeline.inputs, pipeline.outputs

    def start(target: Any, name: str, execution_input: dict[str, Any]) -> RunHandle:
        asked.append(execution_input)
        planned = pipeline.plan(f"cli-{len(asked)}", execution_input)
        if not execution_input.get("dry_run"):
            pipeline.work(planned)
        pipeline.close(planned)
        return RunHandle(name, planned["run_id"], planned["arn"], pipeline.clock)

    def follow(target: Any, run: RunHandle, *, on_progress: Any) -> Finished:
        on_progress(Progress("RUNNING", planned=1))
        record = pipeline.outputs.read_json(RunLayout(run.pipeline, run.run_id).run_json)
        keys = ("run_id", "outcome", "planned", "produced", "skipped", "failed")
        return Finished(run, "SUCCEEDED", {key: record[key] for key in keys} | {"report": "s3://report"})

    def find(target: Any, of: str) -> RunHandle:
        return RunHandle("ndvi", of, "arn", pipeline.clock)

    class Watch:
        def look(self) -> tuple[Progress, dict[str, Any]]:
            return Progress("RUNNING" if pipeline.at_work else "SUCCEEDED"), {}

    for module in (run_verbs, verbs):
        monkeypatch.setattr(module, "target_of", lambda options: Target())
    monkeypatch.setattr(run_verbs, "start", start)
    monkeypatch.setattr(run_verbs, "follow", follow)
    monkeypatch.setattr(verbs, "find_run", find)
    monkeypatch.setattr(verbs, "RunWatch", lambda target, run: Watch())
    yield asked


def test_retry_starts_a_run_of_what_is_missing(pipeline: Pipeline, cloud: Any, capsys: Any) -> None:
    planned = pipeline.plan("a")
    pipeline.work(planned, but=(scene_id(3),))
    pipeline.close(planned)

    assert main(["retry", planned["run_id"]]) == 0
    assert cloud == [{"scenes": [scene_id(3)]}]
    assert "complete: 1 planned, 1 produced" in capsys.readouterr().out
    assert main(["retry", planned["run_id"][:-1] + "x"]) == 1


def test_retry_leaves_a_run_that_is_at_work(pipeline: Pipeline, cloud: Any, capsys: Any) -> None:
    planned = pipeline.plan("a")

    assert main(["retry", planned["run_id"]]) == 1
    assert f"run {planned['run_id']} is still at work: what is missing at its end" in capsys.readouterr().err
    assert cloud == []


def test_retry_starts_run_after_run_where_one_may_not_name_all(
    pipeline: Pipeline, cloud: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(again, "MAX_SCENES", 2)
    planned = pipeline.plan("a")
    pipeline.close(planned)

    assert main(["retry", planned["run_id"], "--no-wait"]) == 0
    left = f"3 scenes are left; once this run has ended: .venv/bin/geocadence retry {planned['run_id']}"
    assert left in capsys.readouterr().err
    assert main(["retry", planned["run_id"]]) == 0
    assert [each["scenes"] for each in cloud] == [
        [scene_id(0), scene_id(1)],
        [scene_id(2), scene_id(3)],
        [scene_id(4)],
    ]


def test_retry_names_what_the_source_has_not_any_more(pipeline: Pipeline, cloud: Any, capsys: Any) -> None:
    planned = pipeline.plan("a")
    pipeline.close(planned)
    pipeline.items = [each for each in pipeline.items if each["id"] != scene_id(1)]

    assert main(["retry", planned["run_id"]]) == 0
    assert f"{scene_id(1)}: items.json does not have it (any more)" in capsys.readouterr().out


def test_recompute_takes_scenes_that_have_a_product(pipeline: Pipeline, cloud: Any, capsys: Any) -> None:
    pipeline.run("a")

    assert main(["recompute", "ndvi", "--start", "2026-11-02", "--end", "2026-11-04"]) == 0
    assert cloud == [{"window": {"start": "2026-11-02", "end": "2026-11-04"}, "recompute": True}]
    assert "2 produced" in capsys.readouterr().out


def test_reconcile_compares_window_by_window_and_says_by_its_exit_code(
    pipeline: Pipeline, cloud: Any, capsys: Any
) -> None:
    pipeline.run("a", {"scenes": [scene_id(n) for n in (0, 1, 3)]})
    command = ["status", "--reconcile", "ndvi", "--start", "2026-11-01", "--end", "2026-11-06", "--step", "P2D"]

    assert main([*command, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["compared"], [each["id"] for each in told["missing"]]) == (5, [scene_id(2), scene_id(4)])
    assert [each["window"]["end"][:10] for each in cloud] == ["2026-11-02", "2026-11-04", "2026-11-06"]

    pipeline.run("b")
    assert main(command) == 0
    told = capsys.readouterr()
    assert "5 scenes in the source, 5 in the catalogue as they should be" in told.out
    # A line a window, however much there is to say of its dry run.
    assert [line[:30] for line in told.err.splitlines()] == [f"comparing 2026-11-0{n} 00:00 UTC" for n in (1, 3, 5)]


def test_reconcile_tells_once_of_a_composite_that_lasts_into_several_windows(
    pipeline: Pipeline, cloud: Any, capsys: Any
) -> None:
    span = {"datetime": None, "start_datetime": "2026-11-01T00:00:00Z", "end_datetime": "2026-11-16T23:59:59Z"}
    pipeline.items = [item(0, properties=span), item(4)]
    command = ["status", "--reconcile", "ndvi", "--start", "2026-11-01", "--end", "2026-11-15", "--step", "P7D"]

    assert main([*command, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (len(cloud), told["compared"]) == (2, 2)
    assert [each["id"] for each in told["missing"]] == [scene_id(0), scene_id(4)]


@pytest.mark.parametrize("limits", [{"max_scenes_per_run": 2}, {"max_cost_usd": 1}])
def test_reconcile_tells_of_more_than_a_run_may_take(
    pipeline: Pipeline, cloud: Any, capsys: Any, limits: dict[str, int]
) -> None:
    pipeline.definition["limits"] |= limits
    span = ["--start", "2026-11-01", "--end", "2026-12-01"]

    assert main(["status", "--reconcile", "ndvi", *span, "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["missing"]) == 5
    assert main(["run", "ndvi", *span, "--dry-run"]) == 1
    assert "a run would be refused: " in capsys.readouterr().err
    assert main(["plan", "ndvi", *span]) == 1
    told = capsys.readouterr()
    assert "5 scenes to process" in told.out
    assert (
        f"a run would be refused: {'The run would take 5' if 'max_scenes_per_run' in limits else 'limits.max_cost_usd'}"
        in told.err
    )


def test_reconcile_has_nothing_to_compare_where_a_pipeline_takes_objects(
    pipeline: Pipeline, cloud: Any, capsys: Any
) -> None:
    pipeline.inputs.write("sheets/a.tif", b"x", content_type="image/tiff")
    pipeline.definition = definition(prefix={"uri": pipeline.inputs.uri("sheets/")})
    pipeline.sources = {"region_of_bucket": lambda bucket: "us-west-2"}

    assert main(["status", "--reconcile", "ndvi", "--start", "2026-11-01", "--end", "2026-11-06"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "ndvi takes the objects of a prefix, not scenes: there is nothing to compare" in " ".join(told.err.split())


@pytest.mark.parametrize("wrong", [[], ["--start", "never"], ["--start", "2026-11-05", "--end", "2026-11-01"]])
def test_reconcile_wants_a_window(cloud: Any, capsys: Any, wrong: list[str]) -> None:
    assert main(["status", "--reconcile", "ndvi", *wrong]) == 2
    assert capsys.readouterr().err.startswith("geocadence: --start")
