"""Half a year window by window, one window of which fails at first: nothing lost, nothing twice."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta

import boto3
import pytest

from tests.end_to_end.conftest import Deployed, geocadence
from tests.end_to_end.scenes.conftest import LATE

SPAN = ("--start", "2026-02-01", "--end", "2026-09-01")
MONTHS = [f"2026-{month:02}-01T00:00:00Z" for month in range(2, 9)]


def backfill(*arguments: str) -> tuple[int, dict]:
    ended = geocadence("backfill", "e2e-months", *SPAN, *arguments, "--json")
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


def states(facts: dict) -> dict[str, str]:
    """The months' states, a month as its number."""
    assert [window["start"] for window in facts["windows"]] == MONTHS
    return {window["start"][6]: window["state"] for window in facts["windows"]}


def produced_by(deployed: Deployed) -> Counter[str]:
    """How often each scene was produced, by the records of all of the pipeline's runs."""
    runs = [json.loads(deployed.read(f"e2e-months/{key}")) for key in deployed.keys("e2e-months/") if "run.json" in key]
    return Counter(scene["id"] for run in runs for scene in run["scenes"] if scene["status"] == "produced")


def test_a_dry_run_adds_up_what_the_windows_would_take(deployed: Deployed):
    code, facts = backfill("--dry-run")
    assert code == 0
    totals = facts["totals"]
    assert totals["scenes"] == 6, "a scene of a month's first instant is in one window"
    assert totals["counts"] == {"new": 6, "skip": 0, "recompute": 0, "rejected": 1}
    assert totals["cost_usd"] == pytest.approx(totals["instance_hours"] * 0.9, abs=0.02)
    assert not deployed.jobs("e2e-months")


def test_windows_and_two_backfills_at_once_make_each_product_once_and_a_failed_window_stops_no_other(
    deployed: Deployed,
):
    machine = f"{deployed.machine('e2e-months')}_backfill"
    # Somebody in the console, with other windows over the same span, at the same time.
    quarters = {"start": "2026-01-01", "end": "2026-09-01", "step": "P3M"}
    other = boto3.client("stepfunctions").start_execution(stateMachineArn=machine, input=json.dumps(quarters))
    code, facts = backfill()
    beside = deployed.wait(other["executionArn"])

    found = states(facts)
    assert {month: found[month] for month in "56"} == {"5": "empty", "6": "empty"}
    assert set(found.values()) <= {"complete", "empty", "failed"}
    assert code == (1 if "failed" in found.values() else 0)
    assert "failed" in found.values() or beside["status"] == "FAILED", "somebody tried April's scene"
    if beside["status"] == "FAILED":
        assert beside["error"] == "BackfillFailed"
        assert "windows failed. Start it again" in beside["cause"]
    produced = produced_by(deployed)
    assert len(produced) == 5
    assert set(produced.values()) == {1}


def reconcile() -> tuple[int, dict[str, tuple[str, str]]]:
    """`status --reconcile` over the span: its exit code, and by month what is missing and why."""
    ended = geocadence("status", "--reconcile", "e2e-months", *SPAN, "--step", "P1Y", "--json")
    assert ended.stdout, ended.stderr
    facts = json.loads(ended.stdout)
    assert facts["compared"] == 7
    return ended.returncode, {each["datetime"][6]: (each["decision"], each["reason"]) for each in facts["missing"]}


def test_the_drift_report_names_what_the_source_has_and_we_have_not_and_why(deployed: Deployed):
    code, missing = reconcile()
    assert code == 1
    assert missing.keys() == {"4", "5"}
    assert missing["5"] == ("rejected", "it has no data (s2:nodata_pixel_percentage is 100)")
    decision, reason = missing["4"]
    assert (decision, reason.partition(";")[0]) == ("new", "no product yet")
    assert "when it was tried: " in reason
    assert "red" in reason, "the job's own words"


def test_starting_it_again_does_only_what_is_missing(deployed: Deployed):
    code, facts = backfill()
    failed = [window for window in facts["windows"] if window["state"] == "failed"]
    assert (code, [window["start"] for window in failed]) == (1, ["2026-04-01T00:00:00Z"])
    assert "1 failed" in failed[0]["reason"]
    assert Counter(states(facts).values()) == {"empty": 6, "failed": 1}

    (april,) = (item for item in deployed.items if "-04-" in item["properties"]["datetime"])
    here = april["assets"]["red"]["href"].removeprefix(f"s3://{deployed.input_bucket}/")
    boto3.client("s3").copy_object(
        Bucket=deployed.input_bucket, Key=LATE, CopySource={"Bucket": deployed.input_bucket, "Key": here}
    )
    before = len(deployed.jobs("e2e-months"))
    code, facts = backfill()

    assert code == 0
    assert Counter(states(facts).values()) == {"empty": 6, "complete": 1}
    assert states(facts)["4"] == "complete"
    assert len(deployed.jobs("e2e-months")) == before + 1
    produced = produced_by(deployed)
    assert len(produced) == 6
    assert set(produced.values()) == {1}
    collection = json.loads(deployed.read("e2e-months/collection.json"))
    assert len([link for link in collection["links"] if link["rel"] == "item"]) == 6


def test_the_drift_report_sees_a_product_that_was_damaged_since(deployed: Deployed):
    assert reconcile() == (0, {"5": ("rejected", "it has no data (s2:nodata_pixel_percentage is 100)")})
    (key,) = (key for key in deployed.keys("e2e-months/2026/02/") if key.endswith("_ndvi.tif"))
    boto3.client("s3").delete_object(Bucket=deployed.output_bucket, Key=f"e2e-months/2026/02/{key}")
    code, missing = reconcile()
    assert (code, missing.keys()) == (1, {"2", "5"})
    assert missing["2"][0] == "new"
    assert "incomplete" in missing["2"][1]
    assert key.rpartition("/")[2] in missing["2"][1]


def test_status_lists_backfills_and_tells_one_by_its_name(deployed: Deployed):
    listed = json.loads(geocadence("status", "--json").stdout)
    latest = next(run for run in listed if run["kind"] == "backfill")
    assert (latest["pipeline"], latest["status"]) == ("e2e-months", "succeeded")
    told = geocadence("status", latest["run_id"])
    assert told.returncode == 0, told.stderr
    assert "2026-04-01 to 2026-04-30  complete" in told.stdout
    assert "succeeded: 7 windows (1 complete, 6 empty); 1 of 1 scenes produced" in told.stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "has no `start`"),
        ('{"start": "2026-02-01", "scenes": ["a"]}', "`scenes`"),
    ],
)
def test_wrong_input_ends_in_a_sentence_before_any_run_exists(deployed: Deployed, text: str, told: str):
    client, machine = boto3.client("stepfunctions"), deployed.machine("e2e-months")
    before = len(client.list_executions(stateMachineArn=machine)["executions"])
    started = client.start_execution(stateMachineArn=f"{machine}_backfill", input=text)
    ended = deployed.wait(started["executionArn"])
    assert (ended["status"], ended["error"]) == ("FAILED", "InvalidInput")
    assert told in ended["cause"], ended["cause"]
    assert len(client.list_executions(stateMachineArn=machine)["executions"]) == before


def test_a_pipeline_of_objects_has_no_backfills(deployed: Deployed):
    ended = geocadence("backfill", "e2e-objects", *SPAN)
    assert ended.returncode == 1
    assert "the pipeline e2e-objects has no backfills: its source has no scenes" in ended.stderr


def test_all_anew_is_what_was_made_before_it_was_asked_for_first(deployed: Deployed):
    """Which the function looks up among the machine's executions, as its role lets it."""
    code, facts = backfill("--recompute", "--dry-run")
    assert code == 0
    assert facts["totals"]["counts"] == {"new": 1, "skip": 0, "recompute": 5, "rejected": 1}, "one was damaged above"
    states = boto3.client("stepfunctions")
    machine = deployed.machine("e2e-months")
    runs = states.list_executions(stateMachineArn=machine)["executions"][:7]
    asked = [json.loads(states.describe_execution(executionArn=run["executionArn"])["input"]) for run in runs]
    first = states.list_executions(stateMachineArn=f"{machine}_backfill")["executions"][0]["startDate"]
    assert {datetime.fromisoformat(each["recompute"]) - first < timedelta(seconds=1) for each in asked} == {True}
