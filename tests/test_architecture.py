"""Folders import what docs/architecture.md says they may, and nothing else of ours."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROWS = re.findall(r"^\| `(\w+)/` \| .* \| (.*) \|$", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
FOLDERS = {folder for folder, _ in ROWS}


def imported(folder: str) -> Iterator[tuple[str, str]]:
    """File and module of every import of another of our folders."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for name in names:
                if name.partition(".")[0] in (FOLDERS | {"app", "tests"}) - {folder}:
                    yield str(path.relative_to(ROOT)), name


def test_every_folder_imports_only_what_the_table_allows() -> None:
    above: set[str] = set()
    wrong, seen = [], set()
    for folder, cell in ROWS:
        allowed = set(re.findall(r"`([a-z_.]+)`", cell)) | (above if "all of the above" in cell else set())
        above.add(folder)
        for path, name in imported(folder):
            seen.add(folder)
            if not any(name == each or name.startswith(f"{each}.") for each in allowed):
                wrong.append((path, name))
    assert wrong == []
    assert {"geocadence", "stacks", "run_functions"} <= seen
