"""What holds for any pixels: formulas, masks, odd sizes, nodata, and denominators of zero and below.

The expected values are computed pixel by pixel with Python's own numbers, never with the project's code.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from spectral.indices import parse_indices
from spectral.kernel import Kernel
from spectral.mask import SCL, parse_mask
from spectral.radiometry import Radiometry

from tests.processing_scripts.factory import Folder, write

# Just around zero reflectance, around each other, and anything else.
DN = st.one_of(
    st.integers(0, 65535), st.integers(995, 1010), st.integers(2998, 3002), st.sampled_from([0, 1000, 65535])
)
PIXELS = arrays(np.uint16, (4, 5), elements=DN)

# By name: what Python makes of a pixel's reflectances.
FORMULAS = {
    "NDVI": lambda b, r, n: (n - r) / (n + r),
    "EVI": lambda b, r, n: 2.5 * (n - r) / (n + 6 * r - 7.5 * b + 1),
    "EVI2": lambda b, r, n: 2.5 * (n - r) / (n + 2.4 * r + 1),
    "SAVI": lambda b, r, n: 1.5 * (n - r) / (n + r + 0.5),
    "MNLI": lambda b, r, n: 1.5 * (n**2 - r) / (n**2 + r + 0.5),
    "ARVI": lambda b, r, n: (n - (2 * r - b)) / (n + (2 * r - b)),
    "SR": lambda b, r, n: n / r,
    "ZERO=(N-R)/(N-R)": lambda b, r, n: (n - r) / (n - r),
    "BELOW=1/(R-N)": lambda b, r, n: 1 / (r - n),
    "ROOT=(R-N)**0.5/B": lambda b, r, n: math.sqrt(r - n) / b,
    "HUGE=(N/R)**99": lambda b, r, n: (n / r) ** 99,
}


def expected_value(name: str, dn: tuple[int, ...]) -> float | None:
    """The index of one pixel; None where there is no value."""
    if any(value in (0, 65535) for value in dn):
        return None
    reflectances = [value * 1e-4 - 0.1 for value in dn]
    if min(reflectances) <= 1e-9:
        return None
    try:
        value = FORMULAS[name](*reflectances)
    except (ZeroDivisionError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) and abs(value) < 3.4e38 else None


@pytest.mark.parametrize("name", FORMULAS)
@settings(max_examples=40, deadline=None)
@given(blue=PIXELS, red=PIXELS, nir=PIXELS)
def test_any_pixels_of_any_formula_have_pythons_value_or_none(name, blue, red, nir):
    (index,) = parse_indices(name)
    bands = {symbol: pixels for symbol, pixels in (("B", blue), ("R", red), ("N", nir)) if symbol in index.bands}
    out = np.empty(red.shape, np.int16 if index.packed else np.float32)
    kernel = Kernel((index,), {symbol: Radiometry(1e-4, -0.1, 0, "", "") for symbol in bands})
    clipped = kernel(bands, None, {index.name: out})[index.name]
    surely = possibly = 0
    for place in np.ndindex(red.shape):
        dn = tuple(int(bands[symbol][place]) if symbol in bands else 5000 for symbol in "BRN")
        value, found = expected_value(name, dn), out[place]
        if value is None:
            assert found == (-32768 if index.packed else -9999)
        elif not index.packed:
            assert found == pytest.approx(value, rel=2e-7, abs=1e-44)
        else:
            assert abs(found * 1e-4 - max(-3.2767, min(3.2767, value))) <= 5.1e-5
            surely += abs(value) > 3.2768
            possibly += abs(value) > 3.27674
    assert surely <= clipped <= possibly


@st.composite
def scenes(draw):
    """Red edge at 20 m, near infrared at 10 m and SCL at 20 m of one small tile of any size."""
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    coarse = (-(-height // 2), -(-width // 2))
    return (
        draw(arrays(np.uint16, (height, width), elements=st.sampled_from([0, 990, 1500, 4000, 65535]))),
        draw(arrays(np.uint16, coarse, elements=st.sampled_from([0, 1000, 2000, 3000]))),
        draw(arrays(np.uint8, coarse, elements=st.integers(0, 12))),
    )


@pytest.mark.usefixtures("libraries")
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(scene=scenes(), classes=st.sets(st.sampled_from(SCL.names), max_size=4))
def test_any_scene_of_any_size_and_any_mask(scene, classes):
    nir, swir, scl = scene
    with tempfile.TemporaryDirectory() as root:
        folder = Folder(Path(root))
        item = folder.scene(nir=nir, scl=scl, add=False)
        item["assets"]["swir16"] = {"href": str(write(folder.root / "swir16.tif", swir, pixel_size=20))}
        folder.add(item)
        folder.run("NDMI", mask=parse_mask(",".join(sorted(classes)) or "none"))
        found = folder.values(part="ndmi")
        statistics = folder.item()["assets"]["ndmi"]["bands"][0]["statistics"]
    codes = {0: "nodata", 12: "nodata", **{value: name for name, (_, value) in SCL.classes.items()}}
    valid = 0
    for (row, column), n in np.ndenumerate(nir):
        s, code = int(swir[row // 2, column // 2]), int(scl[row // 2, column // 2])
        if min(n, s) <= 1000 or n == 65535 or codes[code] in classes:
            assert np.isnan(found[row, column])
        else:
            valid += 1
            assert abs(found[row, column] - (int(n) - s) / (int(n) + s - 2000)) <= 5.1e-5
    assert statistics["count"] == valid
    assert statistics["valid_percent"] == pytest.approx(100 * valid / nir.size, abs=1e-4)
