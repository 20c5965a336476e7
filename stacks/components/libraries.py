"""The libraries that travel with a script: resolved, locked and gathered by uv when the template is made.

For each Python that the image may have, one zip of installed wheels for Linux on x86_64: no compiler, no index and no
pip are needed where the job runs. Zips are kept in `.local/libraries` by the digest of what they were made from, so
that a synthesis without changes asks nobody.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stacks.components.uv import ROOT, made_once, pack, uv, without_bookkeeping
from stacks.refused import Refused

CACHE = ROOT / ".local" / "libraries"
MACHINE = "x86_64"
# What most wheels with compiled parts are made for today; the glibc of Debian 10, RHEL 8 and Amazon Linux 2023.
GLIBC = (2, 28)
PLATFORM = f"{MACHINE}-manylinux_{GLIBC[0]}_{GLIBC[1]}"
_LOCK = "requirements.lock"
_ZIP = "libraries.zip"
_ONLY_WHEELS = ("--only-binary", ":all:", "--python-platform", PLATFORM)
_NAME = re.compile(r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)")
_INCLUDE = re.compile(r"\s*(?:-r|-c|--requirement|--constraint)[ =]\s*(?P<file>\S+)")
_INDEX = re.compile(r"--(index-url|extra-index-url|find-links|no-index)\b|-[if]\b")
_FOLDER = re.compile(r"-e\b|--editable\b|\.|/|file:")
_TO_BLAME = re.compile(r"(?:you require|depends on) (?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)")


class NoWheels(Refused):
    """A requirement that can't be had as a wheel for the container; the text names it and its line."""


@dataclass(frozen=True)
class Libraries:
    """What a script needs beside what its container has.

    `is_required`: whether a script can't do without. `provided`: packages that the container has, which don't travel
    although others depend on them.
    """

    requirements: Path
    is_required: bool = True
    provided: tuple[str, ...] = ()

    def zips(self, pythons: tuple[str, ...]) -> dict[str, Path]:
        """The zip for each of `pythons`, such as `3.10`.

        Raises:
            NoWheels: a requirement has none, or can't be resolved.
        """
        lines = list(_lines(self.requirements))
        return {python: self._gathered(python, lines) / _ZIP for python in pythons}

    def _gathered(self, python: str, lines: list[_Line]) -> Path:
        settings = f"{python} {PLATFORM} {sorted(self.provided)}"
        text = "\n".join(line.text for line in lines)
        digest = hashlib.sha256(f"{settings}\n{text}".encode()).hexdigest()

        def make(folder: Path) -> None:
            lock, installed = folder / _LOCK, folder / "installed"
            self._lock(python, lock, lines)
            self._install(python, lock, installed)
            installed.mkdir(exist_ok=True)  # uv makes none where nothing is asked for
            pack(installed, folder / _ZIP)
            shutil.rmtree(installed)

        return made_once(CACHE / digest[:16], make)

    def _lock(self, python: str, lock: Path, lines: list[_Line]) -> None:
        done = uv(
            *("pip", "compile", "--quiet", "--no-header", "--generate-hashes", *_ONLY_WHEELS),
            *("--python-version", python, *(f"--no-emit-package={name}" for name in self.provided)),
            *(self.requirements.name, "--output-file", str(lock)),
            cwd=self.requirements.parent,
        )
        if done.returncode:
            raise NoWheels(self._told(python, done.stderr, lines))
        # Where to look is no part of what uv writes down.
        options = [line.text for line in lines if _INDEX.match(line.text)]
        lock.write_text("\n".join([*options, lock.read_text()]))

    def _install(self, python: str, lock: Path, folder: Path) -> None:
        done = uv(
            *("pip", "install", "--quiet", "--no-deps", "--require-hashes", "--no-compile-bytecode", *_ONLY_WHEELS),
            *("--python-version", python, "--target", str(folder), "--requirements", str(lock)),
            cwd=self.requirements.parent,
        )
        if done.returncode:
            raise NoWheels(f"{self.requirements}: its libraries could not be gathered:\n{done.stderr}")
        without_bookkeeping(folder)

    def _told(self, python: str, said: str, lines: list[_Line]) -> str:
        """What uv said, with the lines that are to blame before it."""
        blamed = {_normal(match["name"]) for match in _TO_BLAME.finditer(" ".join(said.split()))}
        where = [line for line in lines if line.name in blamed]
        platform = f"Python {python} on {PLATFORM}"
        named = "\n".join(
            f"{line.place}: {line.text}: has no wheel for {platform}, or needs what has none" for line in where
        )
        why = "\n".join(line for line in said.splitlines() if not line.startswith("warning"))
        head = named or f"{self.requirements}: its libraries can't be had for {platform}"
        return f"{head} (only wheels travel: nothing is built)\n{why.strip()}"


def packages_in(archive: Path) -> set[str]:
    """Names of the packages in one of the zips."""
    with zipfile.ZipFile(archive) as packed:
        folders = {name.partition("/")[0] for name in packed.namelist()}
    return {folder.partition("-")[0] for folder in folders if folder.endswith(".dist-info")}


@dataclass(frozen=True)
class _Line:
    file: Path
    number: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.file}:{self.number}"

    @property
    def name(self) -> str | None:
        match = _NAME.match(self.text)
        return _normal(match["name"]) if match else None


def _lines(file: Path) -> Iterator[_Line]:
    """The lines that say something, of `file` and of the files that it includes."""
    for number, raw in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        text = re.sub(r"(^|\s)#.*", "", raw).rstrip("\\ \t").lstrip()
        if not text:
            continue
        if _FOLDER.match(text):
            raise NoWheels(
                f"{file}:{number}: {text} is no package of an index (only wheels travel: put modules of your own into "
                "the script's folder)"
            )
        yield _Line(file, number, text)
        if match := _INCLUDE.match(text):
            included = file.parent / match["file"]
            if not included.is_file():
                raise NoWheels(f"{file}:{number}: {match['file']} is not there")
            yield from _lines(included)


def _normal(name: str) -> str:
    """https://packaging.python.org/en/latest/specifications/name-normalization/"""
    return re.sub(r"[-_.]+", "-", name).lower()
