"""Real intersection of areas and footprints, on a globe."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from typing import Any

import pytest
from shapely import get_parts
from shapely.geometry import Point, Polygon, shape

from geocadence.catalogue.area import Area
from geocadence.definition.area import one_geometry


def square(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    return {
        "type": "Polygon",
        "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
    }


def footprint(geometry: Any, bbox: Any = None) -> dict[str, Any]:
    return {"id": "a", "geometry": geometry, "bbox": bbox}


# Lies in the box of (0, 0, 10, 10), only above its diagonal.
TRIANGLE = {"type": "Polygon", "coordinates": [[[0, 0], [10, 10], [0, 10], [0, 0]]]}
RING = {"type": "Polygon", "coordinates": [square(0, 0, 9, 9)["coordinates"][0], square(3, 3, 6, 6)["coordinates"][0]]}
# Taveuni, Fiji, as GeoJSON wants it, and as one ring over the antimeridian
CUT = {
    "type": "MultiPolygon",
    "coordinates": [square(179.7, -17, 180, -16.6)["coordinates"], square(-180, -17, -179.8, -16.6)["coordinates"]],
}
UNCUT = {
    "type": "Polygon",
    "coordinates": [[[179.7, -17], [-179.8, -17], [-179.8, -16.6], [179.7, -16.6], [179.7, -17]]],
}
# Rings of longitudes round the poles, which touch neither.
ARCTIC = {"type": "Polygon", "coordinates": [[[0, 80], [90, 80], [180, 80], [-90, 80], [0, 80]]]}
ANTARCTIC = {"type": "Polygon", "coordinates": [[[10, -80], [-80, -81], [-170, -80], [100, -81], [10, -80]]]}
# A ring over the antimeridian with a hole that crosses it too, and with one to the east of it.
HOLED = {
    "type": "Polygon",
    "coordinates": [
        [[170, -20], [-170, -20], [-170, -10], [170, -10], [170, -20]],
        [[178, -16], [-178, -16], [-178, -14], [178, -14], [178, -16]],
        [[-176, -16], [-174, -16], [-174, -14], [-176, -14], [-176, -16]],
    ],
}


@pytest.mark.parametrize(
    ("area", "scene", "touches"),
    [
        (ARCTIC, square(10, 85, 20, 86), True),
        (ARCTIC, square(-179, 89, -178, 90), True),
        (ARCTIC, square(10, 70, 20, 71), False),
        (ARCTIC, square(10, -86, 20, -85), False),
        (square(10, 85, 20, 86), ARCTIC, True),
        (square(10, 70, 20, 71), ARCTIC, False),
        (square(10, -86, 20, -85), ANTARCTIC, True),
        (square(10, 85, 20, 86), ANTARCTIC, False),
        (HOLED, square(179, -15.5, 179.5, -15), False),
        (HOLED, square(-179.5, -15.5, -179, -15), False),
        (HOLED, square(-175.5, -15.5, -174.5, -14.5), False),
        (HOLED, square(-173, -15.5, -172, -15), True),
        (HOLED, square(175, -15.5, 176, -15), True),
        (TRIANGLE, square(1, 8, 2, 9), True),
        (TRIANGLE, square(8, 1, 9, 2), False),  # within the box only
        (RING, square(4, 4, 5, 5), False),  # in the hole
        (RING, square(2, 4, 5, 5), True),
        (
            {
                "type": "MultiPolygon",
                "coordinates": [square(0, 0, 1, 1)["coordinates"], square(5, 5, 6, 6)["coordinates"]],
            },
            square(2, 2, 4, 4),
            False,
        ),
        ({"type": "Point", "coordinates": [0.5, 0.5]}, square(0, 0, 1, 1), True),
        ({"type": "LineString", "coordinates": [[-1, -1], [2, 2]]}, square(0, 0, 1, 1), True),
        (
            {
                "type": "GeometryCollection",
                "geometries": [{"type": "Point", "coordinates": [7, 7]}, square(0, 0, 1, 1)],
            },
            square(6, 6, 8, 8),
            True,
        ),
        (square(0, 0, 1, 1), square(1, 1, 2, 2), True),  # a shared corner
        (CUT, square(179.9, -16.9, 180, -16.7), True),
        (CUT, square(-180, -16.9, -179.9, -16.7), True),
        (CUT, square(0, -17, 1, -16.6), False),  # a planar reading of UNCUT would span the globe
        (UNCUT, square(0, -17, 1, -16.6), False),
        (UNCUT, square(179.9, -16.9, 180, -16.7), True),
        (UNCUT, square(-179.9, -16.9, -179.85, -16.7), True),
        (square(-179.9, -16.9, -179.85, -16.7), UNCUT, True),
        (square(178, -17, 179, -16), UNCUT, False),
        (square(-180, -90, 180, 90), square(10, 10, 11, 11), True),  # the whole globe
        (square(178, -17, 180, -16), square(180, -17, 181, -16), True),
        (square(-180, -17, -179, -16), square(180.2, -17, 181, -16), True),
    ],
)
def test_what_touches_what(area: dict[str, Any], scene: dict[str, Any], touches: bool) -> None:
    assert Area(area).intersects(footprint(scene)) is touches


@pytest.mark.parametrize(
    "area",
    [
        UNCUT,
        {"type": "LineString", "coordinates": [[179.5, 0], [-179.5, 1]]},
        {"type": "GeometryCollection", "geometries": [UNCUT, square(178, -17, 180, -16)]},
    ],
)
def test_an_area_over_the_antimeridian_is_cut_there(area: dict[str, Any]) -> None:
    """Which is what an API is asked for: plane geometry takes the ring for all that it is not."""
    cut = one_geometry(area)

    inside = [square(179.6, -16.9, 180, 2), square(-180, -16.9, -179.6, 2)]
    assert [shape(cut).intersects(shape(each)) for each in [*inside, square(0, -17, 1, 2)]] == [True, True, False]
    assert all(part.is_valid for part in get_parts(shape(cut)))
    assert one_geometry(cut) == cut


def test_an_area_that_ends_at_the_antimeridian_stays_as_it_is() -> None:
    assert one_geometry(square(170, 0, 180, 10)) == square(170, 0, 180, 10)
    assert one_geometry(square(-180, -90, 180, 90)) == square(-180, -90, 180, 90)


def test_an_edge_that_may_go_either_way_round_is_refused() -> None:
    """Eurasia's box, which would be taken for America and the Pacific."""
    with pytest.raises(ValueError, match=r"has an edge from longitude -10 to 180, which may go either way round"):
        one_geometry(square(-10, 35, 180, 75))
    ring = [[-10, 35], [85, 35], [180, 35], [180, 75], [85, 75], [-10, 75], [-10, 35]]
    eurasia = one_geometry({"type": "Polygon", "coordinates": [ring]})
    assert Area(eurasia).intersects(footprint(square(60, 55, 61, 56)))
    assert not Area(eurasia).intersects(footprint(square(-100, 40, -99, 41)))


def test_a_bow_tie_is_taken_for_what_it_covers() -> None:
    bow_tie = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}
    assert Area(square(1.5, 0.9, 1.8, 1.1)).intersects(footprint(bow_tie))
    assert not Area(square(0.9, 0.1, 1.1, 0.3)).intersects(footprint(bow_tie))


@pytest.mark.parametrize(
    ("item", "touches"),
    [
        (footprint(None, [8, 1, 9, 2]), False),
        (footprint(None, [8, 1, 0, 9, 2, 100]), False),
        (footprint(None, [0, 8, 1, 9]), True),
        (footprint(None), True),
        (footprint({"type": "Polygon", "coordinates": "here"}), True),
        (footprint({"type": "Polygon", "coordinates": []}, ["a"]), True),
        (footprint("POLYGON", [8, 1, 9, 2]), False),
    ],
)
def test_without_a_footprint_the_box_counts_and_without_either_the_catalogues_word(item: Any, touches: bool) -> None:
    assert Area(TRIANGLE).intersects(item) is touches


def test_a_box_over_the_antimeridian() -> None:
    assert Area(UNCUT).intersects(footprint(None, [179.9, -17, -179.9, -16]))
    assert not Area(square(0, -17, 1, -16)).intersects(footprint(None, [179.9, -17, -179.9, -16]))


def parallel(latitude: float, *, first: float = 0.0, corners: int = 8, eastward: int = 1) -> list[list[float]]:
    """A ring along a parallel, from a longitude on."""
    turned = [(first + eastward * n * 360 / corners + 180) % 360 - 180 for n in range(corners)]
    return [[x, latitude] for x in (first, *turned[1:], first)]


@pytest.mark.parametrize("eastward", [1, -1])
@pytest.mark.parametrize("first", [0, 170.2, 179.987654, -170.2, -180, 180])
def test_an_area_round_a_pole_holds_it(first: float, eastward: int) -> None:
    """Which is what an API is asked for: in the plane the ring is a line, and no scene is in it."""
    ring = parallel(80, first=first, corners=4, eastward=eastward)
    cut = shape(one_geometry({"type": "Polygon", "coordinates": [ring]}))

    assert cut.is_valid
    assert cut.bounds == pytest.approx((-180, 80, 180, 90))
    assert cut.area == pytest.approx(3600)


@pytest.mark.parametrize(
    "hole",
    [
        parallel(80),
        parallel(80, first=175),
        parallel(80, first=100, eastward=-1),
        parallel(80, first=-43, eastward=-1),
        parallel(80, first=-180),
    ],
)
def test_a_hole_round_a_pole_is_none_of_the_area(hole: list[list[float]]) -> None:
    belt = {"type": "Polygon", "coordinates": [parallel(60, first=13.7), hole]}

    assert shape(one_geometry(belt)).area == pytest.approx(20 * 360)
    for area in (Area(belt), Area(one_geometry(belt))):
        assert area.intersects(footprint(square(100, 70, 101, 71)))
        assert not area.intersects(footprint(square(100, 85, 101, 86)))


@pytest.mark.parametrize("west", [-5, 8, 175])
@pytest.mark.parametrize("first", [0, -180, 13.7])
def test_a_hole_over_the_seam_of_a_ring_round_a_pole_is_cut_out_on_both_sides(first: float, west: float) -> None:
    east = west + 10 if west < 170 else west - 350
    hole = [[west, 70], [east, 70], [east, 71], [west, 71], [west, 70]]
    cap = {"type": "Polygon", "coordinates": [parallel(60, first=first), hole]}

    assert shape(one_geometry(cap)).area == pytest.approx(30 * 360 - 10)
    assert not any(Area(cap).intersects(footprint(square(x, 70.4, x + 0.1, 70.5))) for x in (west + 1, east - 1))


@pytest.mark.parametrize("latitude", [-17, 81])
def test_the_antimeridian_has_two_names(latitude: float) -> None:
    """A ring that comes to 180 and goes on from -180 has not been to the globe's other side in between."""
    south, north = latitude, latitude + 1
    over = [[179, south], [180, south], [-180, south], [-179, south]]
    back = [[-179, north], [-180, north], [180, north], [179, north], [179, south]]
    ring = {"type": "Polygon", "coordinates": [over + back]}

    assert shape(one_geometry(ring)).area == pytest.approx(2)
    assert Area(ring).intersects(footprint(square(-179.6, south + 0.4, -179.5, south + 0.5)))
    assert not Area(ring).intersects(footprint(square(0, south + 0.4, 1, south + 0.5)))


def test_a_ring_round_a_pole_may_end_by_the_other_name_of_where_it_began() -> None:
    ring = [[-180, 80], [-90, 80], [0, 80], [90, 80], [180, 80], [-180, 80]]

    assert shape(one_geometry({"type": "Polygon", "coordinates": [ring]})).area == pytest.approx(3600)


def test_an_edge_from_one_side_to_the_other_that_makes_sense_in_the_plane_as_well_is_refused() -> None:
    triangle = {"type": "Polygon", "coordinates": [[[-180, 60], [0, 70], [180, 60], [-180, 60]]]}
    with pytest.raises(ValueError, match=r"has an edge from longitude 180 to -180, which may go either way round"):
        one_geometry(triangle)


@pytest.mark.parametrize(
    ("ring", "degrees"),
    [
        ([[-180, 60], [180, 60], [180, 70], [-180, 70], [-180, 60]], 3600),
        ([[-180, -90], [-180, -80], [0, -70], [180, -80], [180, -90], [-180, -90]], 15 * 360),  # as on maps
        ([[180, 90], [180, 80], [0, 80], [-180, 80], [-180, 90], [0, 90], [180, 90]], 3600),
        ([[170, 80], [-170, 80], [-170, 90], [170, 90], [170, 80]], 200),
        ([[0, 80], [90, 80], [180, 80], [-160, 80], [-160, 90], [0, 90], [0, 80]], 2000),
    ],
)
def test_what_is_drawn_along_the_globes_sides_and_poles_is_what_it_is_in_the_plane(
    ring: list[list[float]], degrees: float
) -> None:
    cut = one_geometry({"type": "Polygon", "coordinates": [ring]})

    assert shape(cut).area == pytest.approx(degrees)
    assert one_geometry(cut) == cut


def test_rings_round_a_pole_hold_what_they_do_on_a_polar_map() -> None:
    """Held against the rings on a map with the pole in its middle, where nothing is cut."""
    chance = random.Random(1)  # noqa: S311

    def on_map(longitude: float, latitude: float) -> tuple[float, float]:
        far, angle = 90 - abs(latitude), math.radians(longitude)
        return far * math.cos(angle), far * math.sin(angle)

    def densely(path: list[tuple[float, float]]) -> list[tuple[float, float]]:
        steps = [n / 50 for n in range(50)]
        return [(x + (u - x) * t, y + (v - y) * t) for (x, y), (u, v) in pairwise(path) for t in steps]

    for _ in range(60):
        side, way, first = chance.choice((1, -1)), chance.choice((1, -1)), chance.choice((-180, 180, 0, 77.7))
        corners = chance.randint(4, 9)
        path = [(first + way * n * 360 / corners, side * chance.uniform(55, 88)) for n in range(corners)]
        path.append((first + way * 360, path[0][1]))
        ring = [[first, path[0][1]], *([(x + 180) % 360 - 180, y] for x, y in path[1:-1]), [first, path[0][1]]]
        there = Polygon([on_map(*each) for each in densely(path)])
        areas = [{"type": "Polygon", "coordinates": [ring]}]
        areas.append(one_geometry(areas[0]))
        for _ in range(20):
            x, y = chance.uniform(-180, 180), side * chance.uniform(50, 89)
            if there.exterior.distance(place := Point(on_map(x, y))) > 0.1:
                scene = footprint(square(x, y, x + 1e-6, y + 1e-6))
                assert [Area(area).intersects(scene) for area in areas] == [there.contains(place)] * 2
                assert shape(areas[1]).contains(Point(x, y)) is there.contains(place)


@pytest.mark.parametrize("beside", [[], [{"type": "Point", "coordinates": [5, 5]}]])
def test_a_bow_tie_of_an_area_is_asked_for_as_valid_geometry(beside: list[Any]) -> None:
    bow_tie = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}
    asked = shape(one_geometry({"type": "GeometryCollection", "geometries": [bow_tie, *beside]}))

    assert asked.is_valid
    assert asked.area == pytest.approx(2)


def test_features_that_overlap_are_asked_for_as_one_valid_geometry() -> None:
    features = [{"type": "Feature", "properties": {}, "geometry": square(west, 0, west + 1, 1)} for west in (0, 0.5, 5)]

    area = shape(one_geometry({"type": "FeatureCollection", "features": features}))

    assert area.is_valid
    assert area.area == pytest.approx(2.5)
