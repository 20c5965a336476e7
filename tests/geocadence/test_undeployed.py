"""What is said of a pipeline that is not where a command looks for it: only what exists is suggested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from geocadence.target import Target
from geocadence.undeployed import not_deployed

SOURCES = {
    "ndvi-sample": "stac: {api: 'http://127.0.0.1:7822', collection: c, area: area.geojson}",
    "ndvi-alentejo": "stac: {api: 'https://example.org', collection: c, area: area.geojson}",
    "orthos": "prefix: {uri: 's3://bucket/orthos/'}",
}


class Machines:
    """Step Functions, as far as it lists state machines; None where that is not allowed."""

    def __init__(self, *names: str | None) -> None:
        self.names = names

    def get_paginator(self, _operation: str) -> Machines:
        return self

    def paginate(self) -> list[dict[str, Any]]:
        if None in self.names:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "ListStateMachines")
        return [{"stateMachines": [{"name": name, "stateMachineArn": f"arn:{name}"} for name in self.names]}]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "pipelines"
    folder.mkdir()
    (folder / "work.py").write_text("")
    (folder / "area.geojson").write_text('{"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}')
    for name, source in SOURCES.items():
        stages = "stages: [prod]\n" if name == "orthos" else ""
        text = f"name: {name}\n{stages}source: {{{source}}}\nprocessing: {{script: work.py}}\n"
        (folder / f"{name}.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return folder


def told(pipeline: str, *deployed: str | None, stage: str = "dev", is_local: bool = False) -> str:
    machines = Machines(*(name and f"geocadence-{stage}-{name}" for name in deployed))
    session = boto3.Session(region_name="us-west-2")
    target = Target(stage, "us-west-2", "1", is_local, session=session, _clients={"stepfunctions": machines})
    return str(not_deployed(target, pipeline))


def test_a_defined_pipeline_comes_with_the_command_that_deploys_it() -> None:
    assert told("ndvi-alentejo") == (
        "the pipeline ndvi-alentejo is not deployed to stage dev in us-west-2 of account 1 (there: none); "
        "`make deploy STAGE=dev` deploys it"
    )
    assert told("ndvi-alentejo", "ndvi-sample", stage="local", is_local=True) == (
        "the pipeline ndvi-alentejo is not deployed to the local cloud (there: ndvi-sample); "
        "`make run PIPELINE=ndvi-alentejo` deploys it"
    )


@pytest.mark.parametrize(("typed", "meant"), [("ndvi-smple", "ndvi-sample"), ("othos", "orthos"), ("wekly", "weekly")])
def test_a_typo_gets_the_nearest_that_is_defined_or_deployed(typed: str, meant: str) -> None:
    text = told(typed, "weekly", stage="local", is_local=True)
    assert text.endswith(f"; did you mean {meant}?")
    assert "make" not in text


def test_a_name_like_no_other_is_not_said_to_be_deployable() -> None:
    assert told("xyz", stage="local", is_local=True).endswith(
        "; no definition under pipelines has that name; `make run PIPELINE=FILE` deploys one from elsewhere"
    )
    assert "`make deploy STAGE=dev CDK_ARGS='-c definition=FILE'`" in told("xyz")


def test_a_definition_of_other_stages_is_not_said_to_be_deployed_by_this_one() -> None:
    sample = told("ndvi-sample")
    assert "its definition is not for this stage (its STAC API is on this machine)" in sample
    assert sample.endswith("; --local runs it on the local cloud")
    orthos = told("orthos")
    assert orthos.endswith("; its definition is not for this stage (stages: prod)")


def test_a_definition_with_mistakes_counts_by_its_files_name(project: Path) -> None:
    (project / "broken.yaml").write_text("name: 7\n")
    assert told("broken").endswith("; `make deploy STAGE=dev` deploys it")


def test_who_may_not_list_is_told_all_the_same() -> None:
    assert told("ndvi-alentejo", None) == (
        "the pipeline ndvi-alentejo is not deployed to stage dev in us-west-2 of account 1; "
        "`make deploy STAGE=dev` deploys it"
    )
