"""`doctor`: what stands between a stage and a run that goes well."""

from __future__ import annotations

import argparse
from pathlib import Path

from geocadence.cli.cloud import target as target_of
from geocadence.cli.screen import Screen
from geocadence.definition import Definition, DefinitionErrors, load_pipeline, load_pipelines
from geocadence.definition.files import pipelines_folder
from geocadence.doctor import State, examine
from geocadence.target import Target, TargetError

_MARKS = {State.GOOD: "ok", State.WARNING: "look", State.BAD: "WRONG"}


def doctor(options: argparse.Namespace, screen: Screen) -> int:
    target = target_of(options)
    try:
        found = list(examine(target, _definitions(options, target)))
    except DefinitionErrors as errors:
        screen.err.print(str(errors), markup=False)
        return 1
    if screen.as_json:
        screen.facts([{"what": each.what, "state": each.state.value, "told": each.told} for each in found])
    else:
        for each in found:
            screen.say(f"{_MARKS[each.state]:<6}{each.what}: {each.told}")
    return 1 if any(each.state is State.BAD for each in found) else 0


def _definitions(options: argparse.Namespace, target: Target) -> list[Definition]:
    if options.definition is not None:
        return [load_pipeline(Path(options.definition))]
    here = [each for each in load_pipelines(pipelines_folder()) if each.deploys_to(target.stage)]
    if options.name is None:
        return here
    named = [each for each in here if each.name == options.name]
    if not named:
        known = ", ".join(each.name for each in here) or "none"
        raise TargetError(f"there is no pipeline {options.name} for stage {target.stage} (known: {known})")
    return named
