"""The state machine of backfills: what it hands to each window's run, what comes of them, who may do what."""

from __future__ import annotations

import json

import pytest

from geocadence.layout import backfill_run_name
from tests.stacks.templates import ACCOUNT, REGION, Stack, Synthesis, as_list, context, evaluate

WINDOW = {"start": "2025-02-01T00:00:00Z", "end": "2025-02-28T23:59:59.999999Z"}


@pytest.fixture(scope="module")
def weekly(synthesis: Synthesis) -> Stack:
    return synthesis.stack("geocadence-dev-ndvi-weekly")


@pytest.fixture(scope="module")
def states(weekly: Stack) -> dict:
    return weekly.backfill["States"]


@pytest.fixture(scope="module")
def window_states(states: dict) -> dict:
    return states["RunWindows"]["ItemProcessor"]["States"]


def test_only_pipelines_of_scenes_have_one(synthesis: Synthesis) -> None:
    of_scenes = ("-ndvi-weekly", "-guide", "-cubes")
    for stack in synthesis.stacks:
        names = [
            m["Properties"]["StateMachineName"] for m in stack.of_type("AWS::StepFunctions::StateMachine").values()
        ]
        if "storage" not in stack.name:
            assert names == [stack.name] + [f"{stack.name}_backfill"] * stack.name.endswith(of_scenes)


def test_it_is_logged_and_traced_like_the_runs(weekly: Stack) -> None:
    machine = weekly.machine("geocadence-dev-ndvi-weekly_backfill")
    assert machine["StateMachineType"] == "STANDARD"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    assert weekly.backfill["QueryLanguage"] == "JSONata"


def test_windows_are_a_distributed_map_with_as_many_runs_at_once_as_the_limit_says(states: dict) -> None:
    windows = states["RunWindows"]
    assert windows["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    assert windows["MaxConcurrency"] == 2
    assert windows["ToleratedFailurePercentage"] == 100
    assert evaluate(windows["Items"], windows=[WINDOW]) == [WINDOW]


def test_a_run_gets_its_window_and_what_the_backfill_asks_of_every_run(states: dict, window_states: dict) -> None:
    given = context(execution="year-2025", Map={"Item": {"Index": 1, "Value": WINDOW}})
    selected = evaluate(states["RunWindows"]["ItemSelector"], states={"context": given}, run={"recompute": True})
    arguments = window_states["RunWindow"]["Arguments"]
    assert arguments["StateMachineArn"].startswith("<Machine")
    asked = evaluate(
        {key: arguments[key] for key in ("Name", "Input")}, states={"context": context(), "input": selected}
    )
    assert asked["Input"] == {"recompute": True, "window": WINDOW}
    assert asked["Name"] == f"{backfill_run_name(given['Execution']['Id'], WINDOW['start'])}-0"
    assert asked["Name"].startswith("backfill-")
    assert asked["Name"].endswith("-20250201T000000Z-0")
    assert len(asked["Name"]) <= 80


def test_a_redrive_names_its_runs_anew(window_states: dict) -> None:
    name = window_states["RunWindow"]["Arguments"]["Name"]
    names = {
        evaluate(name, states={"context": context(redrive=redrive), "input": {"name": "n"}}) for redrive in (None, 1, 2)
    }
    assert names == {"n-0", "n-1", "n-2"}


def test_a_retry_starts_no_second_run(window_states: dict) -> None:
    run = window_states["RunWindow"]
    name = run["Arguments"]["Name"]
    assert len({evaluate(name, states={"context": context(retry=n), "input": {"name": "n"}}) for n in (0, 3)}) == 1
    (retry,) = run["Retry"]
    # Those say that nothing was started; a run that failed is started by whoever starts the backfill again.
    assert retry["ErrorEquals"] == [
        "StepFunctions.AWSStepFunctionsException",
        "StepFunctions.ExecutionLimitExceededException",
    ]
    assert (retry["BackoffRate"], retry["JitterStrategy"], retry["MaxDelaySeconds"]) == (2, "FULL", 120)


def test_a_window_gives_back_one_word(window_states: dict) -> None:
    run = window_states["RunWindow"]
    assert run["Resource"] == "arn:aws:states:::states:startExecution.sync:2"
    assert evaluate(run["Output"], states={"result": {"Output": {"run_id": "r1", "outcome": "partial"}}}) == "partial"
    (catch,) = run["Catch"]
    assert catch == {"ErrorEquals": ["States.ALL"], "Next": "WindowFailed"}
    assert evaluate(window_states["WindowFailed"]["Output"]) == "failed"


@pytest.mark.parametrize(
    ("results", "counts"),
    [
        (["complete"], {"complete": 1, "partial": 0, "empty": 0, "failed": 0}),
        (["empty", "failed", "complete", "partial", "empty"], {"complete": 1, "partial": 1, "empty": 2, "failed": 1}),
        # What a child that broke leaves, and one that left nothing.
        (["complete", {"Error": "States.Runtime"}, None], {"complete": 1, "partial": 0, "empty": 0, "failed": 2}),
        ([], {"complete": 0, "partial": 0, "empty": 0, "failed": 3}),
    ],
)
def test_windows_come_to_counts_and_whatever_is_not_done_failed(states: dict, results: list, counts: dict) -> None:
    windows = [WINDOW] * (len(results) or 3)
    found = evaluate(states["RunWindows"]["Output"], states={"result": results}, windows=windows)
    assert found == {"windows": len(windows)} | counts


def test_a_backfill_with_failed_windows_fails_and_says_what_to_do(states: dict) -> None:
    (rule,) = states["AnyFailed?"]["Choices"]
    output = {"windows": 12, "complete": 8, "partial": 1, "empty": 1, "failed": 2}
    assert evaluate(rule["Condition"], states={"input": output}) is True
    assert evaluate(rule["Condition"], states={"input": output | {"failed": 0}}) is False
    assert rule["Next"] == "BackfillFailed"
    cause = evaluate(states["BackfillFailed"]["Cause"], states={"input": output})
    assert cause.startswith("2 of 12 windows failed. Start it again with the same input")


def test_invalid_input_ends_with_the_functions_sentence(states: dict) -> None:
    (catch,) = states["CutWindows"]["Catch"]
    assert (catch["ErrorEquals"], catch["Next"]) == (["InvalidInput"], "InvalidInput")
    error = {"Error": "InvalidInput", "Cause": json.dumps({"errorMessage": "The input has no `start`."})}
    output = evaluate(catch["Output"], states={"errorOutput": error})
    assert evaluate(states["InvalidInput"]["Cause"], states={"input": output}) == "The input has no `start`."


def test_it_may_start_and_stop_the_runs_of_its_own_pipeline_and_nothing_else(weekly: Stack) -> None:
    may: dict[str, set[str]] = {}
    for role, statement in weekly.all_statements():
        if role.startswith("BackfillRole") and statement["Resource"] != "*":
            for action in as_list(statement["Action"]):
                may.setdefault(action, set()).update(as_list(statement["Resource"]))
    runs = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:geocadence-dev-ndvi-weekly:*"
    (machine,) = (key for key in weekly.of_type("AWS::StepFunctions::StateMachine") if key.startswith("Machine"))
    (itself,) = (key for key in weekly.of_type("AWS::StepFunctions::StateMachine") if key.startswith("Backfill"))
    its_own = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:<{itself} :6>"
    rule = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"
    (function,) = (key for key in weekly.of_type("AWS::Lambda::Function") if key.startswith("FunctionsBackfill"))
    assert may == {
        "lambda:InvokeFunction": {f"<{function}.Arn>", f"<{function}.Arn>:*"},
        "states:StartExecution": {f"<{machine}>", f"<{itself}>"},
        "states:DescribeExecution": {runs, f"{its_own}:*"},
        "states:StopExecution": {runs, f"{its_own}:*"},
        "states:RedriveExecution": {f"{its_own}/Windows:*"},
        **{f"events:{action}": {rule} for action in ("PutTargets", "PutRule", "DescribeRule")},
    }


def test_its_function_only_looks_at_earlier_backfills_and_writes_its_log(weekly: Stack) -> None:
    may = {a: each["Resource"] for each in weekly.statements("FunctionsBackfillRole") for a in as_list(each["Action"])}
    states = f"arn:aws:states:{REGION}:{ACCOUNT}"
    assert {action: on for action, on in may.items() if not action.startswith("logs:")} == {
        "states:ListExecutions": f"{states}:stateMachine:geocadence-dev-ndvi-weekly_backfill",
        "states:DescribeExecution": f"{states}:execution:geocadence-dev-ndvi-weekly_backfill:*",
    }
