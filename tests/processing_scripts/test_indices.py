"""The table of formulas is spyndex's, and nothing but arithmetic gets through."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spectral.expression import Formula, FormulaError
from spectral.indices import parse_constants, parse_indices, table
from spectral.kernel import Kernel
from spectral.radiometry import Radiometry
from spectral.sensors import SENTINEL2

from tests.offline_validator import TOOLS

ROOT = Path(__file__).resolve().parents[2]


def spyndex_indices() -> dict:
    (package,) = importlib.util.find_spec("spyndex").submodule_search_locations
    return json.loads((Path(package) / "data" / "spectral-indices-dict.json").read_text())["SpectralIndices"]


def test_the_table_is_in_step_with_spyndex():
    command = [TOOLS / "python", ROOT / "tools" / "make_formulas.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def kernel(a, b):
    """The RBF kernel with sigma = (a + b) / 2: Camps-Valls et al. 2021, equation 2."""
    return np.exp(-((a - b) ** 2) / (2 * ((a + b) / 2) ** 2))


def test_every_formula_computes_what_python_computes():
    """Golden: Python's own `eval` of spyndex's text, which the script itself never uses."""
    random = np.random.default_rng(7)
    for name, index in spyndex_indices().items():
        formula = Formula(table()[name]["formula"])
        values = {symbol: random.uniform(0.05, 0.6, 50) for symbol in formula.names}
        kernels = re.findall(r"\bk([A-Z])([A-Z])\b", index["formula"])
        given = {f"k{a}{b}": kernel(values[a], values[b]) if a != b else 1.0 for a, b in kernels}
        if name not in CORRECTED:
            expected = eval(index["formula"], {"__builtins__": {}}, {**values, **given})  # noqa: S307
            # Near zero, what is left of a difference of numbers around 1 varies with the machine's exp and pow.
            np.testing.assert_allclose(formula(values), expected, rtol=1e-12, atol=1e-15, err_msg=name)


# Kaufman and Tanré 1992: red is replaced by red - gamma (blue - red); the catalogue has it the other way round.
CORRECTED = {
    "ARVI": lambda n, r, b: (n - (2 * r - b)) / (n + (2 * r - b)),
    "SARVI": lambda n, r, b: 1.5 * (n - (2 * r - b)) / (n + (2 * r - b) + 0.5),
}


@pytest.mark.parametrize("name", CORRECTED)
def test_where_spyndex_departs_from_the_reference_ours_is_the_reference(name):
    n, r, b = np.random.default_rng(8).uniform(0.05, 0.6, (3, 50))
    (index,) = parse_indices(name)
    found = index.formula({**index.constants, "N": n, "R": r, "B": b})
    np.testing.assert_allclose(found, CORRECTED[name](n, r, b), rtol=1e-12)


def test_kndvi_is_the_hyperbolic_tangent_of_ndvi_squared():
    n, r = np.random.default_rng(9).uniform(0.001, 1.2, (2, 500))
    (index,) = parse_indices("kNDVI")
    np.testing.assert_allclose(index.formula({"N": n, "R": r}), np.tanh(((n - r) / (n + r)) ** 2), rtol=1e-9)
    assert index.packed


def test_every_index_of_optical_bands_is_known_by_name():
    """Left out are radar, and what needs a constant that nobody knows by heart (wavelengths, PAR)."""
    radar = {"HH", "HV", "VV", "VH"}
    unknown = {"lambdaG", "lambdaN", "lambdaN2", "lambdaR", "lambdaS1", "lambdaS2", "PAR"}
    usable = [name for name, entry in table().items() if not set(Formula(entry["formula"]).names) & (radar | unknown)]
    assert len(usable) > 250
    for name in usable:
        assert parse_indices(name)[0].name == name


def test_every_index_of_sentinel_2_from_dn_to_what_the_file_holds():
    """All of them in one go, as a block of a scene goes through; golden as above, in float64."""
    usable = [
        name
        for name, entry in table().items()
        if set(Formula(entry["formula"]).names) <= {*SENTINEL2.keys, *entry["constants"]} and name not in CORRECTED
    ]
    assert len(usable) > 235
    indices = tuple(index for name in usable for index in parse_indices(name))
    random = np.random.default_rng(11)
    dn = {symbol: random.integers(1001, 7000, (40, 50), dtype=np.uint16) for symbol in SENTINEL2.keys}
    stored = {index.name: np.empty((40, 50), np.int16 if index.packed else np.float32) for index in indices}
    Kernel(indices, {symbol: Radiometry(1e-4, -0.1, 0, "", "") for symbol in dn})(dn, None, stored)
    reflectance = {symbol: pixels * 1e-4 - 0.1 for symbol, pixels in dn.items()}
    formulas = spyndex_indices()
    for index in indices:
        text = formulas[index.name]["formula"]
        kernels = re.findall(r"\bk([A-Z])([A-Z])\b", text)
        values = {**reflectance, **index.constants}
        given = {f"k{a}{b}": kernel(values[a], values[b]) if a != b else 1.0 for a, b in kernels}
        with np.errstate(all="ignore"):
            expected = np.broadcast_to(eval(text, {"__builtins__": {}}, {**values, **given}), (40, 50))  # noqa: S307
        with np.errstate(over="ignore"):
            finite = np.isfinite(expected.astype(np.float64 if index.packed else np.float32))
        found = stored[index.name]
        np.testing.assert_array_equal(found != (-32768 if index.packed else -9999), finite, err_msg=index.name)
        if index.packed:
            error = np.abs(found[finite] * 1e-4 - np.clip(expected[finite], -3.2767, 3.2767))
            assert error.max(initial=0) <= 5.1e-5, index.name
            assert np.abs(expected[finite]).max(initial=0) <= 3.2767 or index.name == "EVI"
        else:
            # Where a sum cancels, rounding differs in the last digits: relative to the reflectances, not to the rest.
            np.testing.assert_allclose(found[finite], expected[finite], rtol=1e-6, atol=1e-7, err_msg=index.name)


@pytest.mark.parametrize(
    ("name", "constants"),
    [
        ("SAVI", {"L": 0.5}),
        ("GSAVI", {"L": 0.5}),
        ("SARVI", {"L": 0.5, "gamma": 1.0}),
        ("MNLI", {"L": 0.5}),
        ("IBI", {"L": 0.5}),
        ("EVI", {"g": 2.5, "C1": 6.0, "C2": 7.5, "L": 1.0}),
        ("EVI2", {"g": 2.5, "L": 1.0}),
        ("WDRVI", {"alpha": 0.1}),
        ("NDPI", {"alpha": 0.74}),
        ("WCI1", {"epsilon": 1e-10}),
    ],
)
def test_constants_are_those_of_each_indexs_reference(name, constants):
    assert parse_indices(name)[0].constants == constants


def constants_of(indices: str, constants: str) -> dict:
    return {index.name: dict(index.constants) for index in parse_indices(indices, parse_constants(constants))}


def test_constants_can_be_set_for_all_indices_or_for_one():
    assert constants_of("SAVI,EVI", "L=0.25")["SAVI"] == {"L": 0.25}
    assert constants_of("SAVI,EVI", "L=0.25")["EVI"]["L"] == 0.25
    assert constants_of("SAVI,EVI", "savi.L=0.25, C1=6.5") == {
        "SAVI": {"L": 0.25},
        "EVI": {"g": 2.5, "C1": 6.5, "C2": 7.5, "L": 1.0},
    }
    # One's own comes before everybody's, whatever the order.
    assert constants_of("SAVI", "SAVI.L=0.1,L=0.9")["SAVI"] == constants_of("SAVI", "L=0.9,SAVI.L=0.1")["SAVI"]
    assert constants_of("MINE=(N-R)/(N+R+K)", "K=0.5") == {"MINE": {"K": 0.5}}
    assert constants_of("FAI", "lambdaN=842,lambdaR=665,lambdaS1=1610")["FAI"]["lambdaS1"] == 1610


@pytest.mark.parametrize(
    ("indices", "constants", "why"),
    [
        ("NDVI", "L=0.5", "the constant L is in none of the formulas of NDVI"),
        ("SAVI", "EVI.L=0.5", "the constant EVI.L is in none of the formulas of SAVI"),
        ("SAVI", "L", "'L' is no constant: expected a name and a number"),
        ("SAVI", "L=nan", "is no constant"),
        ("SAVI", "L=__import__", "is no constant"),
        ("SAVI", "R=0.5", "sets R, which is a band"),
        ("SAVI", "L=1,L=2", "given twice"),
        ("EVI", "EVI.L=1,evi.L=2", "the constant evi.L is given twice"),
        ("FAI", "lambdaN=842", "FAI needs lambdaR.*--constants lambdaR="),
    ],
)
def test_constants_that_cannot_be_meant_are_refused(indices, constants, why):
    with pytest.raises(ValueError, match=why):
        constants_of(indices, constants)


def test_an_index_is_packed_only_while_its_constants_keep_it_small():
    assert parse_indices("NDWIns", {"alpha": 1})[0].packed
    assert not parse_indices("NDWIns", {"alpha": 10})[0].packed
    assert not parse_indices("OTHER=(N-R)/(N+R)")[0].packed


def test_with_thermal_bands_nothing_is_packed():
    """NDBaI of 300 kelvin lies between -0.999 and -0.998: steps of 0.0001 would be all of it."""
    assert not any(entry["packed"] for entry in table().values() if {"T", "T1"} & set(Formula(entry["formula"]).names))


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
        "N #-R",
        "N \\\n-R",
        "\uff2e-R",  # a full-width N, which Python takes for N
        "N\u00b7R",  # a middle dot, which is part of a name to Python
        "N\u2212R",
        "\ud800",
        "N\x00",
    ],
)
def test_anything_but_arithmetic_is_refused(text):
    with pytest.raises(FormulaError):
        Formula(text)


def test_a_number_that_is_too_large_is_not_said_to_be_none():
    with pytest.raises(FormulaError, match=r"a number in a formula is 1e\+12 at most"):
        Formula("N * 1e30")
    assert Formula("N * 1e12")({"N": np.ones(1)}) == 1e12


def test_powers_cannot_be_made_to_take_for_ever():
    assert np.isinf(Formula("N + 9**9**9**9")({"N": np.ones(3)})).all()


_TOKENS = [
    *("N", "R", "L", "1", ".5", "9e11", "(", ")", "+", "-", "*", "**", "/", "//", "%", "@", "~", "[", "]", "{", "}"),
    *("lambda", "if", "else", "for", "in", ".", ":", ":=", "=", "<", "not", "and", "is", "'x'", "f'{N}'", ",", "b'x'"),
    *("__import__('os')", "eval", ".__class__", "\\", "#", ";", "1j", "0x1F", "None", "True", "await", "yield", "..."),
    *(
        "print(1)",
        "_",
        "1e999",
        "(N)(R)",
        "**9**9**9",
        " ",
        "\n",
        "\t",
        "\x00",
        "\ud800",
        "\uff2e",
        "\u0660",
        "9" * 400,
    ),
]


@settings(max_examples=400)
@given(st.lists(st.sampled_from(_TOKENS), max_size=12).map("".join))
def test_whatever_is_admitted_is_arithmetic_that_ends_at_once(text):
    """Python's own grammar says what the text is made of."""
    try:
        formula = Formula(text)
    except FormulaError:
        return
    assert text.isascii()
    arithmetic = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Constant, ast.Name, ast.operator, ast.unaryop, ast.Load)
    nodes = list(ast.walk(ast.parse(text.strip(), mode="eval")))
    assert all(isinstance(node, arithmetic) for node in nodes)
    assert {type(node.value) for node in nodes if isinstance(node, ast.Constant)} <= {int, float}
    assert set(formula.names) == {node.id for node in nodes if isinstance(node, ast.Name)}
    assert formula({name: np.full(2, 0.5) for name in formula.names}).dtype == np.float64


@given(st.text(max_size=40))
def test_any_text_is_a_formula_or_a_formula_error(text):
    try:
        formula = Formula(text)
    except FormulaError:
        return
    formula({name: np.ones(2) for name in formula.names})
