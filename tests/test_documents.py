"""What README and docs tell a reader to do can be done: commands, links, examples."""

from __future__ import annotations

import ast
import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from geocadence.cli.main import parse, parsers
from geocadence.definition import load_pipeline
from geocadence.execution_input import read_execution_input

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "local_cloud/README.md", "benchmarks/README.md", "examples/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]


ROOMS = ("container", "geocadence", "processing_scripts", "run_functions", "sample", "stacks")
FOLDERS = (*ROOMS, "benchmarks", "docs", "examples", "local_cloud", "pipelines", "requirements", "tests", "tools")


def blocks(page: Path, language: str) -> list[str]:
    """The page's code blocks of a language, without what a list indents them by."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL)
    return ["\n".join(line.removeprefix(indent) for line in text.splitlines()) for indent, text in found]


def told(program: str) -> list[str]:
    """Every command of `program` in a code span or block of any page, from its name on."""
    found = [
        line
        for page in PAGES
        for line in re.findall(rf"(?:^ *\$ |`|\$\(){re.escape(program)} ([^`\n#)]*)", page.read_text(), re.MULTILINE)
    ]
    return sorted({line.strip() for line in found} - {"VERB"})


@pytest.mark.parametrize("command", told(".venv/bin/geocadence"))
def test_the_command_line_knows_every_command_that_is_told(command: str) -> None:
    assert parse(shlex.split(command.partition(" > ")[0])).run


def test_every_command_in_a_message_can_be_typed_as_it_stands() -> None:
    """The clone is not installed as a package: nobody's PATH has a `geocadence`."""
    verbs = "|".join(parsers()[1])
    command = re.compile(rf"(\S*)geocadence (?:{verbs})\b")
    found = {}
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        tree = ast.parse(path.read_text())
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                for before in command.findall(node.value):
                    found.setdefault(before.lstrip("`("), set()).add(path.name)
    assert len(found[".venv/bin/"]) > 5
    assert found.keys() == {".venv/bin/"}, found


def test_make_knows_every_target_that_is_told() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z_]+) *\?=", makefile, re.MULTILINE))
    commands = told("make")
    assert len(commands) > 4
    for command in commands:
        target, *settings = shlex.split(command)
        assert target in targets, command
        assert {each.split("=")[0] for each in settings} <= variables, command


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        assert link.startswith("https://") or (page.parent / link).exists(), link


def test_every_file_that_is_named_is_there() -> None:
    found = {
        (page.name, name)
        for page in PAGES
        for name in re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]+)`", page.read_text())
    }
    assert len(found) > 30
    assert [(page, name) for page, name in sorted(found) if not (ROOT / name).exists()] == []


def test_the_definition_in_the_readme_is_valid(tmp_path: Path) -> None:
    (text,) = blocks(ROOT / "README.md", "yaml")
    name = re.search(r"^name: (\S+)", text)[1]
    (tmp_path / "areas").symlink_to(ROOT / "pipelines/areas")
    (tmp_path / f"{name}.yaml").write_text(text)
    assert load_pipeline(tmp_path / f"{name}.yaml").name == name


def test_the_execution_input_in_the_readme_is_taken_and_has_every_key() -> None:
    (text,) = blocks(ROOT / "README.md", "json")
    now = datetime(2026, 11, 22, tzinfo=UTC)
    asked = read_execution_input(json.loads(text), started_at=now, lookback=timedelta(days=14))
    assert asked.instance_count == 8
    assert set(json.loads(text)) == {"window", *asked.__dataclass_fields__}
