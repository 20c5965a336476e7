"""Job names, as the state makes them when it runs."""

from __future__ import annotations

import fnmatch
import re

import pytest

from stacks.components.processing_job import job_name, job_name_pattern
from stacks.names import job_prefix
from tests.stacks.templates import context, evaluate

VALID_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


@pytest.mark.parametrize("prefix", ["", "-a", "A", "a_b", "x" * 38, "ä"])
def test_a_prefix_that_makes_no_job_name_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="job name prefix"):
        job_name(prefix)


EXECUTIONS = [
    "6f1c0e7a-8d3c-4f36-a9b2-4c7c3c1e5d2f_0b6c2f5e-1f0a-4f0e-9f52-3f4bd2cf2a11",  # EventBridge rules
    "x" * 80,
    "übertrag_été_日本",
    "-_-",
    "1",
]


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_job_names_are_valid_whatever_the_execution_is_called(execution: str) -> None:
    expression = job_name("a" * 37, item="$states.input.batch")
    states = {"input": {"batch": 40950, "attempt": 9}, "context": context(execution=execution, retry=7, redrive=123)}
    name = evaluate(expression, states=states)
    assert VALID_NAME.fullmatch(name)
    assert name == name.lower()
    assert len(name) <= 63


def test_job_names_differ_for_every_execution_item_attempt_retry_and_redrive() -> None:
    expression = job_name("maps", item="$states.input.batch")
    names = [
        evaluate(
            expression,
            states={
                "input": {"batch": batch, **attempt},
                "context": context(execution=run, retry=retry, redrive=redrive),
            },
        )
        for run in EXECUTIONS
        for batch in (0, 1, 11)
        for attempt in ({}, {"attempt": 1}, {"attempt": 4})
        for retry in (0, 1, 7)
        for redrive in (None, 1)
    ]
    assert len(set(names)) == len(names)


def test_job_names_do_without_what_the_context_may_lack() -> None:
    states = {"input": {}, "context": context(retry=None, redrive=None)}
    assert re.fullmatch(r"maps-[0-9a-f]{12}-0-0-0", evaluate(job_name("maps"), states=states))


def test_the_permissions_pattern_takes_in_our_names_and_not_those_of_a_longer_prefix() -> None:
    ours = evaluate(job_name("maps"), states={"input": {}, "context": context()})
    theirs = evaluate(job_name("maps-weekly"), states={"input": {}, "context": context()})
    assert fnmatch.fnmatchcase(ours, job_name_pattern("maps"))
    assert not fnmatch.fnmatchcase(theirs, job_name_pattern("maps"))


def test_pipelines_and_stages_have_no_hold_on_each_others_jobs() -> None:
    ours = job_name_pattern(job_prefix("dev", "maps"))
    others = [job_prefix("prod", "maps"), *(job_prefix("dev", f"maps-{'a' * length}") for length in range(1, 26))]
    for other in others:
        name = evaluate(job_name(other), states={"input": {}, "context": context()})
        assert not fnmatch.fnmatchcase(name, ours), name
