"""All tests of the built-in script, run by a fresh environment that holds the image's locked set.

`make test` runs tests/processing_scripts here and nowhere else: once, and by what jobs run with. What the tests need
themselves (pytest, readers of COGs, ...) is the development environment's and is found behind the set; processes that
a test starts with `sys.executable` find the set alone.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.container.conftest import ROOT, by, script_tests

FOLDER = ROOT / "tests/processing_scripts"
# In folders, too: `make test` would miss what is not here.
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("test_*.py"))
(TOOLS,) = (ROOT / ".venv/lib").glob("python3*/site-packages")
# Of each module of the set, without importing it: where it would come from.
PLACES = """
import importlib.metadata, importlib.util
for name, packages in importlib.metadata.packages_distributions().items():
    if name.isidentifier() and any(importlib.metadata.distribution(each).locate_file("") == OWN for each in packages):
        spec = importlib.util.find_spec(name)
        print(name, spec.origin or list(spec.submodule_search_locations))
"""


def test_what_is_in_the_set_comes_from_there(fresh: Path) -> None:
    """Also where the development environment has it, too."""
    (own,) = fresh.parents[1].glob("lib/python3*/site-packages")
    told = by(fresh, f"from pathlib import Path\nOWN = Path({str(own)!r})\n{PLACES}", behind=TOOLS)
    assert told.returncode == 0, told.stderr
    places = dict(line.split(" ", 1) for line in told.stdout.splitlines())
    assert {"numpy", "rasterio", "affine", "imagecodecs", "llvmlite", "pyproj", "shapely", "click"} <= set(places)
    assert all(str(own) in place for place in places.values()), told.stdout


# Each a group of its own, so that all processes of `make test` share them.
@pytest.mark.parametrize("file", [pytest.param(file, marks=pytest.mark.xdist_group(file)) for file in FILES])
def test_the_built_in_scripts_own_tests_pass_with_the_set(fresh: Path, file: str) -> None:
    script_tests(fresh, file, behind=TOOLS)
