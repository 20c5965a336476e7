"""What is deployed, told from the file here, and its functions, called as the state machine calls them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from geocadence import deployed_definition
from geocadence.definition import load_pipeline
from geocadence.deployed_definition import differences, noted_differences
from geocadence.submission import prepare
from geocadence.target import TargetError

PLAN_FUNCTION = "arn:aws:lambda:us-west-2:123456789012:function:geocadence-dev-maps-plan"
WRITE_FUNCTION = PLAN_FUNCTION.replace("-plan", "-write")
PLANNED = {"planned": 5, "batches": 1, "instance_count": 2, "input_uri": "s3://in/maps/", "plan": "s3://in/plan.json"}


class Account:
    """A target with a deployed pipeline; `answers` gives by function what it returns, or the exception it ends with."""

    def __init__(
        self, answers: dict[str, Any] | None = None, *, of_scenes: bool = False, recipe: str | None = None
    ) -> None:
        self.answers, self.calls, self.of_scenes, self.recipe = answers or {}, [], of_scenes, recipe

    def client(self, service: str) -> Account:
        return self

    def patient_client(self, service: str, *, seconds: float) -> Account:
        assert seconds > 900, "a function may take 15 minutes"
        return self

    def state_machine_arn(self, pipeline: str) -> str:
        return f"arn:aws:states:us-west-2:123456789012:stateMachine:geocadence-dev-{pipeline}"

    def describe_state_machine(self, *, stateMachineArn: str) -> dict[str, str]:
        of_batch = {"ProcessScenes": {"Arguments": {"Environment": {"RUN": "{% $run_id %}"}}}}
        if self.of_scenes:
            of_batch["WriteBatch"] = {"Arguments": {"FunctionName": WRITE_FUNCTION}}
        payload = {"recipe": self.recipe} if self.recipe else {}
        plan = {"Arguments": {"FunctionName": PLAN_FUNCTION, "Payload": payload}}
        states = {"PlanRun": plan, "ProcessBatches": {"ItemProcessor": {"States": of_batch}}}
        return {"definition": json.dumps({"States": states})}

    def invoke(self, *, FunctionName: str, Payload: str) -> dict[str, Any]:
        self.calls.append((FunctionName, json.loads(Payload)))
        answer = self.answers[FunctionName]
        if isinstance(answer, ClientError):
            raise answer
        failed = {"FunctionError": "Unhandled"} if isinstance(answer, dict) and "errorMessage" in answer else {}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **failed}

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:
        assert FunctionName == PLAN_FUNCTION
        if isinstance(self.answers.get("definition"), ClientError):
            raise self.answers["definition"]
        return {"Environment": {"Variables": {"DEFINITION": "s3://assets/0a1b.json"}}}


DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not you"}}, "Invoke")


@pytest.mark.parametrize("of_scenes", [True, False])
def test_a_submission_is_planned_and_written_by_the_deployed_functions(of_scenes: bool) -> None:
    account = Account({PLAN_FUNCTION: PLANNED, WRITE_FUNCTION: None}, of_scenes=of_scenes)
    submission = prepare(account, "maps", {"recompute": True})
    (function, event), *others = account.calls
    assert function == PLAN_FUNCTION
    assert set(event) == {"run_id", "execution_arn", "started_at", "input", "recipe", "one_job"}
    assert (event["input"], event["run_id"]) == ({"recompute": True}, submission.run_id)
    assert others == [(WRITE_FUNCTION, {"plan": "s3://in/plan.json", "batch": 0, "redrives": 0})] * of_scenes
    assert (submission.planned, submission.request["Environment"]) == (5, {"RUN": submission.run_id})


@pytest.mark.parametrize("recipe", ["1-2-3", None])
def test_a_submission_tells_the_recipe_of_the_machine_whose_job_it_is(recipe: str | None) -> None:
    """The function may be of a later deployment by then; None, of a machine of earlier code: the function's own."""
    account = Account({PLAN_FUNCTION: PLANNED}, recipe=recipe)
    prepare(account, "maps", {})
    assert [event["recipe"] for _, event in account.calls] == [recipe]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"errorType": "InvalidInput", "errorMessage": "No such scene."}, "^No such scene.$"),
        ({"errorType": "CatalogueUnavailable", "errorMessage": "503"}, "maps-plan failed: CatalogueUnavailable: 503"),
        ({"errorMessage": "Task timed out after 900 s"}, "maps-plan failed: Error: Task timed out after 900 s"),
        (DENIED, f"may not call the pipeline's function geocadence-dev-maps-plan .*InvokeFunction on {PLAN_FUNCTION}"),
        (PLANNED | {"batches": 3}, "of another version .*plans 3 jobs, not one.*: deploy it again"),
    ],
)
def test_what_the_plan_function_ends_with_is_told(answer: Any, told: str) -> None:
    with pytest.raises(TargetError, match=told):
        prepare(Account({PLAN_FUNCTION: answer}), "maps", {})


def test_where_nothing_is_planned_nothing_is_submitted() -> None:
    account = Account({PLAN_FUNCTION: PLANNED | {"planned": 0, "batches": 0}})
    assert prepare(account, "maps", {}).request is None


SAME = """
name: maps
source: {prefix: {uri: "s3://bucket/maps/"}}
processing: {script: script.py, arguments: {scale: 2}}
"""


@pytest.mark.parametrize(
    ("there", "instead", "code", "told"),
    [
        ("scale: 2", "scale: 2", "print(1)", []),
        ("scale: 2", "scale: 3", "print(1)", ["processing.arguments"]),
        ("scale: 2", "scale: 2", "print(2)", ["the script's code"]),
        ("scale: 2}", "scale: 2}, image: build, instance_count: 3", "print(1)",
         ["processing.image", "what the image is built from", "processing.instance_count"]),
        ("bucket/maps", "bucket/charts", "print(1)", ["source.prefix.uri"]),
        ('prefix: {uri: "s3://bucket/maps/"}', 'manifest: {uri: "s3://bucket/m.json"}', "print(1)",
         ["source.manifest", "source.prefix"]),
        ("name: maps", "name: maps\nschedule: {rate: P7D}\nlimits: {max_cost_usd: 5}", "print(1)",
         ["limits.max_cost_usd", "schedule"]),
    ],
)  # fmt: skip
def test_the_keys_in_which_a_file_departs_from_what_is_deployed_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str, instead: str, code: str, told: list[str]
) -> None:
    (tmp_path / "script.py").write_text("print(1)")
    (tmp_path / "maps.yaml").write_text(SAME)
    deployed = json.loads(json.dumps(load_pipeline(tmp_path / "maps.yaml").resolved()))
    # An older version knew no outputs.
    del deployed["processing"]["outputs"]

    class Assets:
        def __init__(self, client: Any, name: str) -> None:
            assert name == "assets"

        def read_json(self, key: str) -> Any:
            return deployed

    monkeypatch.setattr(deployed_definition, "Bucket", Assets)
    assert there in SAME
    (tmp_path / "maps.yaml").write_text(SAME.replace(there, instead))
    (tmp_path / "script.py").write_text(code)

    assert differences(Account(), load_pipeline(tmp_path / "maps.yaml")) == told


def test_who_may_not_read_what_is_deployed_is_told_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "script.py").touch()
    (tmp_path / "maps.yaml").write_text(SAME)

    assert noted_differences(Account({"definition": DENIED}), load_pipeline(tmp_path / "maps.yaml")) == []
