"""Settings from the CDK's context, and what is refused before anything is synthesized."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
import pytest

from geocadence.definition import DefinitionErrors
from stacks.settings import InvalidSettings, Settings


def _from(**context: str) -> Settings:
    return Settings.from_context(cdk.App(context=context, analytics_reporting=False).node)


def test_without_context_it_is_stage_dev_in_us_west_2() -> None:
    settings = _from()
    assert (settings.stage, settings.region, settings.account) == ("dev", "us-west-2", None)
    assert settings.pipelines.name == "pipelines"
    assert settings.environment.region == "us-west-2"
    assert settings.environment.account is None


def test_an_empty_value_is_none() -> None:
    assert _from(stage="", pipeline="") == _from()


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        ({"stage": "Prod"}, "-c stage=Prod: no stage name"),
        ({"stage": "a" * 13}, "no stage name"),
        ({"stage": "1"}, "no stage name"),
        ({"region": "Lisbon"}, "-c region=Lisbon is no region"),
        ({"account": "123"}, "-c account=123 is no account"),
        ({"definition": "x.yaml", "pipeline": "x"}, "exclude each other"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(context: dict, sentence: str) -> None:
    with pytest.raises(InvalidSettings, match=sentence):
        _from(**context)


def test_one_pipeline_can_be_picked(pipelines: Path) -> None:
    assert [each.name for each in _from(pipelines=str(pipelines), pipeline="tiles").definitions()] == ["tiles"]


def test_a_pipeline_that_is_not_there_is_refused_with_those_that_are(pipelines: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"no such pipeline in stage prod \(there: ndvi-weekly, tiles\)"):
        _from(pipelines=str(pipelines), pipeline="orthos", stage="prod").definitions()


def test_one_definition_outside_of_the_folder_can_be_named(pipelines: Path) -> None:
    named = _from(definition=str(pipelines / "orthos.yaml"), stage="prod").definitions()
    assert [each.name for each in named] == ["orthos"]


def test_wrong_definitions_are_refused_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: bad\nsource: {prefix: {uri: s3://bucket/x/}}\nprocessing: {}\n")
    with pytest.raises(DefinitionErrors, match=r"bad\.yaml:3"):
        _from(pipelines=str(tmp_path)).definitions()
