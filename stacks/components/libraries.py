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
from dataclasses import dataclass
from pathlib import Path

from geocadence.definition.files import shown
from geocadence.definition.requirements import (
    Line,
    UnusableRequirements,
    digests_of_wheels,
    normal,
    package_of,
    read_requirements,
)
from stacks.components.made_once import made_once
from stacks.components.uv import ROOT, pack, tell, uv, without_bookkeeping
from stacks.refused import Refused

CACHE = ROOT / ".local" / "libraries"
MACHINE = "x86_64"
# What most wheels with compiled parts are made for today; the glibc of Debian 10, RHEL 8 and Amazon Linux 2023.
GLIBC = (2, 28)
PLATFORM = f"{MACHINE}-manylinux_{GLIBC[0]}_{GLIBC[1]}"
_LOCK = "requirements.lock"
_ZIP = "libraries.zip"
_ONLY_WHEELS = ("--only-binary", ":all:", "--python-platform", PLATFORM)
# Of how they are packed; zips of an older manner are made anew.
_MANNER = 2
_INDEX = re.compile(r"--(index-url|extra-index-url|find-links|no-index)\b|-[if]\b")
_HASH = re.compile(r"--hash[ =]\s*(?P<hash>\S+)")
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
        try:
            lines = read_requirements(self.requirements)
        except UnusableRequirements as error:
            raise NoWheels(str(error)) from error
        return {python: self._gathered(python, lines) / _ZIP for python in pythons}

    def _gathered(self, python: str, lines: list[Line]) -> Path:
        settings = f"{_MANNER} {python} {PLATFORM} {sorted(self.provided)}"
        text = "\n".join([*(line.text for line in lines), *digests_of_wheels(lines)])
        digest = hashlib.sha256(f"{settings}\n{text}".encode()).hexdigest()

        def make(folder: Path) -> None:
            tell(f"the libraries of {shown(self.requirements)} for Python {python}")
            lock, installed = folder / _LOCK, folder / "installed"
            self._lock(python, lock, lines)
            self._install(python, lock, installed)
            installed.mkdir(exist_ok=True)  # uv makes none where nothing is asked for
            pack(installed, folder / _ZIP)
            shutil.rmtree(installed)

        return made_once(CACHE / digest[:16], make)

    def _lock(self, python: str, lock: Path, lines: list[Line]) -> None:
        done = uv(
            *("pip", "compile", "--quiet", "--no-header", "--generate-hashes", *_ONLY_WHEELS),
            *("--python-version", python, *(f"--no-emit-package={name}" for name in self.provided)),
            *(self.requirements.name, "--output-file", str(lock)),
            cwd=self.requirements.parent,
        )
        if done.returncode:
            raise NoWheels(self._told(python, done.stderr, lines))
        # Where to look is no part of what uv writes down, nor does it keep to the hashes that it is given.
        options = [_option(line) for line in lines if _INDEX.match(line.text)]
        lock.write_text("\n".join([*options, _with_given_hashes(lock.read_text(), lines)]))

    def _install(self, python: str, lock: Path, folder: Path) -> None:
        done = uv(
            *("pip", "install", "--quiet", "--no-deps", "--require-hashes", "--no-compile-bytecode", *_ONLY_WHEELS),
            *("--python-version", python, "--target", str(folder), "--requirements", str(lock)),
            cwd=self.requirements.parent,
        )
        if done.returncode:
            raise NoWheels(f"{self.requirements}: its libraries could not be gathered:\n{done.stderr}")
        without_bookkeeping(folder)

    def _told(self, python: str, said: str, lines: list[Line]) -> str:
        """What uv said, with the lines that are to blame before it."""
        said = "\n".join(line for line in said.splitlines() if not line.startswith("warning"))
        blamed = {normal(match["name"]) for match in _TO_BLAME.finditer(" ".join(said.split()))}
        # Of an address that can't be had uv says the address alone.
        where = [
            line for line in lines if line.name in blamed or (line.name and line.text.rpartition(" @ ")[2] in said)
        ]
        platform = f"Python {python} on {PLATFORM}"
        is_wheels = re.search(r"wheels|not found in|no version of", said) is not None
        what = f"has no wheel for {platform}, or needs what has none" if is_wheels else f"can't be had for {platform}"
        named = "\n".join(f"{line.place}: {line.text}: {what}" for line in where)
        head = named or f"{self.requirements}: its libraries can't be had for {platform}"
        return f"{head} (only wheels travel: nothing is built)\n{said.strip()}"


def packages_in(archive: Path) -> set[str]:
    """Names of the packages in one of the zips."""
    with zipfile.ZipFile(archive) as packed:
        folders = {name.partition("/")[0] for name in packed.namelist()}
    return {folder.partition("-")[0] for folder in folders if folder.endswith(".dist-info")}


def _option(line: Line) -> str:
    """The line as it means the same in another folder."""
    return f"--find-links {line.folder_of_wheels}" if line.folder_of_wheels else line.text


def _with_given_hashes(lock: str, lines: list[Line]) -> str:
    """`lock`, in which a package that requirements name with its hashes has no others."""
    given: dict[str, tuple[Line, set[str]]] = {}
    named = None
    for line in lines:
        named = line if line.name else named
        if named and (hashes := {match["hash"] for match in _HASH.finditer(line.text)}):
            given.setdefault(named.name or "", (named, set()))[1].update(hashes)
    kept, held, name = [], set(), ""
    for line in lock.splitlines():
        name = (None if line.startswith(" ") else package_of(line)) or name
        found = _HASH.search(line)
        if found and name in given and found["hash"] not in given[name][1]:
            continue
        kept.append(line)
        if found:
            held.add(name)
    for name, (line, _) in given.items():
        if re.search(rf"^{re.escape(name)}\b", lock, re.MULTILINE) and name not in held:
            raise NoWheels(
                f"{line.place}: {line.text}: the index has no file with a hash that is named (only those travel)"
            )
    return "\n".join(kept) + "\n"
