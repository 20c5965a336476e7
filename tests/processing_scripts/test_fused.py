"""What is compiled gives the bytes that numpy gives; where nothing can be compiled, numpy does it all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from spectral import llvm, loops, pyramid
from spectral.fused import FusedKernel
from spectral.indices import parse_indices, table
from spectral.kernel import Kernel
from spectral.radiometry import Radiometry
from spectral.sensors import SENTINEL2

from tests.processing_scripts.factory import SCRIPTS, Folder, random_dn

# Just around zero reflectance, around each other, and anything else.
DN = st.one_of(
    st.integers(0, 65535), st.integers(995, 1010), st.integers(2998, 3002), st.sampled_from([0, 1000, 65535])
)
VALUES = arrays(np.int16, (32, 64), elements=st.one_of(st.integers(-32768, 32767), st.just(-32768)))


def both(indices, radiometries, bands, shown=None) -> list[tuple[dict, dict]]:
    """By the compiled loop and by numpy: the stored values, and how many were clipped."""
    fused = FusedKernel.of(indices, radiometries, {symbol: pixels.dtype for symbol, pixels in bands.items()})
    assert fused, "nothing was compiled"
    shape = next(iter(bands.values())).shape
    found = []
    for kernel in (fused, Kernel(indices, radiometries)):
        stored = {one.name: np.ones(shape, np.int16 if one.packed else np.float32) for one in indices}
        found.append((stored, kernel(bands, shown, stored)))
    return found


def assert_same(found: list[tuple[dict, dict]]) -> None:
    (stored, clipped), (expected, counted) = found
    assert clipped == counted
    for name, pixels in expected.items():
        assert stored[name].tobytes() == pixels.tobytes(), name


def test_every_index_of_sentinel_2_that_needs_no_power_is_compiled_to_the_same_bytes():
    symbols = {*SENTINEL2.keys}
    indices = tuple(
        index
        for name, entry in table().items()
        if "lambda" not in entry["formula"]
        for index in _usable(name, symbols)
        if np.power not in index.formula.program(index.constants).operations
    )
    assert len(indices) > 200
    random = np.random.default_rng(5)
    bands = {symbol: random.integers(900, 7000, (33, 47), dtype=np.uint16) for symbol in symbols}
    bands["R"][0, :2] = 0, 65535
    radiometries = {symbol: Radiometry(1e-4, -0.1, 0, "", "") for symbol in bands}
    found = both(indices, radiometries, bands, random.random((33, 47)) < 0.9)
    assert sum(found[1][1].values()) > 0, "no value was clipped: that goes untested"
    assert_same(found)


def _usable(name: str, symbols: set[str]):
    try:
        return [index for index in parse_indices(name) if set(index.bands) <= symbols]
    except ValueError:
        return []


@settings(max_examples=40, deadline=None)
@given(
    red=arrays(np.uint16, (3, 21), elements=DN),
    nir=arrays(np.uint16, (3, 21), elements=DN),
    shown=arrays(bool, (3, 21)),
    offset=st.sampled_from([0.0, -0.1, -0.2]),
)
def test_any_pixels_are_the_same(red, nir, shown, offset):
    indices = tuple(
        parse_indices("NDVI,SR,MSAVI,ZERO=(N-R)/(N-R),ROOT=(R-N)**0.5,HUGE=((N/(R**2)**2)**2)**2,NODATA=0*R-9999")
    )
    radiometries = {"R": Radiometry(1e-4, offset, 0, "", ""), "N": Radiometry(2.75e-5, offset, 0, "", "")}
    assert_same(both(indices, radiometries, {"N": nir, "R": red}, shown))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16"])
def test_parts_of_larger_arrays_of_any_type_are_the_same(dtype):
    random = np.random.default_rng(3)
    bands = {symbol: random.integers(0, 127, (60, 90)).astype(dtype)[7:40, 3:78] for symbol in "NR"}
    radiometries = {symbol: Radiometry(0.01, 0.0, 0, "", "") for symbol in bands}
    assert_same(both(tuple(parse_indices("NDVI,SR")), radiometries, bands))


@pytest.mark.parametrize("formula", ["A=N**R", "A=N**1.5"])
def test_a_power_is_left_to_numpy(formula):
    indices = tuple(parse_indices(formula))
    radiometries = {symbol: Radiometry(1e-4, 0.0, 0, "", "") for symbol in indices[0].bands}
    assert FusedKernel.of(indices, radiometries, dict.fromkeys(radiometries, np.dtype("uint16"))) is None


@pytest.mark.parametrize(("dtype", "nodata"), [("float32", 0), (">u2", 0), ("int32", 0), ("uint16", 5000)])
def test_bands_that_are_no_plain_case_are_left_to_numpy(dtype, nodata):
    radiometries = {symbol: Radiometry(1e-4, 0.0, nodata, "", "") for symbol in "NR"}
    dtypes = dict.fromkeys(radiometries, np.dtype(dtype))
    assert FusedKernel.of(tuple(parse_indices("NDVI")), radiometries, dtypes) is None


@settings(max_examples=25, deadline=None)
@given(values=VALUES)
def test_overviews_of_any_values_are_the_same(values):
    found = loops.averages(values, 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(llvm, "FAST", False)
        expected = pyramid.reduced(values, -32768, 5)
    for level, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(level, other)


@settings(max_examples=25, deadline=None)
@given(differences=arrays(np.uint16, (3, 70), elements=st.integers(0, 65535)), width=st.integers(1, 70))
def test_any_differences_are_summed_up_the_same(differences, width):
    """Also those of parts of larger arrays, of which nothing else may change."""
    found = differences.copy()
    assert loops.sum_up(found[:, :width])
    expected = np.hstack([np.add.accumulate(differences[:, :width], axis=1, dtype=np.uint16), differences[:, width:]])
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=25, deadline=None)
@given(values=VALUES, height=st.integers(1, 32), width=st.integers(1, 64))
def test_any_values_are_counted_the_same(values, height, width):
    tables = np.zeros((loops.TABLES, 65536), np.uint32)
    for _ in range(2):  # what has been counted before stays
        assert loops.count(values[:height, :width], tables)
    expected = 2 * np.bincount(values[:height, :width].astype(np.uint16).reshape(-1), minlength=65536)
    np.testing.assert_array_equal(tables.sum(axis=0), expected)


def test_threads_that_come_to_a_loop_at_the_same_time_build_it_once(monkeypatch):
    built = []

    def compiled(module, name):
        built.append(name)
        time.sleep(0.05)  # so that all have come
        return name

    monkeypatch.setattr(llvm, "compiled", compiled)
    loops._counting.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(loops._counting) for _ in range(4)]
    loops._counting.cache_clear()
    assert [one.result() for one in found] == ["count"] * 4
    assert built == ["count"]


def test_nothing_is_compiled_for_a_few_blocks_and_each_loop_once_there_are_enough_for_it(folder: Folder, monkeypatch):
    compiled = []
    monkeypatch.setattr(llvm, "WORTH", {"block": 1, "count": 2, "halve": 3})
    monkeypatch.setattr(llvm, "_planned", 0)
    monkeypatch.setattr(
        llvm, "compiled", lambda module, name, real=llvm.compiled: compiled.append(name) or real(module, name)
    )
    for loop in (loops._counting, loops._halving):
        loop.cache_clear()
    folder.scene(red=random_dn((600, 600)), nir=random_dn((600, 600), seed=2))
    contents = []
    for _ in range(4):
        folder.run()
        (path,) = folder.output.glob("*/*/S2X/S2X_ndvi.tif")
        contents.append((path.read_bytes(), sorted({*compiled})))
    assert [names for _, names in contents] == [[], ["block"], ["block", "count"], ["block", "count", "halve"]]
    assert len({content for content, _ in contents}) == 1


@pytest.mark.parametrize(
    "library",
    [
        "raise ImportError('none here')",
        "",
        "from types import ModuleType as binding, ModuleType as ir; __version__ = '0.44.0'",
    ],
)
def test_without_a_usable_llvmlite_numpy_steps_in(tmp_path: Path, library: str):
    """In a process where the import fails, where the package is empty, and where it is too old."""
    (tmp_path / "llvmlite.py").write_text(library)
    done = subprocess.run(
        [sys.executable, "-c", "from spectral import fused, loops, llvm; print(llvm.FAST)"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(SCRIPTS)])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_MDWE is Linux's")
def test_where_memory_that_was_written_is_not_executed_numpy_makes_the_same_file_and_the_log_says_why(folder: Folder):
    """In a process that forbids itself to (PR_SET_MDWE, Linux 6.3), where LLVM's code would end in SIGSEGV."""
    folder.scene(red=random_dn((700, 600)), nir=random_dn((700, 600), seed=2))
    forbid = "ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) and sys.exit(3)"
    run = "from spectral import cli, llvm; llvm.WORTH = dict.fromkeys(llvm.WORTH, -1); sys.exit(cli.main())"
    contents, logs = [], []
    for first in (forbid, "None"):
        done = subprocess.run(
            [sys.executable, "-c", f"import ctypes, sys; {first}; {run}", "--indices", "NDVI",
             "--input", str(folder.input), "--output", str(folder.output)],
            env={**os.environ, "PYTHONPATH": str(SCRIPTS)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 3:
            pytest.skip("this kernel has no PR_SET_MDWE")
        assert done.returncode == 0, done.stderr
        (path,) = folder.output.glob("*/*/S2X/S2X_ndvi.tif")
        contents.append(path.read_bytes())
        logs.append(done.stdout + done.stderr)
    assert contents[0] == contents[1]
    assert ["W^X" in log for log in logs] == [True, False]


@pytest.mark.parametrize("error", [RuntimeError, AttributeError])
def test_where_compiling_fails_numpy_makes_the_same_file_and_the_log_says_so_once(
    folder: Folder, log, monkeypatch, error
):
    """Also where an image's own llvmlite is of a version that has other functions."""

    def fails(*_):
        raise error("this LLVM reads no such module")

    for number in range(3):
        folder.scene(f"S2X{number}", red=random_dn((600, 600), seed=number), nir=random_dn((600, 600), seed=2))

    def contents() -> list[bytes]:
        return [path.read_bytes() for path in sorted(folder.output.glob("*/*/*/*_ndvi.tif"))]

    folder.run(stream=log)
    expected = contents()
    assert len(expected) == 3
    assert "fallback" not in log.getvalue()
    for loop in (loops._counting, loops._halving):
        loop.cache_clear()
    with monkeypatch.context() as patch:
        # Both are set by the failure.
        patch.setattr(llvm, "FAST", True)
        patch.setattr(llvm, "REASON", None)
        patch.setattr(llvm, "_compiled", {})
        patch.setattr(llvm, "_compile", fails)
        folder.run(stream=log)
    for loop in (loops._counting, loops._halving):
        loop.cache_clear()
    assert contents() == expected
    assert log.getvalue().count("this LLVM reads no such module") == 1
