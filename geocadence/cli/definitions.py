"""`validate` and `schema`: definitions, without any cloud."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from geocadence.cli.screen import Screen
from geocadence.definition import DefinitionErrors, definition_schema
from geocadence.definition.files import definition_files, pipelines_folder
from geocadence.definition.loading import load_files
from geocadence.definition.problems import Problem, dotted


def validate(options: argparse.Namespace, screen: Screen) -> int:
    try:
        paths = _definition_files([Path(file) for file in options.files] or [pipelines_folder()])
    except FileNotFoundError as error:
        return screen.fail(str(error))
    try:
        found = load_files(paths)
    except DefinitionErrors as errors:
        if screen.as_json:
            screen.facts({"valid": False, "problems": list(map(_as_json, errors.problems))})
        else:
            screen.err.print(str(errors), markup=False)
        return 1
    cautions = [caution for definition in found for caution in definition.cautions]
    if screen.as_json:
        names = [definition.name for definition in found]
        screen.facts({"valid": True, "pipelines": names, "cautions": list(map(_as_json, cautions))})
    else:
        for definition in found:
            screen.say(f"{definition.name}: valid ({definition.path})")
        for caution in cautions:
            screen.err.print(f"caution: {caution}", markup=False)
    return 0


def schema(options: argparse.Namespace, screen: Screen) -> int:
    screen.facts(definition_schema())
    return 0


def _as_json(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "key": dotted(problem.key),
        "problem": problem.sentence,
    }


def _definition_files(paths: list[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        found = definition_files(path) if path.is_dir() else [path]
        if not found:
            raise FileNotFoundError(f"{path} holds no definitions (expected *.yaml)")
        files += [file for file in found if file not in files]
    return files
