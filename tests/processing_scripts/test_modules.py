"""The script's modules build on each other in one direction."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter

from tests.processing_scripts.factory import SCRIPTS

PACKAGE = SCRIPTS / "spectral"


def test_no_module_needs_one_that_needs_it_not_even_for_its_types():
    modules = {f"spectral.{path.stem}": path for path in PACKAGE.glob("*.py") if path.stem != "__init__"}
    needs = {name: imported(path) & modules.keys() for name, path in modules.items()}
    assert needs["spectral.computing"] >= {"spectral.mask", "spectral.bands"}, "imports go unseen"
    TopologicalSorter(needs).prepare()  # raises CycleError with the circle


def imported(path) -> set[str]:
    """All that a module imports anywhere, `from spectral import mask` as `spectral.mask`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return found
