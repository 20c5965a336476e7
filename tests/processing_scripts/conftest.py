"""Puts the script's packages where the container has them: beside the script."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tests.processing_scripts.factory import SCRIPTS, Folder

sys.path.insert(0, str(SCRIPTS))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An input and an output folder, and a way to fill and run them."""
    return Folder(tmp_path)


@pytest.fixture
def log() -> io.StringIO:
    """Where the script's log lines end up."""
    return io.StringIO()


@pytest.fixture(params=["imagecodecs", "numpy and GDAL only"])
def libraries(request, monkeypatch) -> str:
    """Both ways of packing and unpacking: with imagecodecs, and where it doesn't load."""
    from spectral import codecs

    assert codecs.FAST, "the tests are to see both ways"
    monkeypatch.setattr(codecs, "FAST", request.param == "imagecodecs")
    return request.param
