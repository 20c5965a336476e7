"""The pipelines' state machines: their way through the states, and what their expressions come to."""

from __future__ import annotations

import json

import pytest

from tests.stacks.templates import REGION, Stack, Synthesis, context, evaluate, expressions_in

RUN = {"run_id": "r1", "outcome": "failed", "planned": 5, "produced": 2, "skipped": 1, "failed": 3, "report": "s3://r"}
PLAN = {
    "batches": 3,
    "planned": 5,
    "instance_count": 4,
    "input_uri": "s3://in/ndvi-weekly/runs/r1/batches/",
    "plan": "s3://p",
}


@pytest.fixture(scope="module")
def weekly(synthesis: Synthesis) -> Stack:
    return synthesis.stack("geocadence-dev-ndvi-weekly")


@pytest.fixture(scope="module")
def states(weekly: Stack) -> dict:
    return weekly.definition["States"]


def test_it_is_a_standard_machine_in_jsonata_with_traces_and_full_logs(weekly: Stack) -> None:
    machine = weekly.machine("geocadence-dev-ndvi-weekly")
    assert machine["StateMachineType"] == "STANDARD"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    assert weekly.definition["QueryLanguage"] == "JSONata"


def test_every_expression_parses(synthesis: Synthesis) -> None:
    import jsonata

    found = [
        each for stack in synthesis.stacks if "storage" not in stack.name for each in expressions_in(stack.definition)
    ]
    found += expressions_in(synthesis.stack("geocadence-dev-ndvi-weekly").backfill)
    assert len(found) > 60
    for each in found:
        jsonata.Jsonata.jsonata(each[2:-2].strip())


def test_states_and_their_order_are_those_of_the_architecture(states: dict) -> None:
    assert {name: state["Type"] for name, state in states.items()} == {
        "Begin": "Pass",
        "PlanRun": "Task",
        "AnyScenes?": "Choice",
        "ProcessBatches": "Map",
        "CloseRun": "Task",
        "Outcome?": "Choice",
        "Notify": "Task",
        "HasFailed?": "Choice",
        "Scheduled?": "Choice",
        "NotifyRefused": "Task",
        "RunSucceeded": "Succeed",
        "RunFailed": "Fail",
        "InvalidInput": "Fail",
    }
    following = {name: states[name]["Next"] for name in ("Begin", "PlanRun", "ProcessBatches", "CloseRun", "Notify")}
    assert following == {
        "Begin": "PlanRun",
        "PlanRun": "AnyScenes?",
        "ProcessBatches": "CloseRun",
        "CloseRun": "Outcome?",
        "Notify": "HasFailed?",
    }


def _choice(state: dict, **names) -> tuple[str, object]:
    """(next state, output) that a Choice picks."""
    for rule in state["Choices"]:
        if evaluate(rule["Condition"], **names):
            return rule["Next"], rule.get("Output")
    return state["Default"], None


def test_a_run_is_named_after_its_start_and_its_execution(states: dict) -> None:
    run_id = evaluate(states["Begin"]["Assign"]["run_id"], states={"context": context()})
    other = evaluate(states["Begin"]["Assign"]["run_id"], states={"context": context(execution="run-2")})
    assert run_id.startswith("20261122T201300Z-")
    assert len(run_id) == len("20261122T201300Z-") + 8
    assert run_id != other


def test_the_plan_function_gets_the_executions_input_as_it_came(states: dict) -> None:
    given = context()
    given["Execution"]["Input"] = {"dry_run": True}
    event = evaluate(states["PlanRun"]["Arguments"]["Payload"], states={"context": given}, run_id="r1")
    assert event.pop("recipe")
    assert event == {
        "run_id": "r1",
        "execution_arn": given["Execution"]["Id"],
        "started_at": "2026-11-22T20:13:00.123Z",
        "input": {"dry_run": True},
    }


def test_a_run_without_batches_goes_straight_to_its_close(states: dict) -> None:
    assert _choice(states["AnyScenes?"], plan=PLAN) == ("ProcessBatches", None)
    chosen = _choice(states["AnyScenes?"], plan=PLAN | {"batches": 0})
    assert chosen == ("CloseRun", {"jobs": 0, "jobs_failed": 0, "failure": ""})


def test_each_batch_is_an_item_and_no_more_jobs_run_at_once_than_allowed(states: dict) -> None:
    batches = states["ProcessBatches"]
    assert evaluate(batches["Items"], plan=PLAN) == [0, 1, 2]
    assert list(evaluate(batches["Items"], plan=PLAN | {"batches": 1})) == [0]
    assert batches["MaxConcurrency"] == 3
    item = context(Map={"Item": {"Value": 2, "Index": 2}})
    assert evaluate(batches["ItemSelector"], states={"context": item}) == {"batch": 2}


@pytest.mark.parametrize(
    ("results", "output"),
    [
        ([{"failed": False}], {"jobs": 1, "jobs_failed": 0, "failure": ""}),
        ([{"failed": True, "reason": "why"}], {"jobs": 1, "jobs_failed": 1, "failure": "why"}),
        ([{"failed": True}], {"jobs": 1, "jobs_failed": 1, "failure": ""}),
        ([{"failed": True}, {"failed": False, "reason": ""}], {"jobs": 2, "jobs_failed": 1, "failure": ""}),
        (
            [{"failed": False}, {"failed": True, "reason": "first"}, {"failed": True, "reason": "second"}],
            {"jobs": 3, "jobs_failed": 2, "failure": "first"},
        ),
    ],
)
def test_batches_come_to_counts_and_the_first_failure(states: dict, results: list, output: dict) -> None:
    assert evaluate(states["ProcessBatches"]["Output"], states={"result": results}) == output


def test_a_batch_is_written_processed_and_looked_at(weekly: Stack) -> None:
    states = weekly.batch_states
    steps = {name: states[name]["Next"] for name in ("WriteBatch", "ProcessScenes", "ProcessScenesFailed")}
    assert steps == {
        "WriteBatch": "ProcessScenes",
        "ProcessScenes": "BatchWritten?",
        "ProcessScenesFailed": "BatchWritten?",
    }
    assert _choice(states["BatchWritten?"], states={"context": context()}, written=0)[0] == "ReconcileBatch"
    assert states["ReconcileBatch"]["End"] is True


def test_a_job_that_a_redrive_begins_is_written_first(weekly: Stack) -> None:
    """So that it does not start where the run's claim is gone."""
    states = weekly.batch_states
    job, written = states["ProcessScenes"]["Arguments"]["ProcessingJobName"], states["WriteBatch"]["Assign"]
    redriven = {"input": {"batch": 2}, "context": context(redrive=1)}

    with pytest.raises(Exception, match="redriven since the batch was written"):
        evaluate(job, states=redriven, written=0)
    (catch,) = weekly.task["Catch"]
    caught = {"Error": "States.QueryEvaluationError", "Cause": "the run was redriven since the batch was written"}
    judged = evaluate(catch["Output"], states=redriven | {"errorOutput": caught})
    assert _choice(states["ProcessScenesCanHeal?"], states={"input": judged})[0] == "ProcessScenesFailed"
    assert _choice(states["BatchWritten?"], states=redriven, written=0)[0] == "WriteBatch"
    assert _choice(states["BatchWritten?"], states=redriven)[0] == "WriteBatch"

    anew = evaluate(written, states=redriven)
    assert anew == {"written": 1}
    assert evaluate(job, states=redriven, **anew).endswith("-2-0-1")
    assert _choice(states["BatchWritten?"], states=redriven, **anew)[0] == "ReconcileBatch"


def test_what_has_no_scenes_has_no_batches_to_look_after(synthesis: Synthesis) -> None:
    states = synthesis.stack("geocadence-dev-tiles").batch_states
    assert set(states) == {"ProcessScenes", "ProcessScenesPause", "ProcessScenesFailed", "ProcessScenesCanHeal?"}


def test_the_functions_of_a_batch_get_its_number_and_where_the_plan_is(weekly: Stack) -> None:
    states = weekly.batch_states
    written = evaluate(states["WriteBatch"]["Arguments"]["Payload"], states={"input": {"batch": 2}}, plan=PLAN)
    assert written == {"plan": "s3://p", "batch": 2, "redrives": 0}
    redriven = {"input": {"batch": 2}, "context": context(redrive=1)}
    again = evaluate(states["WriteBatch"]["Arguments"]["Payload"], states=redriven, plan=PLAN)
    assert again["redrives"] == 1
    ended = {"batch": 2, "failed": True, "reason": "why"}
    looked_at = evaluate(states["ReconcileBatch"]["Arguments"]["Payload"], states={"input": ended}, plan=PLAN)
    assert looked_at == {"plan": "s3://p", "batch": 2, "failure": "why"}


def test_every_end_of_a_job_says_what_the_next_step_needs(weekly: Stack) -> None:
    states = weekly.batch_states
    well = evaluate(states["ProcessScenes"]["Output"], states={"input": {"batch": 2, "attempt": 1}})
    assert well == {"batch": 2, "failed": False, "reason": ""}
    failed = evaluate(states["ProcessScenesFailed"]["Output"], states={"input": {"batch": 2, "reason": "why"}})
    assert failed == {"batch": 2, "failed": True, "reason": "why"}
    (catch,) = states["WriteBatch"]["Catch"]
    assert (catch["ErrorEquals"], catch["Next"]) == (["States.ALL"], "ReconcileBatch")
    broken = _lambda_error("no slice", "FileNotFoundError") | {"input": {"batch": 2}}
    assert evaluate(catch["Output"], states=broken) == {"batch": 2, "failed": True, "reason": "no slice"}


def test_a_batch_that_could_not_be_looked_at_is_left_to_the_close(weekly: Stack) -> None:
    states = weekly.batch_states
    (catch,) = states["ReconcileBatch"]["Catch"]
    assert (catch["ErrorEquals"], catch["Next"]) == (["States.ALL"], "BatchUnreconciled")
    left = states["BatchUnreconciled"]
    assert (left["Type"], left["End"], "Output" in left) == ("Pass", True, False)
    given = {"input": {"batch": 2, "failed": True, "reason": "why " * 150}}
    output = evaluate(catch["Output"], states=given, plan=PLAN | {"batches": 200})
    assert output == {"failed": True, "reason": "why why why why"[:15]}


def test_a_run_of_100000_scenes_has_less_than_10_kb_in_its_states(states: dict, weekly: Stack) -> None:
    # 200 batches of 500, of which every job failed, and where no batch could be looked at either.
    plan = PLAN | {"batches": 200, "planned": 100_000}
    assert len(json.dumps(plan)) < 1000
    numbers = evaluate(states["ProcessBatches"]["Items"], plan=plan)
    assert len(json.dumps(list(numbers))) < 1000
    ended = {"input": {"batch": 199, "failed": True, "reason": "x" * 600}}
    good = evaluate(weekly.batch_states["ReconcileBatch"]["Output"], states=ended, plan=plan)
    bad = evaluate(weekly.batch_states["ReconcileBatch"]["Catch"][0]["Output"], states=ended, plan=plan)
    for output in (good, bad):
        assert len(json.dumps([output] * 200)) < 10_000
        jobs = evaluate(states["ProcessBatches"]["Output"], states={"result": [output] * 200}, plan=plan)
        assert (jobs["jobs"], jobs["jobs_failed"]) == (200, 200)
        assert len(json.dumps(jobs)) < 1000


def test_a_job_that_fails_does_not_fail_the_map(weekly: Stack) -> None:
    (catch,) = weekly.task["Catch"]
    assert catch["ErrorEquals"] == ["States.ALL"]
    assert catch["Next"] == "ProcessScenesCanHeal?"
    assert not [name for name, state in weekly.batch_states.items() if state["Type"] == "Fail"]


def test_a_map_that_breaks_still_reaches_the_close(states: dict) -> None:
    (catch,) = states["ProcessBatches"]["Catch"]
    caught = {"errorOutput": {"Error": "States.ItemReaderFailed", "Cause": "no"}}
    assert catch["Next"] == "CloseRun"
    assert evaluate(catch["Output"], states=caught, plan=PLAN) == {
        "jobs": 3,
        "jobs_failed": 3,
        "failure": "States.ItemReaderFailed: no",
    }


def test_the_close_function_gets_plan_and_counts(states: dict) -> None:
    given = {"context": context(), "input": {"jobs": 3, "jobs_failed": 1, "failure": "why"}}
    event = evaluate(states["CloseRun"]["Arguments"]["Payload"], states=given, run_id="r1", plan=PLAN)
    assert event == {
        "run_id": "r1",
        "execution_arn": given["context"]["Execution"]["Id"],
        "plan": "s3://p",
        "jobs": 3,
        "jobs_failed": 1,
        "failure": "why",
    }


def test_the_runs_output_is_what_the_close_returns_but_for_the_sentence(states: dict) -> None:
    closed = {"result": {"Payload": RUN | {"failure": "why"}}}
    assert evaluate(states["CloseRun"]["Output"], states=closed) == RUN
    assert evaluate(states["CloseRun"]["Assign"]["failure"], states=closed) == "why"


def _lambda_error(message: str, kind: str = "InvalidInput") -> dict:
    cause = {"errorMessage": message, "errorType": kind, "requestId": "x", "stackTrace": ["…"]}
    return {"errorOutput": {"Error": kind, "Cause": json.dumps(cause)}}


def test_invalid_input_ends_with_the_functions_sentence(synthesis: Synthesis, states: dict) -> None:
    catch = states["PlanRun"]["Catch"][0]
    assert (catch["ErrorEquals"], catch["Next"]) == (["InvalidInput"], "Scheduled?")
    sentence = 'window.start: "x" is no time'
    output = evaluate(catch["Output"], states=_lambda_error(sentence))
    assert states["InvalidInput"]["Error"] == "InvalidInput"
    assert evaluate(states["InvalidInput"]["Cause"], states={"input": output}) == sentence
    assert states["NotifyRefused"]["Next"] == "InvalidInput"
    silent = synthesis.stack("geocadence-dev-tiles").definition["States"]
    assert [each["Next"] for each in silent["PlanRun"]["Catch"]][:2] == ["InvalidInput"] * 2


def test_an_input_that_is_too_long_for_the_function_is_invalid_too(states: dict) -> None:
    catch = states["PlanRun"]["Catch"][1]
    assert (catch["ErrorEquals"], catch["Next"]) == (["States.DataLimitExceeded"], "Scheduled?")
    assert states["PlanRun"]["Catch"][2]["ErrorEquals"] == ["States.ALL"]
    assert catch["Output"]["sentence"].startswith("The execution input is too long")


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"window": {"start": "2026-11-01", "end": "2026-11-22"}},
        {"window": {"end": "2026-11-22"}, "recompute": True},
        {"window": "2026-11-22"},
        {"window": {}},
        [],
        "nonsense",
        None,
    ],
)
def test_who_types_an_input_sees_what_is_wrong_and_gets_no_notice(states: dict, asked: object) -> None:
    assert _refused(states, asked)[0] == "InvalidInput"


def test_a_run_of_the_schedule_that_is_refused_is_told(weekly: Stack, states: dict) -> None:
    """Above a limit, say, week after week: nobody looks at how it ends, and its scenes leave the window."""
    (schedule,) = weekly.of_type("AWS::Scheduler::Schedule").values()
    sent = json.loads(json.loads(schedule["Properties"]["Target"]["Input"])["Input"])
    assert sent == {"window": {"end": "<aws.scheduler.scheduled-time>"}}
    assert _refused(states, sent)[0] == "NotifyRefused"

    told = {"input": {"sentence": "The run would take 9 scenes."}, "context": context()}
    arguments = evaluate(states["NotifyRefused"]["Arguments"], states=told, run_id="r1")
    assert arguments["Subject"] == "geocadence-dev-ndvi-weekly: refused"
    assert arguments["Message"].startswith(
        "geocadence-dev-ndvi-weekly: run r1 was refused, and nothing was started. The run would take 9 scenes. "
        f"Execution: https://{REGION}.console.aws.amazon.com/states/"
    )
    assert evaluate(states["NotifyRefused"]["Output"], states=told) == told["input"]
    (catch,) = states["NotifyRefused"]["Catch"]
    assert catch == {"ErrorEquals": ["States.ALL"], "Output": "{% $states.input %}", "Next": "InvalidInput"}


def _refused(states: dict, asked: object) -> tuple[str, object]:
    given = context()
    given["Execution"]["Input"] = asked
    return _choice(states["Scheduled?"], states={"input": {"sentence": "No."}, "context": given})


@pytest.mark.parametrize(
    ("caught", "sentence"),
    [
        (_lambda_error("boom", "RuntimeError"), "boom"),
        # Cut off by Step Functions, behind a brace.
        ({"errorOutput": {"Error": "R", "Cause": '{"errorMessage": "boom", "stackTrace": ["x = {y}'}}, "boom"),
        ({"errorOutput": {"Error": "States.Timeout"}}, "States.Timeout: "),
        (
            {"errorOutput": {"Error": "Lambda.Unknown", "Cause": "The Lambda function returned: {"}},
            "Lambda.Unknown: The",
        ),
        (
            {"errorOutput": {"Error": "Sandbox.Timedout", "Cause": '{"errorType": "Sandbox.Timedout"}'}},
            "Sandbox.Timedout",
        ),
    ],
)
@pytest.mark.parametrize("state", ["PlanRun", "CloseRun"])
def test_a_function_that_breaks_fails_the_run_by_way_of_the_notice(
    states: dict, state: str, caught: dict, sentence: str
) -> None:
    catch = states[state]["Catch"][-1]
    assert (catch["ErrorEquals"], catch["Next"]) == (["States.ALL"], "Outcome?")
    failure = evaluate(catch["Assign"]["failure"], states=caught)
    output = evaluate(catch["Output"], states=caught, run_id="r1", plan=PLAN)
    assert failure.startswith(sentence)
    assert set(output) == set(RUN)
    assert _choice(states["Outcome?"], states={"input": output})[0] == "Notify"
    cause = evaluate(states["RunFailed"]["Cause"], states={"input": output}, run_id="r1", failure=failure)
    assert failure in cause


@pytest.mark.parametrize(
    ("outcome", "told", "end"),
    [
        ("complete", False, "RunSucceeded"),
        ("empty", False, "RunSucceeded"),
        ("partial", True, "RunSucceeded"),
        ("failed", True, "RunFailed"),
    ],
)
def test_outcomes_end_as_the_architecture_says(
    synthesis: Synthesis, states: dict, outcome: str, told: bool, end: str
) -> None:
    given = {"states": {"input": RUN | {"outcome": outcome}}}
    chosen = _choice(states["Outcome?"], **given)[0]
    assert chosen == ("Notify" if told else end)
    if told:
        assert _choice(states["HasFailed?"], **given)[0] == end
    silent = synthesis.stack("geocadence-dev-tiles").definition["States"]
    assert _choice(silent["Outcome?"], **given)[0] == end


def test_the_notice_says_which_run_what_happened_and_where_to_look(states: dict) -> None:
    arguments = states["Notify"]["Arguments"]
    given = {"states": {"input": RUN, "context": context()}, "run_id": "r1", "failure": "AlgorithmError"}
    subject, message = evaluate(arguments["Subject"], **given), evaluate(arguments["Message"], **given)
    assert subject == "geocadence-dev-ndvi-weekly: failed"
    assert len(subject) <= 100
    assert message.startswith(
        "geocadence-dev-ndvi-weekly: run r1 ended as failed. 2 of 5 scenes produced, 3 failed, 1 skipped."
    )
    assert "AlgorithmError" in message
    assert "Report: s3://r" in message
    assert f"https://{REGION}.console.aws.amazon.com/states/" in message


@pytest.mark.parametrize(
    ("pipeline", "told"),
    [
        ("ndvi-weekly", "Run r1: 2 of 5 scenes produced, 3 failed, 1 skipped. AlgorithmError Report: s3://r"),
        ("tiles", "Run r1: 5 objects handed to the script, 2 files written, 3 failed. AlgorithmError Report: s3://r"),
    ],
)
def test_a_failed_run_says_what_became_of_its_scenes_or_objects_and_why(
    synthesis: Synthesis, pipeline: str, told: str
) -> None:
    failed = synthesis.stack(f"geocadence-dev-{pipeline}").definition["States"]["RunFailed"]
    given = {"states": {"input": RUN}, "run_id": "r1", "failure": "AlgorithmError"}
    assert evaluate(failed["Cause"], **given).startswith(told)


def test_a_notice_that_cannot_be_sent_changes_nothing(states: dict) -> None:
    (catch,) = states["Notify"]["Catch"]
    assert catch == {"ErrorEquals": ["States.ALL"], "Output": "{% $states.input %}", "Next": "HasFailed?"}


def test_functions_are_retried_on_lambdas_own_faults_only(weekly: Stack) -> None:
    states = weekly.definition["States"] | weekly.batch_states
    for name in ("PlanRun", "WriteBatch", "ReconcileBatch", "CloseRun"):
        (retry,) = states[name]["Retry"]
        assert [error for error in retry["ErrorEquals"] if not error.startswith("Lambda.")] == []
        assert (retry["JitterStrategy"], retry["MaxDelaySeconds"]) == ("FULL", 60)


def test_every_retry_backs_off_with_jitter(weekly: Stack) -> None:
    retries = [retry for state in weekly.definition["States"].values() for retry in state.get("Retry", ())]
    retries += [retry for state in weekly.batch_states.values() for retry in state.get("Retry", ())]
    assert len(retries) == 7  # the four functions, the notices, the job
    for retry in retries:
        assert (retry["BackoffRate"], retry["JitterStrategy"]) == (2, "FULL")
        assert 1 < retry["MaxAttempts"] < 10
