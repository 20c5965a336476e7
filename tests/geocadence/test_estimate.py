"""What a run is expected to take, learnt from runs that closed."""

from __future__ import annotations

from typing import Any

import pytest

from geocadence.bucket import Bucket
from geocadence.execution_input import InvalidInput
from geocadence.plan.estimate import SCENE, Estimate, Took, estimate, remember
from tests.geocadence.pipeline import Pipeline, delete
from tests.geocadence.scenes import definition, item, items_source, job

JOB = job(seconds=1000.0)


@pytest.fixture(params=["prefix", "manifest"])
def pipeline(request: pytest.FixtureRequest, inputs: Bucket, outputs: Bucket) -> Pipeline:
    """Over three objects of a kilobyte each."""
    for name in "abc":
        inputs.write(f"sheets/{name}.tif", bytes(1000), content_type="image/tiff")
    inputs.write_json("manifest.json", [{"prefix": inputs.uri("sheets/")}, "a.tif", "b.tif", "c.tif"])
    uri = inputs.uri("sheets/" if request.param == "prefix" else "manifest.json")
    made = Pipeline(inputs, outputs, [])
    made.definition = definition(**{request.param: {"uri": uri}})
    return made


def expected(planned: dict[str, Any]) -> dict[str, Any]:
    return planned["document"]["estimate"]


def test_objects_are_estimated_by_the_bytes_of_earlier_runs(pipeline: Pipeline) -> None:
    first = pipeline.plan("a")
    assert (expected(first)["bytes"], expected(first)["of"]) == (3000, "object")
    assert "60 s an object and 180 s to start an instance are assumed" in expected(first)["basis"]
    pipeline.close(first, jobs=[JOB])

    # One object in the place of three, of twice the bytes.
    delete(pipeline.inputs, "sheets/b.tif", "sheets/c.tif")
    pipeline.inputs.write("sheets/a.tif", bytes(6000), content_type="image/tiff")
    pipeline.inputs.write_json("manifest.json", [{"prefix": pipeline.inputs.uri("sheets/")}, "a.tif"])
    again = expected(pipeline.plan("b"))

    assert again["instance_hours"] == round(2 * 3000 / 3600, 3)
    assert again["basis"].endswith("MB an instance-second, starting included, in the last 1 runs on ml.m5.4xlarge")


def test_a_run_of_objects_that_went_wrong_teaches_nothing(pipeline: Pipeline) -> None:
    planned = pipeline.plan("a")
    key = f"ndvi/runs/{planned['run_id']}/failures/a.json"
    pipeline.outputs.write_json(key, {"scene": "a", "class": "input", "reason": "no bands"})
    pipeline.close(planned, jobs=[JOB])

    assert "are assumed" in expected(pipeline.plan("b"))["basis"]


def test_scenes_and_objects_teach_each_other_nothing(pipeline: Pipeline) -> None:
    pipeline.close(pipeline.plan("a"), jobs=[JOB])
    scene = {
        "type": "Feature",
        "id": "S2B",
        "properties": {"datetime": "2026-11-01T11:21:19Z"},
        "assets": {"red": {"href": "s3://a/b", "file:size": 100}},
    }
    pipeline.items = [scene]
    pipeline.definition["source"] = definition(items=items_source([scene]))["source"]

    assert "60 s a scene" in expected(pipeline.plan("b"))["basis"]


def test_before_the_first_run_a_stated_default_is_the_estimate(plan: Any) -> None:
    estimate = plan(definition(items=items_source([item(n) for n in range(4)])))["document"]["estimate"]

    assert estimate == {
        "of": "scene",
        "scenes": 4,
        "bytes": None,
        "instance_hours": round((4 * 60 + 3 * 180) / 3600, 3),
        "basis": "no run on ml.m5.4xlarge has closed yet: 60 s a scene and 180 s to start an instance are assumed",
        "usd_per_hour": None,
        "cost_usd": None,
    }


def test_later_runs_are_estimated_by_what_earlier_ones_took(plan: Any, outputs: Bucket) -> None:
    for n, seconds in enumerate((100.0, 300.0)):
        remember(outputs, "ndvi", Took(f"run-{n}", "ml.m5.4xlarge", 10, 2_000_000_000, seconds))
    remember(outputs, "ndvi", Took("run-2", "ml.c5.xlarge", 10, None, 9999.0))
    by_scene = definition(items=items_source([item(n) for n in range(4)]))
    assets = {"red": {"href": "s3://a/b", "file:size": 500_000_000}}
    by_bytes = definition(items=items_source([item(n, assets=assets) for n in range(4)]))
    by_bytes["processing"]["hourly_rate"] = 0.9

    first, second = (plan(each)["document"]["estimate"] for each in (by_scene, by_bytes))

    assert first["instance_hours"] == round(4 * 20 / 3600, 3)
    assert first["basis"] == "20.0 instance-seconds a scene, starting included, in the last 2 runs on ml.m5.4xlarge"
    assert second["instance_hours"] == round(2e9 / 1e7 / 3600, 3)
    assert second["basis"] == "10.0 MB an instance-second, starting included, in the last 2 runs on ml.m5.4xlarge"
    assert second["cost_usd"] == 0.05


def test_what_later_code_noted_of_runs_keeps_no_run_from_being_planned(plan: Any, outputs: Bucket) -> None:
    """A deployment may be rolled back; a `Took` without this code's count of instances is of earlier code."""
    noted = {"run_id": "r", "instance_type": "ml.m5.4xlarge", "scenes": 2, "bytes": None, "instance_seconds": 40.0}
    outputs.write_json("ndvi/runs/throughput.json", [noted | {"weather": "fair"}])

    planned = plan(definition(items=items_source([item(0)])))

    assert planned["document"]["estimate"]["basis"].startswith("20.0 instance-seconds a scene")


def took(
    scenes: int, *, starts: int | None, to_start: float = 120, a_scene: float = 60, size: int | None = None
) -> Took:
    seconds = to_start * (starts or 4) + a_scene * scenes
    return Took("r", "ml.m5.4xlarge", scenes, size and size * scenes, seconds, starts=starts)


def of_a_year(history: list[Took], *, size: int | None = None) -> Estimate:
    """2,000 scenes in four jobs of four instances, at an USD an hour: with the figures of `took`, 33.87."""
    return estimate(
        scenes=2000,
        bytes_=size and 2000 * size,
        jobs=4,
        instances=4,
        of=SCENE,
        instance_types=["ml.m5.4xlarge"],
        history=history,
        usd_per_hour=1.0,
    )


def test_what_starting_took_in_small_runs_is_not_counted_for_each_scene_of_a_large_one() -> None:
    by_scene = of_a_year([took(scenes, starts=4) for scenes in (4, 6, 9, 16)])
    by_bytes = of_a_year([took(scenes, starts=4, size=10**9) for scenes in (4, 6, 9, 16)], size=10**9)

    assert (by_scene.cost_usd, by_bytes.cost_usd) == (33.87, 33.87)
    assert by_scene.basis == (
        "60.0 instance-seconds a scene and 120 s to start an instance in the last 4 runs on ml.m5.4xlarge"
    )
    assert by_bytes.basis == (
        "16.7 MB an instance-second and 120 s to start an instance in the last 4 runs on ml.m5.4xlarge"
    )


def test_one_large_run_among_small_ones_that_are_alike_tells_the_two_apart() -> None:
    assert of_a_year([took(4, starts=4)] * 19 + [took(2000, starts=16)]).cost_usd == 33.87


@pytest.mark.parametrize(
    "history",
    [
        [took(4, starts=4)] * 20,
        # Not far enough apart for what chance does to each.
        [took(4, starts=4), took(11, starts=4)],
        # By earlier code, which kept no count of instances.
        [took(4, starts=None), took(4, starts=4), took(2000, starts=16)],
        # Large ones took more than their share: starting would have taken less than no time; or less, and scenes would.
        [took(4, starts=4, to_start=0, a_scene=30), took(400, starts=4, to_start=0)],
        [took(4, starts=4, a_scene=0), took(400, starts=4, to_start=100, a_scene=0)],
        # Nowhere more than starting: a scene would take what chance made of the starts, here a hundredth of a start.
        [took(4, starts=4, to_start=198, a_scene=2)] * 10 + [took(12, starts=4, to_start=198, a_scene=2)] * 10,
    ],
)
def test_where_the_two_can_not_be_told_apart_scenes_take_what_they_took_together(history: list[Took]) -> None:
    each = sum(each.instance_seconds for each in history) / sum(each.scenes for each in history)

    assert of_a_year(history).cost_usd == round(2000 * each / 3600, 2)
    assert of_a_year(history).basis.startswith(f"{each:.1f} instance-seconds a scene, starting included, in the last")


def test_a_run_that_would_cost_too_much_is_refused_and_starts_nothing(plan: Any, inputs: Bucket) -> None:
    resolved = definition(items=items_source([item(n) for n in range(4)]))
    resolved["processing"]["hourly_rate"] = 100.0
    resolved["limits"]["max_cost_usd"] = 20

    with pytest.raises(InvalidInput) as refusal:
        plan(resolved)

    assert str(refusal.value) == (
        "The run would cost about 21.67 USD (4 scenes, 0.2 instance-hours at 100 USD; no run on ml.m5.4xlarge has "
        "closed yet: 60 s a scene and 180 s to start an instance are assumed), above limits.max_cost_usd, 20 (take a "
        "shorter window, name the scenes, or raise the limit in the definition)."
    )
    assert list(inputs.listing("")) == []
    resolved["limits"]["max_cost_usd"] = 21.67
    assert plan(resolved)["planned"] == 4


def test_a_limit_of_money_without_a_price_is_refused(plan: Any) -> None:
    resolved = definition(items=items_source([item(0)]))
    resolved["limits"]["max_cost_usd"] = 20

    with pytest.raises(InvalidInput, match=r"no price of ml\.m5\.4xlarge is known"):
        plan(resolved)

    resolved["source"]["items"] = items_source([])
    assert plan(resolved)["planned"] == 0
