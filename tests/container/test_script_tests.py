"""All tests of the built-in script, run by a fresh environment that holds the image's locked set.

`make test` runs tests/processing_scripts here and nowhere else: once, and by what jobs run with. What the tests need
themselves (pytest, readers of COGs, ...) is the development environment's and is found behind the set; processes that
a test starts with `sys.executable` find the set alone.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.container.conftest import ROOT

FILES = sorted(path.name for path in (ROOT / "tests/processing_scripts").glob("test_*.py"))
(TOOLS,) = (ROOT / ".venv/lib").glob("python3*/site-packages")
# Behind all that Python has by itself.
BEGINNING = "import sys\nsys.path.append(sys.argv.pop(1))\n"
# Of each module of the set, without importing it: where it would come from.
PLACES = """
import importlib.metadata, importlib.util
for name, packages in importlib.metadata.packages_distributions().items():
    if name.isidentifier() and any(importlib.metadata.distribution(each).locate_file("") == OWN for each in packages):
        spec = importlib.util.find_spec(name)
        print(name, spec.origin or list(spec.submodule_search_locations))
"""
TESTS = "import pytest\nsys.exit(pytest.main())\n"


def run(python: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`code` by this Python and its own libraries, with the tools of tests behind them."""
    # Neither what stands before a Python's own libraries, nor what the tests around this one were started with.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    command = [python, "-c", BEGINNING + code, TOOLS, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)


def test_what_is_in_the_set_comes_from_there(fresh: Path) -> None:
    """Also where the development environment has it, too."""
    (own,) = fresh.parents[1].glob("lib/python3*/site-packages")
    told = run(fresh, f"from pathlib import Path\nOWN = Path({str(own)!r})\n{PLACES}")
    assert told.returncode == 0, told.stderr
    places = dict(line.split(" ", 1) for line in told.stdout.splitlines())
    assert {"numpy", "rasterio", "affine", "imagecodecs", "llvmlite", "pyproj", "shapely", "click"} <= set(places)
    assert all(str(own) in place for place in places.values()), told.stdout


# Each a group of its own, so that all processes of `make test` share them.
@pytest.mark.parametrize("file", [pytest.param(file, marks=pytest.mark.xdist_group(file)) for file in FILES])
def test_the_built_in_scripts_own_tests_pass_with_the_set(fresh: Path, file: str) -> None:
    done = run(fresh, TESTS, "-q", "-p", "no:cacheprovider", f"tests/processing_scripts/{file}")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
