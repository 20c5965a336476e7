"""A submitted job and its claim: started, seen, held, or stopped where another run was faster."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from geocadence import submission
from geocadence.deployed_job import filled
from geocadence.submission import Submission, prepare, start_job
from geocadence.target import TargetError

NAME = "ndvi-4fa610-0123456789ab-0-0-0"


class SageMaker:
    """Lists the job from the third look after its start on; `ends` says what it ends as before it is listed."""

    def __init__(self, *, ends: str | None = None) -> None:
        self.looks, self.stopped, self.ends = 0, [], ends

    def get_paginator(self, name: str) -> Any:
        assert name == "list_processing_jobs"
        return self

    def paginate(self, *, NameContains: str, StatusEquals: str) -> list[dict]:
        self.looks += StatusEquals == "InProgress"
        is_listed = self.looks > 3 and StatusEquals == "InProgress" and self.ends is None
        return [{"ProcessingJobSummaries": [{"ProcessingJobName": NameContains}] * is_listed}]

    def describe_processing_job(self, *, ProcessingJobName: str) -> dict[str, str]:
        return {"ProcessingJobStatus": self.ends or "InProgress"}

    def stop_processing_job(self, *, ProcessingJobName: str) -> None:
        self.stopped.append(ProcessingJobName)


class Target:
    is_local, inputs = False, object()

    def __init__(self, sagemaker: SageMaker) -> None:
        self._sagemaker = sagemaker

    def client(self, service: str) -> SageMaker:
        return self._sagemaker


@pytest.fixture
def renewed(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What each renewal of the claim gives; the job itself is started by nobody."""
    answers: list[bool] = []
    monkeypatch.setattr(submission, "submit", lambda target, request: None)
    monkeypatch.setattr(submission, "renew", lambda inputs, pipeline, run_id: answers.pop(0))
    return answers


def start(sagemaker: SageMaker, *, started: Callable[[str], None] = print) -> str:
    submitted = Submission("r1", 3, {"ProcessingJobName": NAME})
    target = Target(sagemaker)
    return start_job(target, "ndvi", submitted, started=started, sleep=lambda seconds: None)  # type: ignore[arg-type]


def test_the_claim_is_renewed_once_sagemaker_lists_the_job(renewed: list[bool]) -> None:
    renewed += [True, True]
    sagemaker = SageMaker()
    assert start(sagemaker) == NAME
    assert sagemaker.looks == 1 + 3
    assert (renewed, sagemaker.stopped) == ([], [])


def test_where_another_run_was_faster_the_job_is_stopped_and_it_is_said(renewed: list[bool]) -> None:
    renewed += [True, False]
    sagemaker = SageMaker()
    with pytest.raises(TargetError, match=f"another run took the scenes of r1 .* job {NAME} is stopped"):
        start(sagemaker)
    assert sagemaker.stopped == [NAME]


def test_where_another_run_was_faster_still_no_job_is_started(
    renewed: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed.append(False)
    monkeypatch.setattr(submission, "submit", lambda target, request: pytest.fail("it was started"))
    with pytest.raises(TargetError, match="another run took the scenes of r1 before its job was started"):
        start(SageMaker())


@pytest.mark.parametrize("refused", ["has_open_jobs", "renew"])
def test_who_may_not_hold_the_claim_learns_of_it_before_anything_is_paid_for(
    monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise TargetError(f"AWS said no: {refused}")

    monkeypatch.setattr(submission, refused, refuse)
    monkeypatch.setattr(submission, "submit", lambda target, request: pytest.fail("it was started"))
    with pytest.raises(TargetError, match=refused):
        start(SageMaker())


def test_what_is_paid_for_is_told_before_anything_else_is_asked(
    renewed: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed.append(True)
    sagemaker, told = SageMaker(), []

    def start_it(target: object, request: object) -> None:
        def refused(*_: object, **__: object) -> None:
            raise TargetError("AWS said no: ListProcessingJobs")

        monkeypatch.setattr(submission, "has_open_jobs", refused)

    monkeypatch.setattr(submission, "submit", start_it)
    with pytest.raises(TargetError, match="ListProcessingJobs"):
        start(sagemaker, started=told.append)
    assert told == [NAME]


def test_a_job_that_ended_at_once_needs_no_claim_any_more(renewed: list[bool]) -> None:
    renewed.append(True)
    assert start(SageMaker(ends="Completed")) == NAME


def test_without_the_sdk_nothing_is_planned_and_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sagemaker.core.processing", None)
    monkeypatch.setattr(submission, "deployed_job", lambda target, pipeline: pytest.fail("it was looked up"))
    with pytest.raises(TargetError, match="make sdk"):
        prepare(Target(SageMaker()), "ndvi", {})  # type: ignore[arg-type]


def test_what_no_state_machine_would_evaluate_is_sent_as_it_is() -> None:
    plan = {"instance_count": 2, "input_uri": "s3://in/p/"}
    words = ["{%", "{% a %} b", "a {% b %}"]
    asked = filled({"Words": [*words, "{% $run_id %}"]}, name=NAME, run_id="r1", plan=plan)
    assert asked == {"Words": [*words, "r1"], "ProcessingJobName": NAME}
    with pytest.raises(TargetError, match=r"of another version \(it says {% \$else %}\)"):
        filled({"Words": ["{% $else %}"]}, name=NAME, run_id="r1", plan=plan)
