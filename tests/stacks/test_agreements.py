"""What the stacks and the functions have to agree on without importing one another."""

from __future__ import annotations

from geocadence.layout import BATCH_TAGS, job_name_prefix
from stacks.components.processing_job import job_name
from stacks.names import job_prefix
from stacks.storage_stack import EXPIRES
from tests.stacks.templates import context, evaluate


def test_batches_bear_the_tag_that_the_input_bucket_lets_expire() -> None:
    assert "=".join(EXPIRES) == BATCH_TAGS


def test_the_close_function_looks_for_the_names_that_jobs_are_given() -> None:
    given = context(execution="übertrag")
    name = evaluate(job_name(job_prefix("dev", "ndvi-weekly")), states={"input": {}, "context": given})
    assert name.startswith(job_name_prefix("ndvi-weekly", given["Execution"]["Id"]))
