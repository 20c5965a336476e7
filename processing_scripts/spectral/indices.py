"""The indices by name: the table of Awesome Spectral Indices, and formulas of one's own.

`formulas.json` is generated from the package `spyndex` (tools/make_formulas.py), so that the container,
which has no `spyndex`, knows every name all the same.
"""

from __future__ import annotations

import difflib
import json
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from spectral.bands import BANDS
from spectral.expression import Formula, FormulaError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,39}")


@dataclass(frozen=True)
class Index:
    """One index, ready to compute.

    Attributes:
        name: as people write it; its lower case names the file.
        title: in words.
        formula: over band symbols and constants.
        bands: the symbols of the bands it needs, e.g. ("N", "R").
        constants: the value of everything else in the formula.
        packed: whether int16 × 0.0001 holds its values; float32 otherwise.
        domain: vegetation, water, burn, …; chooses the preview's colours.
        reference: where the formula comes from.
    """

    name: str
    title: str
    formula: Formula
    bands: tuple[str, ...]
    constants: Mapping[str, float]
    packed: bool
    domain: str
    reference: str

    @property
    def file_part(self) -> str:
        """How file names and asset keys call it."""
        return self.name.lower()


@cache
def table() -> dict[str, Any]:
    """`formulas.json`, by the indices' names."""
    # pkgutil, because in a zip there is no file to open.
    return json.loads(pkgutil.get_data("spectral", "formulas.json") or b"{}")["indices"]


def parse_indices(text: str) -> list[Index]:
    """The indices of a list like `NDVI,EVI` or `NDVI,MINE=(N-R)/(N+R+0.5)`, each once, in its order.

    Raises:
        ValueError: an unknown name, a formula that is more than arithmetic, or two names that would share
            a file; the message says what would be right.
    """
    found: dict[str, Index] = {}
    for word in (part.strip() for part in text.split(",")):
        if not word:
            continue
        name, separator, formula = word.partition("=")
        index = _own(name.strip(), formula) if separator else _known(name)
        other = found.setdefault(index.file_part, index)
        if other != index and (other.name, other.formula.text) != (index.name, index.formula.text):
            raise ValueError(f"{other.name} and {index.name} would share the file name {index.file_part}: ask for one")
    if not found:
        raise ValueError("no index given: expected for example NDVI or NDVI,EVI")
    return list(found.values())


def _known(name: str) -> Index:
    entry_name = _look_up(name)
    entry = table()[entry_name]
    formula = Formula(entry["formula"])
    bands, constants = _split(formula, entry["constants"], entry_name)
    return Index(
        name=entry_name,
        title=entry["title"],
        formula=formula,
        bands=bands,
        constants=constants,
        packed=entry["packed"],
        domain=entry["domain"],
        reference=entry["reference"],
    )


def _own(name: str, text: str) -> Index:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} can't name an index: expected up to 40 letters and digits, a letter first")
    try:
        formula = Formula(text)
    except FormulaError as error:
        raise ValueError(f"{name}: {error}") from error
    bands, constants = _split(formula, {}, name)
    # Nobody knows its range, so nothing may be clipped.
    return Index(name, f"{name} = {text.strip()}", formula, bands, constants, False, "own", "")


def _split(formula: Formula, constants: Mapping[str, float], name: str) -> tuple[tuple[str, ...], dict[str, float]]:
    """The formula's names, apart: bands, and constants with their values."""
    bands = tuple(symbol for symbol in formula.names if symbol in BANDS)
    if not bands:
        raise ValueError(f"{name} uses no band of an optical scene (those are {', '.join(BANDS)})")
    values = {}
    for symbol in formula.names:
        if symbol in BANDS:
            continue
        if symbol not in constants:
            raise ValueError(
                f"{name} needs {symbol}, which is neither a band of Sentinel-2 ({', '.join(BANDS)}) "
                "nor a constant with a known value"
            )
        values[symbol] = constants[symbol]
    return bands, values


def _look_up(name: str) -> str:
    """The table's own spelling: capitals count only where two names differ in nothing else."""
    if name in table():
        return name
    folded = [known for known in table() if known.lower() == name.lower()]
    if len(folded) == 1:
        return folded[0]
    near = folded or difflib.get_close_matches(name.upper(), table(), n=3)
    hint = f": did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(f"there is no index {name!r} among the {len(table())} of Awesome Spectral Indices{hint}")
