"""Puts the script's packages where the container has them: beside the script."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tests.processing_scripts.factory import SCRIPTS, Folder, bands

sys.path.insert(0, str(SCRIPTS))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An input and an output folder, and a way to fill and run them."""
    return Folder(tmp_path)


@pytest.fixture
def good(folder: Folder) -> Folder:
    """A folder with a scene that works."""
    folder.scene("GOOD", **bands())
    return folder


@pytest.fixture
def log() -> io.StringIO:
    """Where the script's log lines end up."""
    return io.StringIO()


@pytest.fixture(autouse=True)
def _compiled(monkeypatch) -> None:
    """However small a test's scene is: its loops are those of large ones."""
    from spectral import llvm

    monkeypatch.setattr(llvm, "WORTH", dict.fromkeys(llvm.WORTH, -1))


@pytest.fixture(params=["imagecodecs and llvmlite", "numpy and GDAL only"])
def libraries(request, monkeypatch) -> str:
    """Both ways of packing, unpacking and computing: with imagecodecs and llvmlite, and where neither loads."""
    from spectral import codecs, llvm

    if request.param == "numpy and GDAL only":
        for module in (codecs, llvm):
            monkeypatch.setattr(module, "FAST", False)
    else:
        assert codecs.FAST and llvm.FAST, "the tests are to see both ways"
    return request.param
