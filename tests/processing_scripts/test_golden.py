"""The values are right: against plain float64 numpy, GDAL's own `norm_diff`, rasterio's `rio calc` and gdal_calc.

gdal_calc needs GDAL's Python bindings, of which no package brings wheels for Linux (`gdal-utils` has the program
only; the GDAL of `pyogrio`'s wheels has `gdal raster calc` without muparser, hence without formulas). Its test runs
where Debian's `python3-gdal` or the like has put `gdal_calc.py` on the PATH, and is skipped elsewhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.processing_scripts.factory import Folder, random_dn

pytestmark = pytest.mark.usefixtures("libraries")

# Half a step of int16 × 0.0001, and rounding.
TOLERANCE = 5.1e-5


def reference(formula, *bands: np.ndarray, offset: int = 1000) -> np.ndarray:
    """The index in float64 from DN: independent of the project's code."""
    dn = [band.astype(np.float64) for band in bands]
    valid = np.all([(d > offset) & (d != 0) & (d != 65535) for d in dn], axis=0)
    with np.errstate(all="ignore"):
        return np.where(valid, formula(*[(d - offset) / 10_000 for d in dn]), np.nan)


def gdal_norm_diff(folder: Path, nir: Path, red: Path) -> np.ndarray:
    """(nir - red) / (nir + red) of reflectance by GDAL's C++ pixel function in a VRT, without nodata handling."""
    with rasterio.open(red) as dataset:
        width, height = dataset.width, dataset.height
    sources = "".join(
        f"<ComplexSource><SourceFilename>{path}</SourceFilename><SourceBand>1</SourceBand>"
        "<ScaleOffset>-0.1</ScaleOffset><ScaleRatio>0.0001</ScaleRatio></ComplexSource>"
        for path in (nir, red)
    )
    vrt = folder / "norm_diff.vrt"
    vrt.write_text(
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><GeoTransform>0,10,0,0,0,-10</GeoTransform>'
        '<VRTRasterBand dataType="Float64" band="1" subClass="VRTDerivedRasterBand">'
        "<PixelFunctionType>norm_diff</PixelFunctionType><SourceTransferType>Float64</SourceTransferType>"
        f"{sources}</VRTRasterBand></VRTDataset>"
    )
    with rasterio.open(vrt) as dataset:
        return dataset.read(1)


# Two blocks and a bit each way, so that seams would show.
@pytest.mark.parametrize("shape", [(1100, 1070), (301, 299), (1, 5)])
def test_ndvi_equals_float64_and_gdal(folder: Folder, shape):
    red, nir = random_dn(shape, low=900, seed=1), random_dn(shape, low=900, seed=2)
    red[0, 0], nir[0, 1] = 0, 65535
    item = folder.scene(red=red, nir=nir)
    folder.run()
    found = folder.values()
    expected = reference(lambda n, r: (n - r) / (n + r), nir, red)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    assert np.nanmax(np.abs(found - expected)) <= TOLERANCE
    by_gdal = gdal_norm_diff(folder.root, *(Path(item["assets"][key]["href"]) for key in ("nir", "red")))
    valid = ~np.isnan(expected)
    assert np.max(np.abs(found - by_gdal)[valid]) <= TOLERANCE


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("EVI", lambda b, g, r, n: 2.5 * (n - r) / (n + 6 * r - 7.5 * b + 1)),
        ("EVI2", lambda b, g, r, n: 2.5 * (n - r) / (n + 2.4 * r + 1)),
        ("SAVI", lambda b, g, r, n: 1.5 * (n - r) / (n + r + 0.5)),
        ("NDWI", lambda b, g, r, n: (g - n) / (g + n)),
    ],
)
def test_other_indices_equal_their_published_formulas(folder: Folder, name, formula):
    shape = (64, 80)
    bands = {key: random_dn(shape, high=3500, seed=i) for i, key in enumerate(("blue", "green", "red", "nir"))}
    folder.scene(**bands)
    folder.run(name)
    found, expected = folder.values(part=name.lower()), reference(formula, *bands.values())
    # Only the formula's own bands decide what is nodata.
    inside = np.abs(expected) < 3.2767
    assert np.nanmax(np.abs(found - expected)[inside]) <= TOLERANCE
    assert inside.mean() > 0.9


def rio_calc(folder: Path, rasters: dict[str, Path], formulas: list[str]) -> np.ndarray:
    """The formulas, in `rio calc`'s lisp over reflectances, by its own reading and arithmetic."""
    for number, name in enumerate(rasters, start=1):
        read = f"(- (* 0.0001 (read {number} 1 'float64')) 0.1)"
        formulas = [re.sub(rf"\b{name}\b", read, formula) for formula in formulas]
    command = [Path(sys.executable).with_name("rio"), "calc", "--dtype", "float64", "--not-masked"]
    target = folder / "rio-calc.tif"
    subprocess.run([*command, f"(asarray {' '.join(formulas)})", *rasters.values(), target], check=True)
    with rasterio.open(target) as dataset:
        return dataset.read()


def test_several_indices_equal_rio_calc(folder: Folder):
    shape = (51, 47)
    item = folder.scene(**{key: random_dn(shape, low=1500, seed=n) for n, key in enumerate(("blue", "red", "nir"))})
    folder.run("NDVI,SAVI,EVI,SR")
    expected = rio_calc(
        folder.root,
        {name: Path(item["assets"][key]["href"]) for name, key in (("B", "blue"), ("R", "red"), ("N", "nir"))},
        [
            "(/ (- N R) (+ N R))",
            "(/ (* 1.5 (- N R)) (+ (+ N R) 0.5))",
            "(/ (* 2.5 (- N R)) (+ (- (+ N (* 6 R)) (* 7.5 B)) 1))",
            "(/ N R)",
        ],
    )
    for part, values in zip(("ndvi", "savi", "evi"), expected, strict=False):
        inside = np.abs(values) < 3.2767
        assert np.max(np.abs(folder.values(part=part) - values)[inside]) <= TOLERANCE
        assert inside.mean() > 0.9
    np.testing.assert_allclose(folder.values(part="sr"), expected[3], rtol=1e-6)


@pytest.mark.skipif(not shutil.which("gdal_calc.py"), reason="gdal_calc.py is not on this machine (python3-gdal)")
def test_several_indices_equal_gdal_calc(folder: Folder):
    shape = (301, 299)
    item = folder.scene(**{key: random_dn(shape, low=1500, seed=n) for n, key in enumerate(("blue", "red", "nir"))})
    folder.run("NDVI,EVI,SR")
    letters = {letter: item["assets"][key]["href"] for letter, key in zip("BRN", ("blue", "red", "nir"), strict=True)}
    files = [part for letter, href in letters.items() for part in (f"-{letter}", href)]
    formulas = {
        "ndvi": "(N-R)/(N+R)",
        "evi": "2.5*(N-R)/(N+6*R-7.5*B+1)",
        "sr": "N/R",
    }
    for part, formula in formulas.items():
        reflectance = re.sub(r"\b([BRN])\b", r"(\1.astype(float64)*0.0001-0.1)", formula)
        target = folder.root / f"{part}.tif"
        command = ["gdal_calc.py", "--quiet", "--type", "Float64", "--calc", reflectance, "--outfile", target, *files]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GDAL", "PROJ"))}
        subprocess.run(command, check=True, capture_output=True, env=clean)
        with rasterio.open(target) as dataset:
            expected = dataset.read(1)
        inside = (np.abs(expected) < 3.2767) | (part == "sr")
        tolerance = 1e-6 * expected.max() if part == "sr" else TOLERANCE
        assert np.max(np.abs(folder.values(part=part) - expected)[inside]) <= tolerance
        assert inside.mean() > 0.9


def test_a_reflectance_of_zero_is_none_also_where_rounding_leaves_something_of_it(folder: Folder):
    """3000 × 0.0001 − 0.3 is 5.6e-17 in float64: SR would be 5e15 there."""
    item = folder.scene(nir=np.full((1, 3), 6000), red=np.array([[2999, 3000, 3001]]), add=False)
    for asset in item["assets"].values():
        asset["raster:bands"] = [{"scale": 1e-4, "offset": -0.3}]
    folder.add(item)
    folder.run("SR")
    np.testing.assert_allclose(folder.values(part="sr"), [[np.nan, np.nan, 3000]], rtol=1e-6)


def test_values_beyond_int16_are_clipped_and_counted(folder: Folder):
    # EVI's denominator N + 6R - 7.5B + 1 is 0.00075 for N = 0.5, R = 0.2495, B = 0.3995.
    bands = {"nir": 6000, "red": 3495, "blue": 4995}
    folder.scene(**{key: np.full((4, 4), dn) for key, dn in bands.items()})
    folder.run("EVI")
    assert np.all(np.abs(folder.values(part="evi")) == pytest.approx(3.2767))
    assert folder.item()["assets"]["evi"]["bands"][0]["geocadence:clipped_pixels"] == 16


def test_an_unbounded_index_is_float32_and_not_clipped(folder: Folder):
    folder.scene(red=np.full((4, 4), 1001), nir=np.full((4, 4), 9000))
    folder.run("SR")
    with rasterio.open(folder.product(part="sr")) as dataset:
        assert dataset.dtypes == ("float32",)
        assert dataset.nodata == -9999
    assert folder.values(part="sr")[0, 0] == pytest.approx(8000, rel=1e-6)


@pytest.mark.parametrize("name", ["TVI", "X=1/(N-N)", "X=(R-N)**0.5"])
def test_where_a_formula_has_no_value_there_is_nodata(folder: Folder, name):
    """TVI is (NDVI + 0.5) ** 0.5: no number where NDVI is below -0.5."""
    red = np.full((4, 4), 9000)
    folder.scene(red=red, nir=np.where(np.arange(4) < 2, 1500, 9500) * np.ones((4, 1)).astype(int))
    folder.run(name)
    found = folder.values(part=name.partition("=")[0].lower())
    expected = {"TVI": [True, True, False, False], "X=1/(N-N)": [True] * 4, "X=(R-N)**0.5": [False, False, True, True]}
    np.testing.assert_array_equal(np.isnan(found), np.broadcast_to(expected[name], (4, 4)))


def test_a_formula_of_ones_own(folder: Folder):
    folder.scene(red=np.full((4, 4), 2000), nir=np.full((4, 4), 4000))
    folder.run("NDVI,MINE=(N-R)/(N+R+0.5)")
    assert folder.values(part="mine")[0, 0] == pytest.approx(0.2 / 0.9)


def test_without_the_offset_ndvi_would_be_far_off(folder: Folder):
    """The trap that the whole offset policy is for: medians of a real scene."""
    folder.scene(red=np.full((2, 2), 1718), nir=np.full((2, 2), 3338))
    folder.run()
    assert folder.values()[0, 0] == pytest.approx(0.5301, abs=1e-4)
    folder.run(offset=0.0)
    assert folder.values()[0, 0] == pytest.approx(0.3204, abs=1e-4)


DN = st.one_of(st.integers(0, 65535), st.integers(995, 1010), st.sampled_from([0, 1000, 65534, 65535]))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(red=arrays(np.uint16, (5, 7), elements=DN), nir=arrays(np.uint16, (5, 7), elements=DN))
def test_any_dn_gives_the_exact_ratio_or_nodata(red, nir):
    """Against exact fractions, pixel by pixel: also just above zero reflectance."""
    from spectral.indices import parse_indices
    from spectral.kernel import Kernel
    from spectral.radiometry import Radiometry
    from spectral.values import PACKED_NODATA

    radiometry = Radiometry(1e-4, -0.1, 0, "", "")
    kernel = Kernel(tuple(parse_indices("NDVI")), {"R": radiometry, "N": radiometry})
    out = np.empty((5, 7), np.int16)
    kernel({"R": red, "N": nir}, None, {"NDVI": out})
    for found, r, n in zip(out.flat, red.flat, nir.flat, strict=True):
        if min(r, n) <= 1000 or max(r, n) == 65535:
            assert found == PACKED_NODATA
        else:
            exact = Fraction(int(n) - int(r), int(n) + int(r) - 2000)
            assert abs(Fraction(int(found), 10_000) - exact) <= Fraction(1, 20_000) + Fraction(1, 10**9)


def test_no_value_is_taken_for_nodata_by_masks_that_are_not_exact(folder: Folder, libraries):
    """GDAL's take float32's next values for nodata too, which statistics would count."""
    dn = np.arange(3960, 4041)[np.newaxis]
    folder.scene(nir=dn)
    folder.run("NEAR=(N-0.4)*5-9999", offset=0.0)
    expected = (dn * 1e-4 - 0.4) * 5 - 9999
    with rasterio.open(folder.product(part="near")) as dataset:
        assert dataset.read_masks(1).all()
        np.testing.assert_allclose(dataset.read(1), expected, rtol=0, atol=0.021)
        far = np.abs(expected + 9999) > 0.011
        np.testing.assert_array_equal(dataset.read(1)[far], expected[far].astype(np.float32))
    assert folder.item()["assets"]["near"]["bands"][0]["statistics"]["count"] == dn.size
