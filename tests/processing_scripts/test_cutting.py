"""Rings cut to a rectangle, against the pixels of both."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from rasterio.features import rasterize
from rasterio.transform import Affine
from spectral.cutting import cut

# The rectangle is a part of a grid of 40 × 40 pixels around the origin.
RECTANGLE = (-12.0, -8.0, 10.0, 14.0)
PLACES = st.floats(-30, 30, width=32)


def pixels(*rings: np.ndarray) -> np.ndarray:
    """The pixels within the rectangle that a polygon of such rings covers."""
    shapes = [{"type": "Polygon", "coordinates": [ring.tolist() for ring in rings]}] if rings else []
    found = rasterize(shapes, (40, 40), transform=Affine(1, 0, -20, 0, -1, 20)) if shapes else np.zeros((40, 40))
    return found[7:27, 9:29]


@given(st.lists(st.tuples(PLACES, PLACES), min_size=3, max_size=12))
def test_within_the_rectangle_nothing_changes_and_nothing_is_left_outside(corners):
    # Through no pixel's centre, nor along the rectangle's sides: there rounding decides. Not by as much in both
    # directions, or diagonals would go through centres.
    ring = np.array([*corners, corners[0]], float) + np.array([0.123456, 0.0712345])
    found = cut(ring, RECTANGLE)
    if not len(found):
        assert not pixels(ring).any()
        return
    assert (found[0] == found[-1]).all()
    assert (found.min(axis=0) >= RECTANGLE[:2]).all() and (found.max(axis=0) <= RECTANGLE[2:]).all()
    differences = pixels(ring) != pixels(found)
    assert not differences.any()


def test_a_ring_within_stays_as_it_is_and_one_around_becomes_the_rectangle():
    ring = np.array([[0, 0], [5, 1], [3, 6], [0, 0]], float)
    assert cut(ring, RECTANGLE) is ring
    around = np.array([[-90, -90], [90, -90], [90, 90], [-90, 90], [-90, -90]], float)
    assert {tuple(point) for point in cut(around, RECTANGLE)} == {(-12, -8), (10, -8), (10, 14), (-12, 14)}
    assert not len(cut(ring + 100, RECTANGLE))
