"""What runs that ended without a close left behind is known by its recipe until the catalogue has it."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.scale.store import Client
from geocadence.bucket import Bucket
from geocadence.close import scenes
from geocadence.instants import format_instant
from geocadence.plan import left_behind
from geocadence.plan.claims import read_claims
from tests.geocadence.pipeline import Pipeline, delete, in_memory, table
from tests.geocadence.scenes import item, scene_id

RECIPE = 'id, "geocadence:recipe"'
CHANGED = ("recompute", "the recipe changed since its product was made: another arguments")


@pytest.fixture
def pipeline() -> Pipeline:
    return in_memory([item(2), item(5)])


def window(day: int) -> dict[str, Any]:
    """Of the scene of that day alone."""
    return {"window": {"start": f"2026-11-{day + 1:02}", "end": f"2026-11-{day + 2:02}"}}


def leave_a_product(pipeline: Pipeline, name: str = "aborted", day: int = 2) -> dict[str, Any]:
    aborted = pipeline.plan(name, window(day))
    pipeline.work(aborted)
    pipeline.abort(aborted)
    return aborted


def change_the_recipe(pipeline: Pipeline) -> None:
    pipeline.definition["processing"]["arguments"] = {"indices": ["EVI"]}


def ended(pipeline: Pipeline) -> list[str]:
    return [claim.run_id for claim in read_claims(pipeline.inputs, "ndvi").ended]


def test_a_run_over_another_window_does_not_make_it_forgotten(pipeline: Pipeline, tmp_path: Any) -> None:
    aborted = leave_a_product(pipeline)
    pipeline.run("elsewhere", window(5))
    assert ended(pipeline) == [aborted["run_id"]]
    change_the_recipe(pipeline)

    after = pipeline.run("after", window(2))

    assert pipeline.decisions(after) == {scene_id(2): CHANGED}
    assert dict(table(pipeline, tmp_path, RECIPE))[scene_id(2)] == after["document"]["recipe"]
    again = pipeline.plan("again", window(2))
    assert pipeline.decisions(again) == {scene_id(2): ("skip", "its product is in place")}


def test_what_was_made_by_the_changed_recipe_is_not_paid_for_twice(pipeline: Pipeline) -> None:
    pipeline.run("a")
    change_the_recipe(pipeline)
    leave_a_product(pipeline)
    pipeline.run("elsewhere", window(5))

    assert pipeline.run("after", window(2))["outcome"] == "empty"
    assert sorted(pipeline.jobs) == [scene_id(2)] * 2 + [scene_id(5)] * 2


def test_a_run_that_was_to_make_it_anew_and_died_does_not_make_it_forgotten(pipeline: Pipeline) -> None:
    leave_a_product(pipeline)
    change_the_recipe(pipeline)
    for name in "bc":
        planned = pipeline.plan(name, window(2))
        assert pipeline.decisions(planned) == {scene_id(2): CHANGED}
        pipeline.abort(planned)

    assert pipeline.run("d", window(2))["produced"] == 1
    assert pipeline.run("e", window(2))["outcome"] == "empty"


def test_planning_again_after_the_claim_was_entered_decides_as_before(pipeline: Pipeline) -> None:
    leave_a_product(pipeline)
    change_the_recipe(pipeline)

    for _ in range(2):
        planned = pipeline.plan("b", window(2))
        assert pipeline.decisions(planned) == {scene_id(2): CHANGED}
    pipeline.work(planned)
    assert pipeline.close(planned)["outcome"] == "complete"


def test_after_a_rollback_what_later_code_says_of_runs_beside_is_left(pipeline: Pipeline, tmp_path: Any) -> None:
    """A claim that can't be read would end every plan until a person removes the file."""
    leave_a_product(pipeline)
    pipeline.plan("at work", window(5))
    claims = pipeline.inputs.read_json("ndvi/runs/claims.json")
    for claim in (*claims["runs"], *claims["ended"]):
        claim["said_since"] = {"later": "code"}
    pipeline.inputs.write_json("ndvi/runs/claims.json", claims | {"said_since": []})
    assert claims["runs"] and claims["ended"]

    after = pipeline.run("after")

    held, adopted = pipeline.decisions(after)[scene_id(5)], pipeline.decisions(after)[scene_id(2)]
    assert held[1].endswith("is working on it")
    assert adopted == ("skip", "its product is in place (and not in the catalogue yet)")
    assert table(pipeline, tmp_path) == [scene_id(2)]


def test_a_run_is_named_no_longer_when_all_that_it_left_is_in_the_catalogue(pipeline: Pipeline) -> None:
    leave_a_product(pipeline)
    pipeline.run("adopts")
    pipeline.items.append(item(6))

    pipeline.run("takes something")

    assert ended(pipeline) == []


def test_no_more_of_them_are_named_than_a_plan_can_look_at(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_behind, "MOST_REMEMBERED", 2)
    pipeline.items = [item(n) for n in range(5)]
    left = []
    for n in range(4):
        left.append(leave_a_product(pipeline, f"aborted-{n}", n)["run_id"])
        pipeline.later(days=1)
    pipeline.run("elsewhere", window(4))

    assert ended(pipeline) == left[-2:]


@pytest.fixture
def read_items(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Products' Items that are read."""
    keys: list[str] = []
    get = Client.get_object

    def noted(self: Client, **asked: str) -> dict[str, Any]:
        if asked["Bucket"] == "out" and asked["Key"].startswith("ndvi/2026/"):
            keys.append(asked["Key"])
        return get(self, **asked)

    monkeypatch.setattr(Client, "get_object", noted)
    return keys


def test_what_was_reconciled_is_committed_by_its_rows_as_its_own_run_would_have(
    pipeline: Pipeline, tmp_path: Any, read_items: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenes, "SHOWN_IN_PLACE", 0)
    whole = in_memory(pipeline.items)
    whole.run("a")
    leave_a_product(pipeline, day=2)
    leave_a_product(pipeline, "another", day=5)
    read_items.clear()

    planned = pipeline.plan("after")
    assert planned["planned"] == 0
    pipeline.close(planned)

    assert read_items == []
    columns = '* EXCLUDE ("geocadence:modified"), id'
    rows, expected = (sorted(map(str, table(each, tmp_path, columns))) for each in (pipeline, whole))
    assert rows == expected
    assert len(rows) == 2


def test_an_item_written_anew_since_it_was_reconciled_is_read(pipeline: Pipeline, tmp_path: Any) -> None:
    leave_a_product(pipeline)
    pipeline.says = {"bbox": [0, 0, 1, 1]}
    pipeline.produce(0)

    pipeline.close(pipeline.plan("after", window(2)))

    assert table(pipeline, tmp_path, "bbox.xmax") == [1]


def test_of_an_item_written_anew_as_it_was_the_table_knows_when(pipeline: Pipeline, tmp_path: Any) -> None:
    """Its rasters may be others: who wrote over a committed product is told by the time."""
    leave_a_product(pipeline)
    pipeline.produce(0)

    pipeline.close(pipeline.plan("after", window(2)))

    (written,) = (each for each in pipeline.outputs.listing("ndvi/2026/") if each.key.endswith(".json"))
    assert table(pipeline, tmp_path, '"geocadence:modified"') == [format_instant(written.modified)]


def test_a_batch_that_was_not_reconciled_is_read_item_by_item(pipeline: Pipeline, tmp_path: Any) -> None:
    aborted = pipeline.plan("aborted")
    pipeline.work(aborted, is_reconciled=False)
    pipeline.abort(aborted)

    pipeline.close(pipeline.plan("after"))

    assert sorted(table(pipeline, tmp_path)) == [scene_id(2), scene_id(5)]


@pytest.mark.parametrize("is_reconciled", [True, False])
def test_what_is_incomplete_by_the_close_that_was_to_commit_it_is_not_committed_but_made_anew(
    inputs: Bucket, outputs: Bucket, tmp_path: Any, is_reconciled: bool
) -> None:
    pipeline = Pipeline(inputs, outputs, [item(2), item(5)])
    aborted = pipeline.plan("aborted")
    pipeline.work(aborted, is_reconciled=is_reconciled)
    pipeline.abort(aborted)
    heir = pipeline.plan("heir")
    (file,) = (found.key for found in outputs.listing("ndvi/2026/") if found.key.endswith(f"{scene_id(2)}_ndvi.tif"))
    delete(outputs, file)
    pipeline.close(heir)

    assert table(pipeline, tmp_path) == [scene_id(5)]
    assert pipeline.taken(pipeline.plan("after")) == [scene_id(2)]


def forget(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """More runs that ended without a close than are named, the last of them over other scenes."""
    monkeypatch.setattr(left_behind, "MOST_REMEMBERED", 1)
    for name, day in (("later", 6), ("last", 7)):
        pipeline.items.append(item(day))
        leave_a_product(pipeline, name, day)
        pipeline.later(minutes=1)
    pipeline.run("elsewhere", window(5))


@pytest.mark.parametrize("is_the_same", [False, True], ids=["another Item", "the same Item, another raster"])
def test_what_a_forgotten_run_wrote_over_a_committed_product_is_made_anew(
    pipeline: Pipeline, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, is_the_same: bool
) -> None:
    """It has the recipe of that run, and would pass for one of the recipe before."""
    pipeline.run("a")
    before = dict(pipeline.definition["processing"]["arguments"])
    pipeline.later(minutes=1)
    change_the_recipe(pipeline)
    pipeline.says = {} if is_the_same else {"bbox": [0, 0, 1, 1]}
    leave_a_product(pipeline)
    pipeline.later(minutes=1)
    forget(pipeline, monkeypatch)
    pipeline.definition["processing"]["arguments"] = before

    after = pipeline.run("after", window(2))

    assert pipeline.decisions(after) == {
        scene_id(2): ("recompute", "its product was written over since it was committed, by a run that is forgotten")
    }
    assert pipeline.run("again", window(2))["outcome"] == "empty"


def test_a_product_that_a_person_wrote_anew_is_taken_as_it_is_where_no_run_is_forgotten(pipeline: Pipeline) -> None:
    pipeline.run("a")
    pipeline.says = {"bbox": [0, 0, 1, 1]}
    pipeline.produce(0)

    assert pipeline.run("b")["outcome"] == "empty"
    assert sorted(pipeline.jobs) == [scene_id(2), scene_id(5)]


def test_what_was_forgotten_stays_known_to_be(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    first = leave_a_product(pipeline)
    pipeline.later(minutes=1)
    forget(pipeline, monkeypatch)

    assert read_claims(pipeline.inputs, "ndvi").forgot == first["document"]["planned_at"]
    pipeline.run("b", window(5))
    assert read_claims(pipeline.inputs, "ndvi").forgot == first["document"]["planned_at"]
