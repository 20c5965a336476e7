"""Products cut to an area: pixels outside are nodata, and blocks outside are neither read nor computed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import transform
from rasterio.windows import Window
from rio_cogeo import cog_validate
from spectral import codecs
from spectral.area import Area, Clip
from spectral.grids import Grid, moved

from tests.processing_scripts.factory import NORTH, WEST, Folder, random_dn

SHAPE = (2100, 3100)  # 3 × 4 blocks of 1024


def around(*pixels: tuple[float, float]) -> dict:
    """The polygon through pixel corners (row, column) of the scene, in longitude and latitude."""
    east = [WEST + 10 * column for _, column in pixels]
    north = [NORTH - 10 * row for row, _ in pixels]
    longitudes, latitudes = transform("EPSG:32629", "EPSG:4326", east, north)
    ring = [list(point) for point in zip(longitudes, latitudes, strict=True)]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


def box(top: float, left: float, bottom: float, right: float) -> dict:
    return around((top, left), (top, right), (bottom, right), (bottom, left))


@pytest.fixture(scope="module")
def imagery(tmp_path_factory) -> tuple[Path, dict]:
    """A scene of twelve blocks, made once."""
    folder = Folder(tmp_path_factory.mktemp("area"))
    scl = np.full((SHAPE[0] // 2, SHAPE[1] // 2), 4)
    scl[:100] = 9
    item = folder.scene(red=random_dn(SHAPE, seed=1), nir=random_dn(SHAPE, seed=2), scl=scl, add=False)
    return folder.root, item


@pytest.fixture
def unpacked(monkeypatch) -> list[np.ndarray]:
    """The tiles that were unpacked."""
    seen = []
    inflate = codecs.inflate

    def counted(packed, into, **more):
        seen.append(into.shape)
        inflate(packed, into, **more)

    monkeypatch.setattr(codecs, "inflate", counted)
    return seen


def test_an_area_between_the_centres_of_pixels_is_told_of(folder: Folder, imagery, log):
    """A field of four metres, or the sliver that an area takes of a scene: an empty product, not in silence."""
    folder.add({**imagery[1], "geocadence:area": box(100.1, 100.1, 100.4, 100.4)})
    folder.run(stream=log)
    assert np.isnan(folder.values()).all()
    (line,) = (line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == "scene")
    assert "No pixel has its centre in the area: all of the product is nodata." in line["warnings"]


def test_what_is_inside_is_unchanged_and_the_rest_is_nodata(folder: Folder, imagery):
    folder.add(imagery[1])
    folder.run()
    whole = folder.values()
    folder.add({**imagery[1], "geocadence:area": box(150.0, 1000.0, 1200.0, 1300.0)})
    folder.run()
    cut = folder.values()
    assert cut.shape == SHAPE
    np.testing.assert_array_equal(cut[150:1200, 1000:1300], whole[150:1200, 1000:1300])
    cut[150:1200, 1000:1300] = np.nan
    assert np.isnan(cut).all()
    valid, errors, warnings = cog_validate(folder.product(), strict=True, quiet=True)
    assert valid, (errors, warnings)
    properties = folder.item()["properties"]
    assert properties["geocadence:area_percent"] == pytest.approx(100 * 1050 * 300 / (SHAPE[0] * SHAPE[1]), abs=1e-4)
    # Rows 150 to 200 of the area are cloud.
    assert properties["geocadence:mask"]["masked_percent"] == pytest.approx(
        100 * 50 * 300 / (SHAPE[0] * SHAPE[1]), abs=1e-3
    )
    statistics = folder.item()["assets"]["ndvi"]["bands"][0]["statistics"]
    assert statistics["count"] == 1000 * 300
    assert statistics["valid_percent"] == pytest.approx(100 * 1000 * 300 / (SHAPE[0] * SHAPE[1]), abs=1e-3)


def test_a_slanted_area_takes_the_pixels_whose_centres_are_inside(folder: Folder, imagery):
    corners = [(200.0, 500.0), (900.0, 2000.0), (1800.0, 300.0)]
    folder.add({**imagery[1], "geocadence:area": around(*corners)})
    folder.run(mask=())
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    # Signed distance in pixels from each side, by the cross product; positive inside.
    distance = np.full(SHAPE, np.inf)
    for (r0, c0), (r1, c1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        cross = (c1 - c0) * (rows - r0) - (r1 - r0) * (columns - c0)
        distance = np.minimum(distance, cross / np.hypot(r1 - r0, c1 - c0))
    valid = ~np.isnan(folder.values())
    # A side is straight in degrees: over 19 km that is up to 6 m beside the straight line of the scene's grid.
    np.testing.assert_array_equal(valid[np.abs(distance) > 0.7], (distance > 0)[np.abs(distance) > 0.7])


def test_only_the_blocks_that_it_touches_are_read(folder: Folder, imagery, unpacked):
    folder.add({**imagery[1], "geocadence:area": box(10.0, 1100.0, 1000.0, 1200.0)})
    folder.run(mask=())
    # One block of 1024 in either band, in tiles of 256.
    assert len(unpacked) == 2 * 16


def test_the_argument_is_for_scenes_without_an_area_of_their_own(folder: Folder, imagery, tmp_path: Path):
    file = tmp_path / "area.geojson"
    feature = {"type": "Feature", "properties": {}, "geometry": box(0.0, 0.0, 300.0, 10.0)}
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    folder.add({**imagery[1], "id": "NONE"})
    folder.add({**imagery[1], "id": "OWN", "geocadence:area": box(0.0, 0.0, 300.0, 20.0)})
    folder.run(mask=(), area=Area.read(file))
    for name, width in (("NONE", 10), ("OWN", 20)):
        assert folder.item(name)["assets"]["ndvi"]["bands"][0]["statistics"]["count"] == 300 * width


def test_it_comes_with_items_of_searchrasterdatacollection_too(folder: Folder, imagery):
    assets = {key: {"Href": asset["href"]} for key, asset in imagery[1]["assets"].items()}
    item = {"Id": "SRD", "DateTime": "2026-04-26T11:21:09Z", "Assets": assets}
    folder.add({**item, "geocadence:area": box(0.0, 0.0, 30.0, 10.0)}, "SRD")
    folder.run(mask=())
    assert folder.item("SRD")["assets"]["ndvi"]["bands"][0]["statistics"]["count"] == 300


@pytest.mark.parametrize(
    ("area", "reason"),
    [
        (box(0.0, 5000.0, 10.0, 5010.0), "outside of the scene"),
        (
            {"type": "Point", "coordinates": [0, 0]},
            "'Point' is no area: expected GeoJSON with a Polygon or MultiPolygon",
        ),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}, "unusable coordinates"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [600_000, 0], [600_000, 1], [0, 0]]]}, "degrees"),
        ({"type": "Polygon", "coordinates": 7}, "unusable coordinates"),
        ({"type": "Polygon", "coordinates": []}, "unusable coordinates"),
        ({"type": "FeatureCollection", "features": []}, "expected GeoJSON"),
        ("everywhere", "'everywhere' is no area"),
    ],
)
def test_an_area_that_cannot_be_used_is_the_inputs_fault(folder: Folder, imagery, area, reason):
    folder.add({**imagery[1], "geocadence:area": area})
    folder.run()
    (failure,) = folder.failures().values()
    assert failure["class"] == "input"
    assert reason in failure["reason"]


def test_a_long_side_keeps_its_course(folder: Folder):
    """A side along a parallel is a curve in the scene's grid: 3 pixels high over 2° at 38° north."""
    area = {"type": "Polygon", "coordinates": [[[-9, 38], [-7, 38], [-7, 38.5], [-9, 38.5], [-9, 38]]]}
    grid = Grid(18_000, 6_000, Affine(10, 0, 500_000, 0, -10, 4_265_000), CRS.from_epsg(32629))
    (shape,) = Area.of(area).on(grid).shapes
    east, north = zip(*shape["coordinates"][0], strict=True)
    straight = np.hypot(np.diff(east), np.diff(north))
    assert straight.max() < 1200
    assert len(east) > 400


def rectangle(west: float, south: float, east: float, north: float) -> list:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


@pytest.mark.parametrize(
    "sides",
    [(-180, -90, 180, 90), (-100, -80, 80, 80), (-180, 0, 180, 85), (-30, 30, 150, 75)],
    ids=["the world", "half of it", "the north", "Eurasia"],
)
def test_an_area_may_reach_farther_than_the_scenes_coordinate_system(folder: Folder, sides):
    item = folder.scene(red=random_dn((60, 60)), nir=random_dn((60, 60), seed=2), add=False)
    hole = around((10, 20), (10, 40), (30, 40), (30, 20))["coordinates"][0]
    area = {"type": "Polygon", "coordinates": [rectangle(*sides), hole, rectangle(20, 40, 21, 41)]}
    folder.add({**item, "geocadence:area": area})
    folder.run()
    assert folder.failures() == {}
    valid = ~np.isnan(folder.values())
    assert not valid[10:30, 20:40].any()
    assert valid.sum() == 60 * 60 - 20 * 20


@pytest.mark.parametrize("sides", [(75, 30, 100, 50), (160, -45, 179, -30)], ids=["the horizon", "the other side"])
def test_what_is_far_away_does_not_touch_the_scene(folder: Folder, sides):
    item = folder.scene(red=random_dn((60, 60)), nir=random_dn((60, 60)), add=False)
    folder.add({**item, "geocadence:area": {"type": "Polygon", "coordinates": [rectangle(*sides)]}})
    folder.run()
    (failure,) = folder.failures().values()
    assert failure["class"] == "input" and "outside of the scene" in failure["reason"]


@pytest.mark.parametrize(
    ("code", "transform"),
    [(4326, Affine(0.01, 0, 179, 0, -0.01, 1)), (32660, Affine(1000, 0, 722_000, 0, -1000, 111_000))],
)
def test_a_scene_across_the_180th_degree_takes_both_parts_of_an_area(code, transform):
    grid = Grid(200, 100, transform, CRS.from_epsg(code))
    parts = [[rectangle(179.5, 0.2, 180, 0.8)], [rectangle(-180, 0.2, -179.5, 0.8)]]
    inside = Area.of({"type": "MultiPolygon", "coordinates": parts}).on(grid).inside(Window(0, 0, 200, 100))
    square = 0.01**2 if code == 4326 else 0.00898 * 0.00904  # a pixel in square degrees, at the equator
    assert inside.sum() * square == pytest.approx(0.6, rel=0.03)
    rows, columns = np.nonzero(inside)
    # One piece without a seam.
    assert inside[rows.min() + 1 : rows.max(), columns.min() + 1 : columns.max()].all()


def test_around_a_pole_nothing_is_left_off():
    grid = Grid(400, 400, Affine(1000, 0, -200_000, 0, -1000, 200_000), CRS.from_epsg(3031))
    area = {"type": "Polygon", "coordinates": [rectangle(-180, -89, 180, -60)]}
    inside = Area.of(area).on(grid).inside(Window(0, 0, 400, 400))
    # All but one degree around the pole, which is 110 km.
    assert not inside[150:250, 150:250].any()
    assert inside[:80].all() and inside[:, :80].all()


def test_no_pixel_is_lost_in_the_squares_of_which_an_area_takes_a_sliver():
    grid = Grid(2100, 2100, Affine(10, 0, WEST, 0, -10, NORTH), CRS.from_epsg(32629))
    random, size = np.random.default_rng(1), 1024
    for _ in range(150):
        middle, reach = size + random.uniform(-60, 60, 2), random.uniform(4, 60)
        angles = np.sort(random.uniform(0, 2 * np.pi, 8))
        corners = [
            [WEST + 10 * (middle[0] + reach * np.cos(angle)), NORTH - 10 * (middle[1] + reach * np.sin(angle))]
            for angle in angles
        ]
        clip = Clip(({"type": "Polygon", "coordinates": [[*corners, corners[0]]]},), grid)
        every = clip.inside(Window(0, 0, grid.width, grid.height))
        touched = np.kron(clip.touched(size), np.ones((size, size), bool))[: grid.height, : grid.width]
        assert not (every & ~touched).any()


def test_grids_are_scaled_and_moved_as_affine_2_can(monkeypatch):
    grid = Grid(2100, 2100, Affine(10, 0, WEST, 0, -10, NORTH), CRS.from_epsg(32629))
    expected = [grid.transform @ Affine.scale(2), grid.transform @ Affine.translation(3, 5)]
    monkeypatch.delattr(Affine, "__matmul__")
    assert [grid.at(20).transform, moved(grid.transform, 3, 5)] == expected
    touched = Area.of(box(10, 10, 90, 90)).on(grid).touched(1024)
    assert touched.tolist() == [[True, False, False], [False] * 3, [False] * 3]
