"""Where the files that a definition names are: beside the definition first, then in the project."""

from __future__ import annotations

from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
BUILT_IN_SCRIPTS = "processing_scripts"
# Makes a product of each scene that it finds; several instances that find the same would write the same.
BUILT_IN_OF_SCENES = "spectral_index"


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


def shown(path: Path) -> str:
    """`path` as a person in the current folder would write it."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()
