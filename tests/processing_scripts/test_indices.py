"""The table of formulas is spyndex's, and nothing but arithmetic gets through."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spectral.bands import BANDS
from spectral.expression import Formula, FormulaError
from spectral.indices import parse_indices, table

ROOT = Path(__file__).resolve().parents[2]


def spyndex_indices() -> dict:
    (package,) = importlib.util.find_spec("spyndex").submodule_search_locations
    return json.loads((Path(package) / "data" / "spectral-indices-dict.json").read_text())["SpectralIndices"]


def test_the_table_is_in_step_with_spyndex():
    command = [sys.executable, ROOT / "tools" / "make_formulas.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_formula_computes_what_python_computes():
    """Golden: Python's own `eval` of spyndex's text, which the script itself never uses."""
    random = np.random.default_rng(7)
    for name, index in spyndex_indices().items():
        formula = Formula(table()[name]["formula"])
        values = {symbol: random.uniform(0.05, 0.6, 50) for symbol in formula.names}
        expected = eval(index["formula"], {"__builtins__": {}}, dict(values))  # noqa: S307
        np.testing.assert_allclose(formula(values), expected, rtol=1e-12, err_msg=name)


def test_every_index_of_sentinel_2s_bands_is_known_by_name():
    usable = [
        name for name, entry in table().items() if set(Formula(entry["formula"]).names) <= {*BANDS, *entry["constants"]}
    ]
    assert len(usable) > 220
    for name in usable:
        assert parse_indices(name)[0].name == name


def test_savi_has_huetes_constant_and_evi_its_own():
    assert parse_indices("SAVI")[0].constants == {"L": 0.5}
    assert parse_indices("EVI")[0].constants == {"g": 2.5, "C1": 6.0, "C2": 7.5, "L": 1.0}


def test_names_go_in_any_case_unless_two_differ_in_nothing_else():
    assert [index.name for index in parse_indices("ndvi, Evi,NDVI")] == ["NDVI", "EVI"]
    with pytest.raises(ValueError, match="did you mean BAI or BaI"):
        parse_indices("bai")
    with pytest.raises(ValueError, match="share the file name bai"):
        parse_indices("BAI,BaI")
    with pytest.raises(ValueError, match="share the file name ndvi"):
        parse_indices("NDVI,ndvi=N/R")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("NDIV", "there is no index 'NDIV'"),
        ("", "no index given"),
        ("kNDVI", "uses no band"),
        ("VHVVR", "no band of an optical scene"),
        ("X=N+Q", "X needs Q"),
        ("X=", "no arithmetic expression"),
        ("../x=N/R", "can't name an index"),
        ("X=1+1", "uses no band"),
    ],
)
def test_what_cannot_be_computed_is_refused_with_a_reason(text, why):
    with pytest.raises(ValueError, match=why):
        parse_indices(text)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')",
        "N.real",
        "N[0]",
        "[N for N in R]",
        "lambda: N",
        "N if R else 0",
        "N and R",
        "N < R",
        "f'{N}'",
        "'a' * 9",
        "(N := 1)",
        "N // R",
        "N % R",
        "N @ R",
        "~N",
        "not N",
        "True",
        "None",
        "1j",
        "1e400",
        "N; R",
        "N\nR",
        "(" * 300 + "N" + ")" * 300,
        "-" * 200 + "N",
        "N+" * 600 + "N",
        "9" * 900,
    ],
)
def test_anything_but_arithmetic_is_refused(text):
    with pytest.raises(FormulaError):
        Formula(text)


def test_powers_cannot_be_made_to_take_for_ever():
    assert np.isinf(Formula("N + 9**9**9**9")({"N": np.ones(3)})).all()


@given(st.text(max_size=40))
def test_any_text_is_a_formula_or_a_formula_error(text):
    try:
        formula = Formula(text)
    except FormulaError:
        return
    formula({name: np.ones(2) for name in formula.names})
