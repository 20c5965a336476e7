"""Where the files that a definition names are: beside the definition first, then in the project."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from geocadence.definition.requirements import requirements_digest

PROJECT_ROOT = Path(__file__).resolve().parents[2]
PIPELINES = "pipelines"
BUILT_IN_SCRIPTS = "processing_scripts"
# What of a script's folder stays at home. Hidden files may hold what is nobody else's business.
_NOT_TO_SHIP = ("__pycache__", "*.pyc", ".*")
# Of the built-in scripts' folder, which is ours to know; what a user's script reads of its own folder is not.
_NOT_TO_SHIP_OF_BUILT_INS = (*_NOT_TO_SHIP, "tests", "test_*.py", "*.md", "ruff.toml")
# What makes products of the files that scripts of others leave. The built-in ones need nothing of it: a change in it is
# none in them, and makes none of their products anew.
_OF_OTHERS_FILES = ("_catalogue_files.py", "cataloguing")
# Makes a product of each scene that it finds; several instances that find the same would write the same.
BUILT_IN_OF_SCENES = "spectral_index"


class UnusableFile(Exception):
    """Something in a script's folder that can't travel; the text names it and says what to do."""


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
    """The script `name`: a built-in one, a .py file or a folder.

    Modules of the built-in ones, and what only jobs start, are none: a folder of a user's may be called like them.
    """
    built_in = root / BUILT_IN_SCRIPTS / f"{name}.py"
    if "/" not in name and not name.endswith(".py") and not name.startswith("_") and built_in.is_file():
        return built_in
    return next((path for base in (folder, root) if (path := base / name).exists()), None)


def is_built_in_of_scenes(name: str, *, folder: Path, root: Path) -> bool:
    """Whether the script `name` is the built-in one for scenes, however it is named."""
    path = find_script(name, folder=folder, root=root)
    return path is not None and path.resolve() == (root / BUILT_IN_SCRIPTS / f"{BUILT_IN_OF_SCENES}.py").resolve()


def is_built_in(script: Path, *, root: Path) -> bool:
    """Whether `script` is one of the built-in ones, which travel together."""
    return script.is_file() and script.resolve().parent == (root / BUILT_IN_SCRIPTS).resolve()


def files_to_ship(script: Path, *, root: Path) -> list[tuple[str, Path]]:
    """What travels to a job as a script, each file with its name there: a file, a folder, or the built-in ones.

    Links are followed, wherever they lead: what they mean travels under their names.

    Raises:
        UnusableFile: a link leads nowhere, or in a circle; or something is no file.
    """
    built_in = is_built_in(script, root=root)
    if script.is_file() and not built_in:
        return [(script.name, script)]
    folder = script.resolve().parent if built_in else script
    at_home = _NOT_TO_SHIP_OF_BUILT_INS if built_in else _NOT_TO_SHIP
    if built_in and script.resolve().name not in _OF_OTHERS_FILES:
        at_home += _OF_OTHERS_FILES
    found = _files_below(folder, at_home=at_home)
    return [(path.relative_to(folder).as_posix(), path) for path in found]


def _files_below(folder: Path, *, at_home: tuple[str, ...], within: tuple[Path, ...] = ()) -> Iterator[Path]:
    real = folder.resolve()
    if real in within:
        raise UnusableFile(f"{_shown_link(folder)} is a link to a folder that it lies in (take it out)")
    for path in sorted(folder.iterdir()):
        if any(fnmatch(path.name, pattern) for pattern in at_home):
            continue
        if path.is_dir():
            yield from _files_below(path, at_home=at_home, within=(*within, real))
        elif path.is_file():
            yield path
        elif path.exists():
            raise UnusableFile(
                f"{_shown_link(path)} is neither a file nor a folder (take it out of the script's folder)"
            )
        else:
            raise UnusableFile(
                f"{_shown_link(path)} is a link to {path.readlink()}, where there is nothing (take it out of the "
                "script's folder, or have it lead to what the script needs)"
            )


def _shown_link(path: Path) -> str:
    """`path` itself, not what it leads to."""
    return f"{shown(path.parent)}/{path.name}"


def code_digest(script: Path, *, root: Path, beside: Path | None = None) -> str:
    """A digest of a script's own code, and of `beside`, its requirements: what makes its products what they are.

    Not of the launcher and of what makes products of files, which travel along and change no pixel.
    """
    digest = hashlib.sha256(script.name.encode())
    for name, path in files_to_ship(script, root=root):
        digest.update((name if path != script else "").encode() + b"\0" + path.read_bytes() + b"\0")
    if beside is not None:
        digest.update(b"\0" + beside.read_bytes() + requirements_digest(beside).encode())
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
