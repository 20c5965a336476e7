"""A requirements file, line by line, with the files that it includes and the wheels here that it may take."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

_NAME = re.compile(r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)")
_INCLUDE = re.compile(r"(?:(?:-r|-c)[ =]?|(?:--requirement|--constraint)[ =])\s*(?P<file>\S+)")
_WHEELS = re.compile(r"(?:-f[ =]?|--find-links[ =])\s*(?P<file>file://)?(?P<place>\S+)")
# https://packaging.python.org/en/latest/specifications/dependency-specifiers/, and an address without a name
_ADDRESS = re.compile(r"(?:[\w.-]+\s*(?:\[[^]]*\])?\s*@\s*|(?=[a-z][a-z0-9+.-]*://))(?P<address>\S+)", re.IGNORECASE)
# What is looked for on this machine although it has no name of a package.
_PATH = re.compile(
    r"-e\b|--editable\b|\.|/|file:|(?!-)[^\s;@]+(?:/|\.(?:whl|zip|tgz|tar\.\w+)(?:\s|;|$))", re.IGNORECASE
)
# As pip and uv have them: https://pip.pypa.io/en/stable/reference/requirements-file-format/#using-environment-variables
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_REPOSITORY = re.compile(r"(?:git|hg|svn|bzr)\+", re.IGNORECASE)


class UnusableRequirements(Exception):
    """A requirements file that can't be read, or asks for what can't travel; the text names it and the line."""


@dataclass(frozen=True)
class Line:
    """A line that says something, and the file that it stands in.

    `start` is where paths of wheels begin, for uv: the folder of the file that includes all others.
    """

    file: Path
    number: int
    text: str
    start: Path

    @property
    def place(self) -> str:
        return f"{self.file}:{self.number}"

    @property
    def name(self) -> str | None:
        """The package, by its one name of many."""
        return package_of(self.text)

    @property
    def meant(self) -> str:
        """`text` with the environment's variables in it."""
        return _VARIABLE.sub(lambda found: os.environ.get(found[1], found[0]), self.text)

    @property
    def included(self) -> Path | None:
        """The file of requirements or constraints that the line names, if it does."""
        match = _INCLUDE.match(self.meant)
        return self.file.parent / match["file"] if match else None

    @property
    def folder_of_wheels(self) -> Path | None:
        match = _WHEELS.match(self.meant)
        if match is None or "://" in match["place"]:
            return None
        place = unquote(match["place"]) if match["file"] else match["place"]
        return (self.file.parent / place).resolve()

    @property
    def wheels(self) -> list[Path]:
        """The wheels on this machine that the line names, or may choose from."""
        if self.folder_of_wheels:
            return sorted(self.folder_of_wheels.glob("*.whl"))
        address = _address(self.meant)
        parts = urlsplit(address)
        place = self.start / (unquote(parts.path) if parts.scheme else address)
        return [place] if parts.scheme in ("", "file") and place.is_file() else []


def read_requirements(file: Path) -> list[Line]:
    """The lines of `file` and of the files that it includes.

    Raises:
        UnusableRequirements: one is not there, includes itself, is no text, or names what is no wheel.
    """
    return list(_lines(file, start=file.parent))


def requirements_digest(file: Path) -> str:
    """A digest of all that decides, on this machine, what the requirements bring: files and wheels; "" of a file alone.

    Raises:
        UnusableRequirements: as `read_requirements`.
    """
    lines = read_requirements(file)
    files = [line.included.read_bytes() for line in lines if line.included]
    parts = [hashlib.sha256(content).hexdigest() for content in files] + digests_of_wheels(lines)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest() if parts else ""


def digests_of_wheels(lines: list[Line]) -> list[str]:
    """Names and digests: a folder of wheels may hold others tomorrow, under the same names."""
    found = [path for line in lines for path in line.wheels]
    return [f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in found]


def package_of(requirement: str) -> str | None:
    """The package that a requirement begins with, by its one name of many; None where it begins with none."""
    match = _NAME.match(requirement)
    return normal(match["name"]) if match else None


def normal(name: str) -> str:
    """https://packaging.python.org/en/latest/specifications/name-normalization/"""
    return re.sub(r"[-_.]+", "-", name).lower()


def _lines(file: Path, *, start: Path, within: tuple[Path, ...] = ()) -> Iterator[Line]:
    try:
        content = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnusableRequirements(f"{file} is no text in UTF-8 ({error}): save it as such") from error
    for number, raw in enumerate(content.splitlines(), start=1):
        text = re.sub(r"(^|\s)#.*", "", raw).rstrip("\\ \t").lstrip()
        if not text:
            continue
        if why := _why_unusable(text):
            raise UnusableRequirements(f"{file}:{number}: {text} {why}")
        line = Line(file, number, text, start)
        yield line
        if line.included:
            name = _INCLUDE.match(text)["file"]
            if not line.included.is_file():
                raise UnusableRequirements(f"{line.place}: {name} is not there")
            if line.included.resolve() in (*within, file.resolve()):
                raise UnusableRequirements(f"{line.place}: {name} includes itself (take the line out)")
            yield from _lines(line.included, start=start, within=(*within, file.resolve()))


def _address(text: str) -> str:
    """Where a line says that its package is; "" where an index is to be asked."""
    match = _ADDRESS.match(text)
    return match["address"] if match else ""


def _why_unusable(text: str) -> str:
    """Why what a line names can't travel, and what to do; "" where it may."""
    address = _address(text)
    if _REPOSITORY.match(address):
        return "is a repository, not a wheel (only wheels travel: build one, and name its folder by --find-links)"
    if address and not urlsplit(address).path.lower().endswith(".whl"):
        return (
            "is no wheel (only wheels travel: name the address of a file that ends in .whl, or build one and name its "
            "folder by --find-links)"
        )
    if not address and not text.startswith("-") and re.search(r"\.whl\b", text, re.IGNORECASE):
        return "is a wheel by its path (name it as package @ ./path/to/it.whl, or its folder by --find-links)"
    if not address and _PATH.match(text):
        return "is no package of an index (only wheels travel: put modules of your own into the script's folder)"
    return ""
