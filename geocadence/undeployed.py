"""What to say of a pipeline that a target has not: whether it is defined, what would deploy it, or which was meant."""

from __future__ import annotations

import difflib

from botocore.exceptions import BotoCoreError, ClientError

from geocadence.definition import LOCAL_STAGE, Definition, DefinitionErrors, load_pipeline
from geocadence.definition.files import definition_files, pipelines_folder
from geocadence.target import Target, TargetError


def not_deployed(target: Target, pipeline: str) -> TargetError:
    """Suggests only what exists: a typo's remedy is the right name, not a deployment."""
    try:
        deployed = list(target.state_machines())
        there = f" (there: {', '.join(deployed) or 'none'})"
    except (BotoCoreError, ClientError):  # who may start an execution need not be allowed to list
        deployed, there = [], ""
    defined = _defined()
    if pipeline in defined:
        remedy = _deploying(target, pipeline, defined[pipeline])
    elif close := difflib.get_close_matches(pipeline, [*deployed, *defined], n=1):
        remedy = f"did you mean {close[0]}?"
    else:
        command = "make run PIPELINE=FILE" if target.is_local else f"{_make(target)} CDK_ARGS='-c definition=FILE'"
        remedy = f"no definition under {pipelines_folder()} has that name; `{command}` deploys one from elsewhere"
    return TargetError(f"the pipeline {pipeline} is not deployed to {target.place}{there}; {remedy}")


def deploying(target: Target, pipeline: str) -> str:
    """The command that deploys what is defined under `pipelines/`."""
    command = f"make run PIPELINE={pipeline}" if target.is_local else _make(target)
    return f"`{command}` deploys it"


def _defined() -> dict[str, Definition | None]:
    """The pipelines under `pipelines/` by name; None for a definition that is not right yet."""
    found: dict[str, Definition | None] = {}
    for path in definition_files(pipelines_folder()):
        try:
            definition = load_pipeline(path)
            found[definition.name] = definition
        except DefinitionErrors:
            found[path.stem] = None
    return found


def _deploying(target: Target, pipeline: str, definition: Definition | None) -> str:
    if definition is not None and not definition.deploys_to(target.stage):
        stages = definition.pipeline.stages
        why = "its STAC API is on this machine" if stages is None else f"stages: {', '.join(stages)}"
        remedy = "; --local runs it on the local cloud" if definition.deploys_to(LOCAL_STAGE) else ""
        return f"its definition is not for this stage ({why}){remedy}"
    return deploying(target, pipeline)


def _make(target: Target) -> str:
    return f"make deploy STAGE={target.stage}"
