"""Archives as a synthesis makes them, a container's folder to start them in, and Pythons to start them by."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from geocadence.definition.images import BUILD_CONTEXT
from stacks.components.container_image import GEOSPATIAL_PYTHON
from stacks.components.uv import uv

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "processing_scripts"
LAUNCHER = ROOT / "container/launcher/__main__.py"
# The jobs' Python, with the libraries that AWS's samples import.
PYTHON = ROOT / ".local/container/bin/python"
HERE = "{}.{}".format(*sys.version_info[:2])


@dataclass
class Ended:
    """A start that came to its end."""

    code: int
    out: str
    err: str
    message: str | None
    events: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Job:
    """An archive with this launcher, in a folder that stands for the container's /opt/ml."""

    folder: Path
    script: dict[str, str]
    entry: str = "main.py"
    libraries: list[dict[str, Any]] = field(default_factory=list)
    programs: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    products: dict[str, str] | None = None

    def with_libraries(self, files: dict[str, str], **changes: Any) -> Job:
        """Libraries of these files; `changes` replace members of what start.json says of them."""
        name = f"{len(self.libraries)}.zip"
        with zipfile.ZipFile(self.folder / name, "w") as packed:
            _write(packed, files, self.programs)
        machine = platform.machine()
        told = {"name": "requirements.txt", "required": True, "packages": ["nobody-has-this"], "machine": machine}
        told |= {"glibc": [2, 5], "zips": {HERE: name}}
        self.libraries.append(told | changes)
        return self

    def archive(self) -> Path:
        code = self.folder / "processing/code"
        code.mkdir(parents=True)
        archive = code / "0a1b.zip"
        with zipfile.ZipFile(archive, "w") as packed:
            packed.write(LAUNCHER, "__main__.py")
            start = {"entry": self.entry, "libraries": self.libraries, "files": self.files}
            if self.products:
                start["products"] = self.products
                for path in (
                    SCRIPTS / "_catalogue_files.py",
                    *(SCRIPTS / "cataloguing").glob("*.py"),
                    *(SCRIPTS / "spectral").glob("*.py"),
                ):
                    packed.write(path, f"products/{path.relative_to(SCRIPTS)}")
            packed.writestr("start.json", json.dumps(start))
            _write(packed, self.script, self.programs, below="script/")
            for name in {name for each in self.libraries for name in each["zips"].values()}:
                packed.write(self.folder / name, name)
        return archive

    def start(self, *arguments: str, python: Path = Path(sys.executable), **environment: str) -> Ended:
        for name in ("output", "config"):
            (self.folder / name).mkdir(exist_ok=True)
        done = subprocess.run(
            [python, self.archive(), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(self.folder), **environment},
        )
        lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith('{"time"')]
        message = self.folder / "output/message"
        return Ended(
            done.returncode,
            done.stdout,
            done.stderr,
            message.read_text() if message.exists() else None,
            {line["event"]: line for line in lines},
        )


def _write(packed: zipfile.ZipFile, files: dict[str, str], programs: tuple[str, ...], below: str = "") -> None:
    for path, text in files.items():
        entry = zipfile.ZipInfo(f"{below}{path}")
        entry.external_attr = (0o755 if path in programs else 0o644) << 16
        packed.writestr(entry, text)


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    def make(script: str | dict[str, str], **settings: Any) -> Job:
        return Job(tmp_path, {"main.py": script} if isinstance(script, str) else script, **settings)

    return make


# A Python's own libraries before these, and what it starts finds its own alone.
BEGINNING = "import sys\nsys.path.append(sys.argv.pop(1))\n"
TESTS = "import pytest\nsys.exit(pytest.main())\n"


def by(python: Path, code: str, *arguments: str, behind: Path) -> subprocess.CompletedProcess[str]:
    """`code` by this Python and its own libraries, with those of the folder `behind` them."""
    # Neither what stands before a Python's own libraries, nor what the tests around this one were started with.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    command = [python, "-c", BEGINNING + code, behind, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)


def script_tests(python: Path, *files: str, behind: Path) -> None:
    """Run these files of tests/processing_scripts; fails where one test does."""
    paths = [f"tests/processing_scripts/{file}" for file in files]
    done = by(python, TESTS, "-q", "-p", "no:cacheprovider", *paths, behind=behind)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def environment_of(python: str, lock: Path, folder: Path) -> Path:
    """The Python of a new environment in `folder` that holds what `lock` names, as wheels, and nothing else."""
    made = uv("venv", "--quiet", "--python", python, str(folder))
    assert made.returncode == 0, made.stderr
    own = folder / "bin/python"
    options = ("--quiet", "--require-hashes", "--only-binary", ":all:", "--link-mode", "symlink")
    done = uv("pip", "install", *options, "--python", str(own), "--requirements", str(lock))
    assert done.returncode == 0, done.stderr
    return own


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that was made just now and holds the image's locked set, and nothing else.

    It is the image's Python where this one is; where not, the set is what the same lock has for this one.
    """
    folder = tmp_path_factory.mktemp("fresh") / "environment"
    return environment_of(sys.executable, BUILD_CONTEXT["requirements.txt"], folder)


@pytest.fixture(scope="session")
def oldest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python as the geospatial image has it, with the oldest libraries that a job takes without a warning."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip("the oldest libraries have wheels for Linux on x86_64, as the image is, and not for this machine")
    with pytest.MonkeyPatch.context() as patched:
        # Where pyenv is, its programs are on PATH whether or not they lead anywhere.
        patched.setenv("PYENV_VERSION", GEOSPATIAL_PYTHON)
        found = uv("python", "find", "--no-project", "--system", GEOSPATIAL_PYTHON)
    if found.returncode:
        pytest.skip(f"uv finds no Python {GEOSPATIAL_PYTHON}, the geospatial image's, on this machine")
    folder = tmp_path_factory.mktemp("oldest") / "environment"
    return environment_of(found.stdout.strip(), ROOT / "requirements/oldest.txt", folder)
