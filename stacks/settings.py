"""What a synthesis is told from outside, typed: the stage, where it goes, and which definitions.

All of it comes from the CDK's context (`cdk deploy -c stage=prod -c pipeline=ndvi-weekly`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk
from constructs import Node

from geocadence.definition import LOCAL_STAGE, Definition, is_stage_name, load_pipeline, load_pipelines
from stacks.refused import Refused

PROJECT_ROOT = Path(__file__).resolve().parent.parent
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d")
_ACCOUNT = re.compile(r"\d{12}")


class InvalidSettings(Refused):
    """A setting that can't be; the text says which and what would be right."""


@dataclass(frozen=True)
class Settings:
    """The stage and its definitions."""

    stage: str = "dev"
    region: str = "us-west-2"
    account: str | None = None
    pipelines: Path = PROJECT_ROOT / "pipelines"
    definition: Path | None = None
    pipeline: str | None = None

    def __post_init__(self) -> None:
        if not is_stage_name(self.stage):
            raise InvalidSettings(
                f"-c stage={self.stage}: no stage name "
                "(expected up to 12 lower-case letters and digits, a letter first)"
            )
        if not _REGION.fullmatch(self.region):
            raise InvalidSettings(f"-c region={self.region} is no region (expected e.g. us-west-2)")
        if self.account is not None and not _ACCOUNT.fullmatch(self.account):
            raise InvalidSettings(f"-c account={self.account} is no account (expected 12 digits)")
        if self.definition is not None and self.pipeline is not None:
            raise InvalidSettings("-c definition=FILE and -c pipeline=NAME exclude each other")

    @classmethod
    def from_context(cls, node: Node) -> Settings:
        """The settings in the CDK's context; what is not there, or empty, keeps its default."""
        given = {name: node.try_get_context(name) for name in cls.__dataclass_fields__}
        # `-c` gives texts; cdk.json may hold an account as a number.
        texts = {name: str(value) for name, value in given.items() if value not in (None, "")}
        paths = {name: Path(texts.pop(name)) for name in ("pipelines", "definition") if name in texts}
        return cls(**texts, **paths)

    @property
    def is_production(self) -> bool:
        """Whether data outlives its stack."""
        return self.stage == "prod"

    @property
    def environment(self) -> cdk.Environment:
        """Where the stacks go. The account is the credentials' unless one was named."""
        return cdk.Environment(account=self.account, region=self.region)

    def definitions(self) -> list[Definition]:
        """What the stage deploys; DefinitionErrors when something is wrong with any of it."""
        if self.definition is not None:
            definition = load_pipeline(self.definition)
            if definition.is_local_only and self.stage != LOCAL_STAGE:
                api = definition.pipeline.source.stac.api
                raise InvalidSettings(f"-c stage={self.stage}: no Lambda on AWS reaches {api}, which is this machine")
            return [definition]
        here = [each for each in load_pipelines(self.pipelines) if each.deploys_to(self.stage)]
        if self.pipeline is None:
            return here
        named = [each for each in here if each.name == self.pipeline]
        if not named:
            known = ", ".join(each.name for each in here) or "none"
            raise InvalidSettings(
                f"-c pipeline={self.pipeline}: no such pipeline in stage {self.stage} (there: {known})"
            )
        return named
