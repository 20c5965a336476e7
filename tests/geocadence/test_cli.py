"""The command line: exit codes, sentences, JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from geocadence.cli import asking, main
from geocadence.cli import runs as run_verbs
from geocadence.follow import Finished, Progress, RunHandle
from geocadence.instants import parse_instant

ROOT = Path(__file__).resolve().parents[2]
RUN = RunHandle("ndvi", "20261122T060000Z-0a1b2c3d", "arn:x", parse_instant("2026-11-22T06:00:00Z"))
OUTPUT = {
    "run_id": RUN.run_id, "outcome": "complete", "planned": 2, "produced": 2, "skipped": 1, "failed": 0,
    "report": "s3://bucket/report.html",
}  # fmt: skip


SKIPPED = {"id": "a", "datetime": "2026-11-20T11:00:00Z", "decision": "skip", "reason": "in place"}


class FakeTarget:
    flags = " --local"
    inputs = SimpleNamespace(read_json=lambda key: None, read_head=lambda key: None)
    is_local = True


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A deployed pipeline whose runs end as `finished` says; `input` is what was asked for."""
    told: dict[str, Any] = {"finished": Finished(RUN, "SUCCEEDED", OUTPUT)}

    def start(target: Any, pipeline: str, execution_input: dict[str, Any]) -> RunHandle:
        told.update(pipeline=pipeline, input=execution_input)
        return RUN

    def follow(target: Any, run: RunHandle, *, on_progress: Any) -> Finished:
        on_progress(Progress("RUNNING", 2, 1))
        if isinstance(told["finished"], BaseException):
            raise told["finished"]
        return told["finished"]

    monkeypatch.setattr(run_verbs, "target_of", lambda options: FakeTarget())
    monkeypatch.setattr(asking, "noted_differences", lambda target, definition: told.get("differences", []))
    monkeypatch.setattr(run_verbs, "start", start)
    monkeypatch.setattr(run_verbs, "follow", follow)
    return told


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_a_good_run_exits_with_0_and_says_its_numbers(cloud: dict[str, Any], capsys: Any) -> None:
    assert main(["run", "ndvi"]) == 0

    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "complete: 2 planned, 2 produced, 1 skipped, 0 failed",
        "report: s3://bucket/report.html",
    ]
    assert "1/2" in told.err


def test_status_tells_of_each_lost_scene_why_and_of_each_why_once_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    lost = [{"id": n, "failure": {"reason": f"{n} has no red", "advice": "Mend the script."}} for n in ("a", "b")]
    record = OUTPUT | {"scenes": [{"id": "c"}, *lost, {"id": "d", "failure": {"reason": "gone", "advice": None}}]}
    target = SimpleNamespace(outputs=SimpleNamespace(read_json=lambda key: record))
    watch = SimpleNamespace(look=lambda: (Progress("SUCCEEDED", 2, 1), {}))
    monkeypatch.setattr(run_verbs, "target_of", lambda options: target)
    monkeypatch.setattr(run_verbs, "find_backfill", lambda target, run: None)
    monkeypatch.setattr(run_verbs, "find_run", lambda target, run: RUN)
    monkeypatch.setattr(run_verbs, "RunWatch", lambda target, run: watch)

    assert main(["status", RUN.run_id]) == 0

    assert capsys.readouterr().out.splitlines()[2:] == [
        "a: a has no red",
        "b: b has no red",
        "d: gone",
        "  Mend the script.",
    ]


def test_status_says_of_a_dry_run_that_it_was_one(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    record = OUTPUT | {"outcome": "empty", "produced": 0, "dry_run": True, "scenes": []}
    monkeypatch.setattr(
        run_verbs, "target_of", lambda options: SimpleNamespace(outputs=SimpleNamespace(read_json=lambda key: record))
    )
    monkeypatch.setattr(run_verbs, "find_backfill", lambda target, run: None)
    monkeypatch.setattr(run_verbs, "find_run", lambda target, run: RUN)
    watch = SimpleNamespace(look=lambda: (Progress("SUCCEEDED", 2, 0), {}))
    monkeypatch.setattr(run_verbs, "RunWatch", lambda target, run: watch)

    assert main(["status", RUN.run_id]) == 0

    told = "empty: 2 planned, 0 produced, 1 skipped, 0 failed (a dry run)"
    assert capsys.readouterr().out.splitlines()[1] == told


@pytest.mark.parametrize(
    ("finished", "code"),
    [
        (Finished(RUN, "SUCCEEDED", OUTPUT | {"outcome": "empty"}), 0),
        (Finished(RUN, "SUCCEEDED", OUTPUT | {"outcome": "partial"}), 1),
        (Finished(RUN, "FAILED", OUTPUT | {"outcome": "failed"}, "RunFailed", "no product"), 1),
        (Finished(RUN, "FAILED", {"run_id": "r"}, "InvalidInput", "`scenes` is empty."), 1),
        (Finished(RUN, "ABORTED", {"run_id": "r"}), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_the_exit_code_says_how_it_went(cloud: dict[str, Any], finished: Any, code: int) -> None:
    cloud["finished"] = finished

    assert main(["run", "ndvi"]) == code


def test_ctrl_c_detaches_and_says_how_to_go_on(cloud: dict[str, Any], capsys: Any) -> None:
    cloud["finished"] = KeyboardInterrupt()

    main(["run", "ndvi", "--local"])

    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"detached; the run goes on. How far it is: .venv/bin/geocadence status {RUN.run_id} --local"


def test_options_become_the_execution_input(cloud: dict[str, Any]) -> None:
    main(
        ["run", "ndvi", "--start", "2026-11-01", "--scene", "a", "--scene", "b", "--recompute", "--instance-count", "3"]
    )

    assert cloud["input"] == {
        "window": {"start": "2026-11-01"},
        "scenes": ["a", "b"],
        "recompute": True,
        "instance_count": 3,
    }


def test_no_options_are_an_empty_input(cloud: dict[str, Any]) -> None:
    main(["run", "ndvi"])

    assert cloud["input"] == {}


def test_run_speaks_json(cloud: dict[str, Any], capsys: Any) -> None:
    main(["run", "ndvi", "--json"])

    assert json.loads(capsys.readouterr().out) == OUTPUT | {"status": "SUCCEEDED", "error": "", "cause": ""}


def test_a_definition_names_its_pipeline(cloud: dict[str, Any]) -> None:
    root = Path(__file__).resolve().parents[2]

    main(["run", "--definition", str(root / "pipelines/ndvi-sample.yaml")])

    assert cloud["pipeline"] == "ndvi-sample"


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "a", "--definition", "b"],
        ["run", "a", "--instance-count", "x"],
        ["status", "--start", "2026-11-01"],
        ["status", "run", "--step", "P1D"],
        ["status", "run", "--reconcile", "a", "--start", "2026-11-01"],
        *(["backfill", "a", "--start", "2026-11-01", "--max-cost-usd", cost] for cost in ("nan", "inf", "-1", "much")),
        [],
        ["x"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    try:
        code: Any = main(arguments)
    except SystemExit as end:
        code = end.code
    assert code == 2


def test_usage_is_told_where_it_is_needed(capsys: Any) -> None:
    for arguments, told in (([], "start a run and follow it"), (["run", "ndvi", "--scenes", "a"], "[--scene ID]")):
        with pytest.raises(SystemExit):
            main(arguments)
        assert told in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["status", "retry", "logs"])
def test_help_says_all_that_a_run_is_known_by(verb: str, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "a run's id, the name of one of its jobs, or an execution's ARN" in told


@pytest.mark.parametrize(
    ("source", "decisions", "told"),
    [
        (
            "stac",
            [],
            "0 scenes to process (0 new, 0 skip)|"
            "the source has no scene in this window (--start and --end name another)",
        ),
        ("stac", [SKIPPED], "0 scenes to process (0 new, 0 skip)"),
        ("prefix", [], "3 objects to process"),
    ],
)
def test_a_plan_counts_what_the_source_has(
    cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: Any, source: str, decisions: list, told: str
) -> None:
    document = {"source": source, "planned": int(told[0]), "counts": {"new": 0, "skip": 0}, "decisions": decisions}
    document["window"] = {"start": None, "end": "2026-11-22T06:00:00Z"}

    class Inputs:
        def read_json(self, key: str) -> dict[str, Any]:
            return document

    monkeypatch.setattr(FakeTarget, "inputs", Inputs())
    assert main(["plan", "ndvi"]) == 0
    expected = ["window – to 2026-11-22 06:00 UTC", *told.split("|")]
    assert capsys.readouterr().out.splitlines()[-len(expected) :] == expected


def test_a_folder_that_takes_no_files_is_refused_before_anything_is_started(
    cloud: dict[str, Any], tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nothing")):
        assert main(["run", "ndvi", "--out", str(folder)]) == 1
        assert "input" not in cloud
        told = capsys.readouterr().err
        assert told.startswith(f"geocadence: --out {folder} takes no files: ")
        assert told.endswith(" (nothing was started)\n")


def test_a_folder_that_fails_later_on_is_told_in_a_sentence(
    cloud: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device", "x.tif")

    monkeypatch.setattr(run_verbs, "fetch_run", full)
    assert main(["run", "ndvi", "--out", str(tmp_path)]) == 1
    assert "could not be fetched: [Errno 28] No space left on device: 'x.tif'" in capsys.readouterr().err


def test_nothing_can_be_fetched_from_a_run_that_is_not_waited_for(
    cloud: dict[str, Any], tmp_path: Path, capsys: Any
) -> None:
    assert main(["run", "ndvi", "--out", str(tmp_path), "--no-wait"]) == 2
    assert "input" not in cloud
    assert "take one of the two" in capsys.readouterr().err


def test_scenes_asked_for_by_name_that_the_run_leaves_to_others_are_told_with_the_reason(
    cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Also those of a run whose job is only just being stopped: nothing was made of them, whatever the outcome says."""
    decisions = [
        {"id": "S2B_1", "decision": "new", "reason": "no product yet"},
        {"id": "S2B_2", "decision": "rejected", "reason": "the API does not have it (any more)"},
        {"id": "S2B_3", "decision": "skip", "reason": "run r1 is working on it", "held_by": "r1"},
        {"id": "S2B_4", "decision": "skip", "reason": "its product is in place"},
    ]
    monkeypatch.setattr(FakeTarget, "inputs", SimpleNamespace(read_json=lambda key: {"decisions": decisions}))

    assert main(["run", "ndvi", *(f"--scene={each['id']}" for each in decisions)]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "S2B_2: the API does not have it (any more)",
        "S2B_3: run r1 is working on it",
    ]


def test_a_run_that_leaves_its_objects_to_another_says_so(
    cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """By its numbers alone there was nothing to do."""
    cloud["finished"] = Finished(RUN, "SUCCEEDED", OUTPUT | {"outcome": "empty", "planned": 0})
    plan = {"planned": 0, "note": "run r1 is working on the same objects"}
    monkeypatch.setattr(FakeTarget, "inputs", SimpleNamespace(read_head=lambda key: plan))
    assert main(["run", "ndvi"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "run r1 is working on the same objects"


@pytest.mark.parametrize("verb", ["validate", "schema"])
def test_a_reader_that_has_seen_enough_is_no_failure(verb: str) -> None:
    """As in `geocadence status | head -1`, under a shell's pipefail."""
    command = [sys.executable, "-c", f"import sys; from geocadence.cli import main; sys.exit(main(['{verb}']))"]
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_credentials_a_sentence_says_what_to_do(no_aws: None, capsys: Any) -> None:
    assert main(["status"]) == 1
    assert capsys.readouterr().err == (
        "geocadence: no AWS account to work in: Unable to locate credentials (sign in, e.g. by `aws sso login` or "
        "AWS_PROFILE; or take --local for the local cloud)\n"
    )


def test_a_file_that_is_not_what_is_deployed_is_noted(cloud: dict[str, Any], capsys: Any) -> None:
    cloud["differences"] = ["processing.arguments", "the script's code"]
    assert main(["run", "ndvi-sample", "--local"]) == 0
    told = capsys.readouterr().err
    assert (
        "pipelines/ndvi-sample.yaml is not what is deployed (processing.arguments, the script's code), and what is "
        "deployed runs; `make run PIPELINE=ndvi-sample` deploys it"
    ) in " ".join(told.split())


def test_without_a_local_cloud_a_sentence_says_how_to_start_it(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    import local_cloud

    monkeypatch.setattr(local_cloud, "status", lambda: None)

    assert main(["run", "ndvi", "--local"]) == 1
    assert capsys.readouterr().err == (
        "geocadence: the local cloud is not running; start it with `.venv/bin/geocadence local up`\n"
    )
