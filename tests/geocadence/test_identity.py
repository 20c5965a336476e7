"""What makes two Items one acquisition. Ids as the catalogues have them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from geocadence.instants import parse_instant
from geocadence.plan.identity import acquisition_of, baseline_of, version


def acquisition(scene: str, at: str = "2026-11-07T11:28:45Z", **properties: Any) -> str:
    return acquisition_of({"id": scene, "properties": {"datetime": at, **properties}}, parse_instant(at))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("S2B_29SNB_20261107_0_L2A", "S2B_29SNB_20261107_1_L2A"),
        (
            "S2B_MSIL2A_20261107T112119_N0511_R037_T29SNB_20261107T134500",
            "S2B_MSIL2A_20261107T112119_N0512_R037_T29SNB_20270301T010203",
        ),
        # Planetary Computer's, which leave the baseline out
        (
            "S2A_MSIL2A_20230105T112351_R037_T29SNB_20230105T190000",
            "S2A_MSIL2A_20230105T112351_R037_T29SNB_20240911T203312",
        ),
        (
            "S2A_MSIL2A_20230105T112351_R037_T29SNB_20230105T190000",
            "S2A_MSIL2A_20230105T112351_N0509_R037_T29SNB_20230105T190000.SAFE",
        ),
        ("LC09_L2SP_203033_20261107_20261109_02_RT", "LC09_L2SP_203033_20261107_20261121_02_T1"),
        ("LC09_L2SP_203033_20261107_20261109_02_T1_SR", "LC09_L2SP_203033_20261107_20261121_02_T1_SR"),
        ("S2B_T29SNB_20261107T112119_L2A", "S2B_T29SNB_20261107T112119_L2A"),
    ],
)
def test_versions_of_one_acquisition(one: str, other: str) -> None:
    assert acquisition(one) == acquisition(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("S2B_29SNB_20261107_0_L2A", "S2B_29SNC_20261107_0_L2A"),
        ("S2B_29SNB_20261107_0_L2A", "S2C_29SNB_20261107_0_L2A"),
        ("S2B_29SNB_20261107_0_L2A", "S2B_29SNB_20261107_0_L1C"),
        (
            "S2A_MSIL2A_20230105T112351_R037_T29SNB_20230105T190000",
            "S2A_MSIL2A_20230105T112351_R037_T29SNC_20230105T190000",
        ),
        (
            "S2A_MSIL2A_20230105T112351_R037_T29SNB_20230105T190000",
            "S2A_MSIL2A_20230105T112351_R137_T29SNB_20230105T190000",
        ),
        ("LC09_L2SP_203033_20261107_20261109_02_T1", "LC08_L2SP_203033_20261107_20261109_02_T1"),
        ("LC09_L2SP_203033_20261107_20261109_02_T1_SR", "LC09_L2SP_203033_20261107_20261109_02_T1_ST"),
        ("my_scene_0", "my_scene_1"),
    ],
)
def test_different_acquisitions(one: str, other: str) -> None:
    assert acquisition(one) != acquisition(other)


def test_two_passes_over_a_tile_of_the_far_north_on_one_day_are_two() -> None:
    first = acquisition("S2B_33XWJ_20260607_0_L2A", "2026-06-07T11:28:45Z")
    second = acquisition("S2B_33XWJ_20260607_1_L2A", "2026-06-07T13:09:31Z")

    assert first != second


def test_the_datatake_tells_passes_where_the_catalogue_names_it() -> None:
    # Sensed in one pass, on either side of the half hour.
    of_pass = {"s2:datatake_id": "GS2B_20261107T112119_039764_N05.11"}
    again = {"s2:datatake_id": "GS2B_20261107T112119_039764_N05.12"}

    assert acquisition("S2B_29SNB_20261107_0_L2A", "2026-11-07T11:29:59Z", **of_pass) == acquisition(
        "S2B_29SNB_20261107_1_L2A", "2026-11-07T11:30:01Z", **again
    )


@pytest.mark.parametrize(
    ("scene", "properties", "expected"),
    [
        ("a", {"s2:processing_baseline": "05.10"}, (5, 10)),
        ("a", {"processing:version": "02.14"}, (2, 14)),
        ("a", {}, ()),
        ("LC09_L2SP_203033_20261107_20261121_02_T1", {}, (20261121,)),
        ("S2B_MSIL2A_20261107T112119_N0511_R037_T29SNB_20261107T134500", {}, (5, 11)),
        (
            "S2A_MSIL2A_20230105T112351_R037_T29SNB_20240911T203312",
            {"s2:processing_baseline": "05.10"},
            (5, 10),
        ),
        ("S2A_MSIL2A_20230105T112351_R037_T29SNB_20240911T203312", {}, (20240911, 203312)),
    ],
)
def test_versions(scene: str, properties: dict[str, Any], expected: tuple[int, ...]) -> None:
    found = version(baseline_of({"id": scene, "properties": properties}))
    assert found == expected


def test_instants_are_utc() -> None:
    assert parse_instant("2026-11-07T12:28:45+01:00") == datetime(2026, 11, 7, 11, 28, 45, tzinfo=UTC)
