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


def test_what_rasterio_raises_is_caught_by_the_names_of_all_its_versions():
    """`except RasterioError` would let pass what rasterio 1.3 raises for a file that is not there."""
    named = {path.stem for path in SCRIPTS.rglob("*.py") if "RasterioError" in names(path)}
    assert named == {"gdal_errors"}


def names(path) -> set[str]:
    return {
        name.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
