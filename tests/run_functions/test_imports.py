"""The functions run with what requirements/functions.txt holds, and the runtime's boto3."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# boto3 and what it brings along are the Lambda runtime's.
RUNTIME = {"boto3", "botocore", "jmespath", "s3transfer", "urllib3", "python-dateutil", "six"}

LOAD = """
import importlib.abc, sys
refused = set({refused!r})

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in refused:
            raise ImportError("not in the functions' set: " + name)

sys.meta_path.insert(0, Blocker())
import run_functions.plan_run, run_functions.close_run, run_functions.write_batch, run_functions.reconcile_batch
from geocadence.report.page import _template
_template()
"""


def load_without(refused: list[str]) -> subprocess.CompletedProcess[str]:
    code = LOAD.format(refused=refused)
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def outside_of_the_functions_set() -> list[str]:
    """The modules of all installed packages that don't travel with the functions."""
    lock = (ROOT / "requirements/functions.txt").read_text()
    travels = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE)) | RUNTIME
    return [
        module
        for module, packages in packages_distributions().items()
        if not travels & {re.sub(r"[-_.]+", "-", package).lower() for package in packages}
    ]


def test_the_functions_import_nothing_outside_of_their_locked_set() -> None:
    refused = outside_of_the_functions_set()
    assert {"pydantic", "ruamel", "rich", "rasterio", "aws_cdk"} <= set(refused)

    ended = load_without([*refused, "local_cloud", "stacks", "sample", "tools", "processing_scripts"])

    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("package", ["pystac_client", "jinja2", "boto3"])
def test_a_package_that_is_not_there_would_show(package: str) -> None:
    ended = load_without([package])

    assert f"ImportError: not in the functions' set: {package}" in ended.stderr
