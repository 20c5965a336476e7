"""The areas of the suite `area` touch as many blocks as they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rasterio.features import geometry_mask
from rasterio.transform import from_origin
from rasterio.warp import transform_geom

from benchmarks.scene import Scene
from benchmarks.suites.area import area_of
from sample.items import CRS


@pytest.mark.parametrize(("side", "first", "last"), [(1, 5, 5), (2, 4, 5), (4, 3, 6), (11, 0, 10)])
def test_an_area_touches_whole_blocks_and_no_others(small_scene: Scene, side, first, last):
    tile = replace(small_scene, size=10_980, folder=Path())
    # Every fourth pixel of 10 m.
    grid = from_origin(tile.shot.west, tile.shot.north, 40, 40)
    ring = transform_geom("EPSG:4326", CRS, area_of(tile, side))
    inside = ~geometry_mask([ring], (2745, 2745), grid, all_touched=True)
    for axis in (0, 1):
        touched = np.unique(np.flatnonzero(inside.any(axis=axis)) // 256)
        assert (touched[0], touched[-1]) == (first, last)
    # All but the margins.
    expected = min(side * 1024, 10_980) ** 2 / 16
    assert 0.95 * expected < np.count_nonzero(inside) <= expected
