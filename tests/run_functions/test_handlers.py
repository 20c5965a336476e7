"""The Lambda handlers, called as Lambda does: an event and the environment, nothing else."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from geocadence.bucket import Bucket
from geocadence.execution_input import InvalidInput
from geocadence.plan.recipe import recipe_of
from run_functions import close_run, environment, plan_run, reconcile_batch, write_batch
from tests.geocadence.scenes import commit_product, definition, item, items_source, scene_id

RUN = "20261122T060000Z-0a1b2c3d"
ARN = "arn:aws:states:us-west-2:123456789012:execution:geocadence-dev-ndvi:x"


@pytest.fixture
def deployed(inputs: Bucket, outputs: Bucket, aws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """The environment of a deployed pipeline over three scenes; gives the output bucket."""
    inputs.write_json("assets/definition.json", definition(items=items_source([item(n) for n in range(3)])))
    settings = {
        "DEFINITION": inputs.uri("assets/definition.json"),
        "INPUT_BUCKET": inputs.name,
        "OUTPUT_BUCKET": outputs.name,
        "STAGE": "dev",
        "AWS_REGION": "us-west-2",
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_ENDPOINT_URL": aws_endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    environment.client.cache_clear()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    formatters = [handler.formatter for handler in handlers]
    yield outputs
    root.handlers, root.level = handlers, level
    for handler, formatter in zip(handlers, formatters, strict=True):
        handler.setFormatter(formatter)
    environment.client.cache_clear()


def plan(execution_input: Any, **more: Any) -> dict[str, Any]:
    event = {"run_id": RUN, "execution_arn": ARN, "started_at": "2026-11-22T06:00:00.123Z", "input": execution_input}
    return plan_run.handler(event | more, None)


def test_a_submission_is_one_job_whatever_the_definition_makes_of_it(deployed: Bucket, inputs: Bucket) -> None:
    resolved = definition(items=items_source([item(n) for n in range(3)]))
    resolved["limits"] |= {"scenes_per_job": 1}
    inputs.write_json("assets/definition.json", resolved)
    event = {"run_id": RUN, "execution_arn": ARN, "started_at": "2026-11-22T06:00:00Z", "input": {"dry_run": False}}
    assert plan_run.handler(event | {"one_job": True}, None)["batches"] == 1
    assert plan_run.handler(event, None)["batches"] == 3
    with pytest.raises(InvalidInput, match="one_job"):
        plan_run.handler(event | {"input": {"one_job": True}}, None)


def look_after_batches(planned: dict[str, Any], *, failure: str = "") -> None:
    for batch in range(planned["batches"]):
        event = {"plan": planned["plan"], "batch": batch}
        assert write_batch.handler(event | {"redrives": 0}, None) is None
        assert reconcile_batch.handler(event | {"failure": failure}, None) is None


def close(planned: dict[str, Any], **changes: Any) -> dict[str, Any]:
    event = {"run_id": RUN, "execution_arn": ARN, "plan": planned["plan"], "jobs": 1, "jobs_failed": 0, "failure": ""}
    return close_run.handler(event | changes, None)


def test_a_run_is_planned_and_closed(deployed: Bucket) -> None:
    planned = plan({})
    commit_product(deployed, 0)
    closed = close(planned)

    assert set(planned) == {"planned", "skipped", "rejected", "batches", "instance_count", "input_uri", "plan"}
    assert closed == {
        "run_id": RUN,
        "outcome": "partial",
        "planned": 3,
        "produced": 1,
        "skipped": 0,
        "failed": 2,
        "report": deployed.uri(f"ndvi/runs/{RUN}/report.html"),
        "failure": "",
    }


def test_the_results_are_json_and_small(deployed: Bucket) -> None:
    planned = plan({})

    assert len(json.dumps(planned)) < 1024
    assert len(json.dumps(close(planned))) < 1024


def test_a_wrong_input_raises_the_class_that_the_state_machine_knows(deployed: Bucket) -> None:
    with pytest.raises(InvalidInput) as refusal:
        plan({"scenes": "all"})

    assert type(refusal.value).__name__ == "InvalidInput"
    assert str(refusal.value).startswith("The execution input is wrong: `scenes` is the text")


def test_a_job_failure_reaches_the_scenes(deployed: Bucket) -> None:
    close(plan({}), jobs_failed=1, failure="the image can't be pulled")

    record = deployed.read_json(f"ndvi/runs/{RUN}/run.json")
    assert record["outcome"] == "failed"
    assert {scene["failure"]["reason"] for scene in record["scenes"]} == {"the image can't be pulled"}


def test_what_a_batchs_job_failed_of_is_known_to_the_close_although_no_state_holds_it(deployed: Bucket) -> None:
    planned = plan({})
    commit_product(deployed, 0)
    look_after_batches(planned, failure="the quota is 0")

    closed = close(planned, jobs_failed=1)

    assert (closed["outcome"], closed["produced"], closed["failure"]) == ("partial", 1, "the quota is 0")
    record = deployed.read_json(f"ndvi/runs/{RUN}/run.json")
    assert record["failure"] == "the quota is 0"
    assert [scene.get("failure", {}).get("reason") for scene in record["scenes"]] == [None, *["the quota is 0"] * 2]


def test_a_batch_is_written_before_its_job_and_is_all_that_the_job_finds(deployed: Bucket, inputs: Bucket) -> None:
    planned = plan({})
    folder = f"ndvi/runs/{RUN}/batches/0/"
    assert list(inputs.listing(folder)) == []

    look_after_batches(planned)

    assert [found.key for found in inputs.listing(folder)] == [f"{folder}{scene_id(n)}.json" for n in range(3)]


def test_an_unreadable_source_is_refused_with_a_sentence(deployed: Bucket, inputs: Bucket) -> None:
    inputs.write_json("assets/definition.json", definition(prefix={"uri": "s3://no-such-bucket-anywhere/images/"}))

    with pytest.raises(InvalidInput) as refusal:
        plan({})

    assert str(refusal.value).startswith("s3://no-such-bucket-anywhere/images/ can't be read: ")


def test_logs_are_json_lines_with_the_run_in_them() -> None:
    line = environment.JsonLines(run_id=RUN).format(
        logging.makeLogRecord(
            {"name": "geocadence", "levelname": "INFO", "msg": "planned %s", "args": (3,), "count": 3}
        )
    )

    entry = json.loads(line)
    assert {key: entry[key] for key in ("level", "logger", "message", "run_id", "count")} == {
        "level": "INFO",
        "logger": "geocadence",
        "message": "planned 3",
        "run_id": RUN,
        "count": 3,
    }


def test_a_scene_that_is_done_is_skipped_the_next_time(deployed: Bucket) -> None:
    for n in range(3):
        commit_product(deployed, n)

    planned = plan({})

    assert (planned["planned"], planned["skipped"], planned["batches"]) == (0, 3, 0)
    assert close(planned, jobs=0)["outcome"] == "empty"
    assert len([scene_id(n) for n in range(3)]) == planned["skipped"]


def test_a_run_that_was_started_before_a_deployment_and_planned_after_it_makes_products_by_the_old_recipe(
    deployed: Bucket, inputs: Bucket
) -> None:
    """Its execution goes on with the machine that it was started with, and so do the jobs; the functions are new."""
    now = recipe_of(definition(items=items_source([])))
    old = f"00000000{now[8:]}"
    planned = plan({}, recipe=old)
    for n in range(3):
        commit_product(deployed, n)
    look_after_batches(planned)
    assert close(planned, jobs=0)["outcome"] == "complete"
    assert inputs.read_json(f"ndvi/runs/{RUN}/plan.json")["recipe"] == old

    assert plan({}, recipe=old)["planned"] == 0
    assert plan({}, recipe=now)["planned"] == 3
    decisions = inputs.read_json(f"ndvi/runs/{RUN}/plan.json")["decisions"]
    changed = "the recipe changed since its product was made: another arguments"
    assert {(each["decision"], each["reason"]) for each in decisions} == {("recompute", changed)}


def test_a_run_of_an_earlier_deployment_makes_nothing_anew_for_its_own_recipes_sake(deployed: Bucket) -> None:
    """A run that is redriven after a deployment: what newer ones made would be paid for twice more, to and fro."""
    now = recipe_of(definition(items=items_source([])))
    old = f"00000000{now[8:]}"
    planned = plan({}, recipe=now)
    for n in range(2):
        commit_product(deployed, n)
    look_after_batches(planned)
    assert close(planned, jobs=0)["produced"] == 2

    assert plan({}, recipe=old)["planned"] == 1
    assert plan({"recompute": "2026-11-01T00:00:00Z"}, recipe=old)["planned"] == 1
    assert plan({"recompute": True}, recipe=old)["planned"] == 3
