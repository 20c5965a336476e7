"""What the arguments ask for: of which pipeline, and with which execution input."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from geocadence.cli.exit_codes import USAGE
from geocadence.cli.screen import Screen
from geocadence.definition import DefinitionErrors, load_pipeline
from geocadence.definition.files import pipelines_folder
from geocadence.deployed_definition import noted_differences
from geocadence.target import Target
from geocadence.undeployed import deploying


def pipeline_name(options: argparse.Namespace, screen: Screen) -> str | int:
    """The pipeline that is meant, or the exit code of not knowing."""
    if (options.name is None) == (options.definition is None):
        screen.fail("name a pipeline, or give its --definition FILE (one of the two)")
        return USAGE
    if options.name is not None:
        return options.name
    try:
        return load_pipeline(Path(options.definition)).name
    except DefinitionErrors as errors:
        screen.err.print(str(errors), markup=False)
        return 1


def note_differences(target: Target, name: str, options: argparse.Namespace, screen: Screen) -> None:
    """Say on stderr where the file here is not what is deployed, by which everything runs."""
    path = Path(options.definition) if options.definition else pipelines_folder() / f"{name}.yaml"
    try:
        found = noted_differences(target, load_pipeline(path))
    except DefinitionErrors:  # of a pipeline that is deployed there need be no good file here
        return
    if found:
        told = (
            f"{path} is not what is deployed ({', '.join(found)}), and what is deployed runs; {deploying(target, name)}"
        )
        screen.err.print(told, markup=False)


def execution_input(options: argparse.Namespace, *, dry_run: bool) -> dict[str, Any]:
    """Only what was asked for: the state machine knows the defaults, and checks the values."""
    window = {key: value for key in ("start", "end") if (value := getattr(options, key)) is not None}
    given = {
        "window": window or None,
        "scenes": options.scene,
        "recompute": options.recompute or None,
        "instance_count": options.instance_count,
        "dry_run": dry_run or None,
    }
    return {key: value for key, value in given.items() if value is not None}
