"""How `make run` ends: its exit code, and a sentence where something went wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import local_cloud
from geocadence.follow import Finished, RunHandle
from geocadence.target import TargetError
from sample import __main__ as make_run
from sample.deploy import DeployFailed
from sample.stac_api import StacApiError

RUN = RunHandle("ndvi-sample", "r", "arn:x", datetime(2026, 11, 22, tzinfo=UTC))
SCENES = [
    {"id": "a", "status": "produced", "reason": "", "product": {"statistics": {"ndvi": {"mean": 0.51249}}}},
    {"id": "b", "status": "failed", "reason": "it is new", "failure": {"reason": "no red band"}},
]


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], int]:
    """The exit code of a `make run` whose run ended like this, or which broke by this error."""
    record = {"outcome": "partial", "planned": 2, "produced": 1, "skipped": 0, "failed": 1, "scenes": SCENES}
    (tmp_path / "run.json").write_text(json.dumps(record))

    def call(end: Any) -> int:
        def run(*_: Any) -> tuple[Finished, Path]:
            if isinstance(end, BaseException):
                raise end
            return end, tmp_path

        monkeypatch.setattr(make_run, "_run", run)
        monkeypatch.setattr("sys.argv", ["make run", "ndvi-sample"])
        return make_run.main()

    return call


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        ("SUCCEEDED", "complete", 0),
        ("SUCCEEDED", "empty", 0),
        ("SUCCEEDED", "partial", 1),
        ("FAILED", "failed", 1),
        ("ABORTED", None, 1),
    ],
)
def test_it_ends_non_zero_unless_everything_went_well(ended, status: str, outcome: str | None, code: int) -> None:
    assert ended(Finished(RUN, status, {"outcome": outcome} if outcome else {})) == code


def test_every_scene_is_told_with_what_became_of_it(ended, capsys: pytest.CaptureFixture) -> None:
    ended(Finished(RUN, "SUCCEEDED", {"outcome": "partial"}))
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["  produced a  mean NDVI 0.512", "  failed   b  no red band"]
    assert lines[2:4] == ["outcome: partial", "2 planned, 1 produced, 0 skipped, 1 failed"]
    assert lines[4].startswith("report:   ")


@pytest.mark.parametrize("kind", [local_cloud.CloudError, DeployFailed, StacApiError, TargetError])
def test_what_breaks_is_told_in_its_own_sentence(ended, capsys: pytest.CaptureFixture, kind: type) -> None:
    assert ended(kind("the disk is full")) == 1
    assert capsys.readouterr().err == "geocadence: the disk is full\n"


def test_an_interruption_is_no_error_of_ours(ended, capsys: pytest.CaptureFixture) -> None:
    assert ended(KeyboardInterrupt()) == 130
    assert "a run that has started goes on" in capsys.readouterr().err
