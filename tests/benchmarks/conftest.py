"""A scene of two blocks, made once for all tests, outside of the clone's cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import harness, scene, tasks
from benchmarks.scene import Scene


@pytest.fixture(scope="session")
def small_scene(tmp_path_factory) -> Scene:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene, "SCENES", tmp_path_factory.mktemp("scenes"))
        return scene.scene_of(1100)


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch) -> Path:
    """Where tasks and outputs go."""
    for module in (harness, tasks):
        monkeypatch.setattr(module, "WORK", tmp_path)
    return tmp_path
