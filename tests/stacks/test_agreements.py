"""What the stacks and the functions have to agree on without importing one another."""

from __future__ import annotations

import pytest

from geocadence.console import console
from geocadence.layout import BATCH_TAGS, job_name_prefix
from geocadence.waiting import ATTEMPTS, HEALS, longest_pause
from stacks.components.processing_job import job_name
from stacks.components.processing_job.console import CONSOLE
from stacks.components.processing_job.run import HEALING_JOBS
from stacks.names import job_prefix
from stacks.storage_stack import EXPIRES
from tests.stacks.templates import Synthesis, context, evaluate


def test_batches_bear_the_tag_that_the_input_bucket_lets_expire() -> None:
    assert "=".join(EXPIRES) == BATCH_TAGS


def test_the_close_function_looks_for_the_names_that_jobs_are_given() -> None:
    given = context(execution="übertrag")
    name = evaluate(job_name(job_prefix("dev", "ndvi-weekly")), states={"input": {}, "context": given})
    assert name.startswith(job_name_prefix("ndvi-weekly", given["Execution"]["Id"]))


@pytest.mark.parametrize(
    ("partition", "region", "home"),
    [
        ("aws", "eu-west-1", "https://eu-west-1.console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "https://cn-north-1.console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_links_lead_to_the_console_of_the_partition(partition: str, region: str, home: str) -> None:
    given = context(partition=partition, region=region)
    assert evaluate("{% " + CONSOLE + " %}", states={"context": given}) == console(region) == home


def test_status_knows_when_the_state_machine_tries_again(synthesis: Synthesis) -> None:
    states = synthesis.stack("geocadence-dev-ndvi-weekly").definition["States"]
    of_batch = states["ProcessBatches"]["ItemProcessor"]["States"]
    again = of_batch["ProcessScenesCanHeal?"]["Choices"][0]["Condition"]
    # The longest of all that may be drawn.
    seconds = of_batch["ProcessScenesPause"]["Seconds"].replace("$random()", "0.9999999")
    assert "0.9999999" in seconds
    for tried in range(1, ATTEMPTS + 2):
        given = {"input": {"heals": True, "attempt": tried}}
        assert evaluate(again, states=given) is (tried < ATTEMPTS)
        assert evaluate(seconds, states=given) == longest_pause(tried).total_seconds()
    assert f"({HEALS.pattern})" in HEALING_JOBS
