"""Where the files that a definition names are: beside the definition first, then in the project."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
PIPELINES = "pipelines"
BUILT_IN_SCRIPTS = "processing_scripts"
# What of a script's folder stays at home. Hidden files may hold what is nobody else's business.
NOT_TO_SHIP = ("__pycache__", "*.pyc", ".*")
# Of the built-in scripts' folder, which is ours to know; what a user's script reads of its own folder is not.
NOT_TO_SHIP_OF_BUILT_INS = (*NOT_TO_SHIP, "tests", "test_*.py", "*.md", "ruff.toml")
# Makes a product of each scene that it finds; several instances that find the same would write the same.
BUILT_IN_OF_SCENES = "spectral_index"


def pipelines_folder() -> Path:
    """Where definitions are: `pipelines/` of the current folder, else the project's."""
    here = Path(PIPELINES)
    return here if here.is_dir() else PROJECT_ROOT / PIPELINES


def definition_files(folder: Path) -> list[Path]:
    """What of a folder is a definition."""
    return sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])


def find_file(name: str, *, folder: Path, root: Path) -> Path | None:
    """The file `name`, relative to the definition's folder or to the project's root."""
    return next((path for base in (folder, root) if (path := base / name).is_file()), None)


def find_script(name: str, *, folder: Path, root: Path) -> Path | None:
    """The script `name`: a built-in one, a .py file or a folder."""
    if "/" not in name and not name.endswith(".py"):
        for built_in in (root / BUILT_IN_SCRIPTS / f"{name}.py", root / BUILT_IN_SCRIPTS / name):
            if built_in.exists():
                return built_in
    return next((path for base in (folder, root) if (path := base / name).exists()), None)


def is_built_in_of_scenes(name: str, *, folder: Path, root: Path) -> bool:
    """Whether the script `name` is the built-in one for scenes, however it is named."""
    path = find_script(name, folder=folder, root=root)
    return path is not None and path.resolve() == (root / BUILT_IN_SCRIPTS / f"{BUILT_IN_OF_SCENES}.py").resolve()


def code_digest(script: Path, *, root: Path, beside: Path | None = None) -> str:
    """A digest of the code that travels to the job with a script: one file, a folder, or all built-in ones.

    `beside` names the libraries that travel too.
    """
    built_in = script.is_file() and script.resolve().parent == (root / BUILT_IN_SCRIPTS).resolve()
    folder = script.parent if built_in else script
    at_home = NOT_TO_SHIP_OF_BUILT_INS if built_in else NOT_TO_SHIP
    digest = hashlib.sha256(script.name.encode())
    files = [script] if script.is_file() and not built_in else sorted(p for p in folder.rglob("*") if p.is_file())
    for path in files:
        parts = path.relative_to(folder).parts if path != script or built_in else ()
        if not any(fnmatch(part, pattern) for part in parts for pattern in at_home):
            digest.update("/".join(parts).encode() + b"\0" + path.read_bytes() + b"\0")
    if beside is not None:
        digest.update(b"\0" + beside.read_bytes())
    return digest.hexdigest()[:16]


def files_digest(files: Iterable[Path]) -> str:
    """A digest of what files hold; "" for none."""
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()[:16] if digests else ""


def shown(path: Path) -> str:
    """`path` as a person in the current folder would write it."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()
