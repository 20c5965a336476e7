"""`validate` and `schema`: definitions, without any cloud."""

from __future__ import annotations

import argparse
from pathlib import Path

from geocadence.cli.screen import Screen
from geocadence.definition import DefinitionErrors, definition_schema
from geocadence.definition.files import definition_files, pipelines_folder
from geocadence.definition.loading import load_files
from geocadence.definition.problems import dotted


def validate(options: argparse.Namespace, screen: Screen) -> int:
    try:
        paths = _definition_files([Path(file) for file in options.files] or [pipelines_folder()])
    except FileNotFoundError as error:
        return screen.fail(str(error))
    try:
        found = load_files(paths)
    except DefinitionErrors as errors:
        if screen.as_json:
            problems = [
                {"file": p.file, "line": p.line, "key": dotted(p.key), "problem": p.sentence} for p in errors.problems
            ]
            screen.facts({"valid": False, "problems": problems})
        else:
            screen.err.print(str(errors), markup=False)
        return 1
    if screen.as_json:
        screen.facts({"valid": True, "pipelines": [definition.name for definition in found]})
    else:
        for definition in found:
            screen.say(f"{definition.name}: valid ({definition.path})")
    return 0


def schema(options: argparse.Namespace, screen: Screen) -> int:
    screen.facts(definition_schema())
    return 0


def _definition_files(paths: list[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        found = definition_files(path) if path.is_dir() else [path]
        if not found:
            raise FileNotFoundError(f"{path} holds no definitions (expected *.yaml)")
        files += [file for file in found if file not in files]
    return files
