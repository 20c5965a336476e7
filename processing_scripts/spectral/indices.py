"""The indices by name: the table of Awesome Spectral Indices, and formulas of one's own.

`formulas.json` is generated from the package `spyndex` (tools/make_formulas.py), so that the container,
which has no `spyndex`, knows every name all the same.
"""

from __future__ import annotations

import difflib
import json
import math
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from spectral.expression import Formula, FormulaError
from spectral.symbols import BANDS, THERMAL

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,39}")
_CONSTANT = re.compile(r"(?:([A-Za-z][A-Za-z0-9]{0,39})\.)?([A-Za-z][A-Za-z0-9_]{0,39})")
# The asset beside the indices.
_TAKEN = {"preview"}
_LARGEST_PACKED = 3.2767
# From one step of the DN to what bright clouds reach.
_REFLECTANCES = (1e-4, 1.2)


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


def parse_constants(text: str) -> dict[str, float]:
    """The constants of a list like `L=0.25,EVI.L=1`: for all indices that have it, or for one.

    Raises:
        ValueError: not such a list.
    """
    constants: dict[str, float] = {}
    seen = set()
    for word in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (part.strip() for part in word.partition("="))
        found = _CONSTANT.fullmatch(name)
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not found or not math.isfinite(value):
            raise ValueError(f"{word!r} is no constant: expected a name and a number such as L=0.25 or SAVI.L=0.25")
        if found[2] in BANDS:
            raise ValueError(f"{word!r} sets {found[2]}, which is a band and no constant")
        # An index is the same whatever its capitals; a constant is not.
        key = (found[1] or "").lower(), found[2]
        if key in seen:
            raise ValueError(f"the constant {name} is given twice")
        seen.add(key)
        constants[name] = value
    return constants


def parse_indices(text: str, constants: Mapping[str, float] | None = None) -> list[Index]:
    """The indices of a list like `NDVI,EVI` or `NDVI,MINE=(N-R)/(N+R+0.5)`, each once, in its order.

    Args:
        constants: values that replace the table's, as `parse_constants` gives them.

    Raises:
        ValueError: an unknown name, a formula that is more than arithmetic, two names that would share a
            file, or a constant that no index has; the message says what would be right.
    """
    given = _Given(constants or {})
    found: dict[str, Index] = {}
    for word in (part.strip() for part in text.split(",")):
        if not word:
            continue
        name, separator, formula = word.partition("=")
        index = _own(name.strip(), formula, given) if separator else _known(name, given)
        other = found.setdefault(index.file_part, index)
        if other != index and (other.name, other.formula.text) != (index.name, index.formula.text):
            raise ValueError(f"{other.name} and {index.name} would share the file name {index.file_part}: ask for one")
    if not found:
        raise ValueError("no index given: expected for example NDVI or NDVI,EVI")
    given.check_used([index.name for index in found.values()])
    return list(found.values())


def stays_small(formula: Formula, constants: Mapping[str, float]) -> bool:
    """Whether int16 × 0.0001 holds the formula for all reflectances from 0.0001 to 1.2.

    Tried on random ones, and on all combinations of the extremes, rather than proved. Beside some 300 kelvin
    reflectance is so small that such steps would hide it: never with thermal bands.
    """
    bands = [symbol for symbol in formula.names if symbol in BANDS]
    if not bands or any(symbol not in constants and symbol not in bands for symbol in formula.names):
        return False
    if not THERMAL.isdisjoint(bands):
        return False
    random = np.random.default_rng(20261122)
    spread = 10 ** random.uniform(*np.log10(_REFLECTANCES), (len(bands), 20_000))
    extremes = np.array(np.meshgrid(*[_REFLECTANCES] * len(bands))).reshape(len(bands), -1)
    values = formula({**constants, **dict(zip(bands, np.hstack([spread, extremes]), strict=True))})
    return bool(np.all(np.abs(values[np.isfinite(values)]) <= _LARGEST_PACKED))


class _Given:
    """The constants that the arguments give, and which of them found an index."""

    def __init__(self, constants: Mapping[str, float]) -> None:
        self._constants = constants
        self._used: set[str] = set()

    def value(self, index: str, symbol: str) -> float | None:
        """The value for one index: its own before everybody's."""
        found = None
        for name, value in self._constants.items():
            owner, _, constant = name.rpartition(".")
            if constant == symbol and owner.lower() in ("", index.lower()):
                self._used.add(name)
                if found is None or owner:
                    found = value
        return found

    def check_used(self, indices: list[str]) -> None:
        """
        Raises:
            ValueError: a constant belongs to none of `indices`.
        """
        for name in self._constants:
            if name not in self._used:
                raise ValueError(f"the constant {name} is in none of the formulas of {', '.join(indices)}")


def _known(name: str, given: _Given) -> Index:
    entry_name = _look_up(name)
    entry = table()[entry_name]
    formula = Formula(entry["formula"])
    bands, constants = _split(formula, entry["constants"], entry_name, given)
    return Index(
        name=entry_name,
        title=entry["title"],
        formula=formula,
        bands=bands,
        constants=constants,
        packed=entry["packed"] if constants == entry["constants"] else stays_small(formula, constants),
        domain=entry["domain"],
        reference=entry["reference"],
    )


def _own(name: str, text: str, given: _Given) -> Index:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} can't name an index: expected up to 40 letters and digits, a letter first")
    if name.lower() in _TAKEN:
        raise ValueError(f"{name!r} can't name an index: a product has another asset of that name")
    try:
        formula = Formula(text)
    except FormulaError as error:
        raise ValueError(f"{name}: {error}") from error
    bands, constants = _split(formula, {}, name, given)
    # Nobody knows its range, so nothing may be clipped.
    return Index(name, f"{name} = {text.strip()}", formula, bands, constants, False, "own", "")


def _split(
    formula: Formula, constants: Mapping[str, float], name: str, given: _Given
) -> tuple[tuple[str, ...], dict[str, float]]:
    """The formula's names, apart: bands, and constants with their values."""
    bands = tuple(symbol for symbol in formula.names if symbol in BANDS)
    if not bands:
        raise ValueError(f"{name} uses no band of an optical scene (those are {', '.join(BANDS)})")
    values = {}
    for symbol in formula.names:
        if symbol in BANDS:
            continue
        value = given.value(name, symbol)
        value = constants.get(symbol) if value is None else value
        if value is None:
            raise ValueError(
                f"{name} needs {symbol}, which is neither a band ({', '.join(BANDS)}) nor a constant with a known "
                f"value: give it as --constants {symbol}=…"
            )
        values[symbol] = value
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
