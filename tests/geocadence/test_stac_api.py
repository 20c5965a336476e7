"""Discovery over real HTTP: an API that answers, and ones that misbehave."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from geocadence.catalogue.http import CatalogueRefused, CatalogueUnavailable, retries
from geocadence.catalogue.query import matches
from geocadence.catalogue.stac_api import search_stac_api
from geocadence.definition.area import one_geometry
from geocadence.execution_input import Window
from tests.geocadence.conftest import ROOT, free_port, serving
from tests.geocadence.misbehaving_api import CORE, QUERY, SEARCH, Answer, Api, misbehaving, page
from tests.geocadence.scenes import AREA, item, scene_id, stac_source

WINDOW = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC))


def search(api: Api | str, **changes: Any) -> list[str]:
    url = api if isinstance(api, str) else api.url
    scenes = changes.pop("scenes", None)
    window = changes.pop("window", WINDOW)
    found = search_stac_api(
        stac_source(url, **changes),
        window=window,
        scenes=scenes,
        retry=retries(total=4, backoff_seconds=0.01),
        sleep=lambda seconds: None,
    )
    return [each["id"] for each in found]


def test_a_real_api_gives_the_scenes_over_the_area_within_the_window(stac_api: str) -> None:
    window = Window(datetime(2026, 11, 3, tzinfo=UTC), datetime(2026, 11, 5, tzinfo=UTC))

    assert sorted(search(stac_api, window=window)) == [scene_id(2), scene_id(3)]


def test_a_catalogue_without_a_search_is_told_so() -> None:
    with misbehaving(has_search=False) as api, pytest.raises(CatalogueRefused, match="offers no item search"):
        search(api)


def test_a_real_api_gives_the_scenes_on_both_sides_of_the_antimeridian(tmp_path: Path) -> None:
    def tile(n: int, west: float) -> dict[str, Any]:
        ring = [[west, -17.2], [west + 0.2, -17.2], [west + 0.2, -16], [west, -16], [west, -17.2]]
        return item(n, geometry={"type": "Polygon", "coordinates": [ring]}, bbox=[west, -17.2, west + 0.2, -16])

    file, port = tmp_path / "items.json", free_port()
    features = [tile(1, 179.75), tile(2, -179.95), tile(3, 20)]
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    command = [str(ROOT / ".venv/bin/rustac"), "serve", str(file), "--addr", f"127.0.0.1:{port}"]
    ring = [[179.7, -17], [-179.8, -17], [-179.8, -16.6], [179.7, -16.6], [179.7, -17]]
    area = one_geometry({"type": "Polygon", "coordinates": [ring]})  # as a definition's file is read
    with serving([*command, "--create-collections"], url=f"http://127.0.0.1:{port}", log=tmp_path / "log") as api:
        assert sorted(search(api, geometry=area)) == [scene_id(1), scene_id(2)]


def test_the_search_says_collection_area_window_and_filter() -> None:
    with misbehaving(page([item(0)]), conforms_to=(CORE, SEARCH, QUERY)) as api:
        search(api, query={"platform": {"eq": "sentinel-2b"}, "eo:cloud_cover": {"lt": 60, "neq": 0}})

    assert api.searches == [
        {
            "collections": ["sentinel-2-c1-l2a"],
            "datetime": "2026-11-01T00:00:00Z/2026-11-22T00:00:00Z",
            "intersects": AREA,
            "limit": 100,
            # Thresholds are not asked for: scenes beyond them are rejected with the reason.
            "query": {"platform": {"eq": "sentinel-2b"}, "eo:cloud_cover": {"neq": 0}},
        }
    ]


def test_named_scenes_are_asked_for_by_id() -> None:
    with misbehaving(page([item(0)]), conforms_to=(CORE, SEARCH, QUERY)) as api:
        search(api, scenes=[scene_id(0)], query={"eo:cloud_cover": {"lt": 60}})

    assert api.searches == [
        {"collections": ["sentinel-2-c1-l2a"], "ids": [scene_id(0)], "intersects": AREA, "limit": 100}
    ]


def by_id(**habits: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """An API of four scenes, answering a search by ids: `gives` at most, `counted` whatever it gives."""

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        there = [item(n) for n in range(4) if scene_id(n) in body["ids"]]
        given = there[: habits.get("gives")]
        count = {"numberMatched": len(there)} if habits.get("counts", True) else {}
        return {"type": "FeatureCollection", "features": given, "links": [], **count}

    return answer


@pytest.mark.parametrize("counts", [True, False])
def test_named_scenes_are_all_had_from_an_api_that_gives_two_at_once(counts: bool) -> None:
    with misbehaving(answering=by_id(gives=2, counts=counts)) as api:
        assert sorted(search(api, scenes=[scene_id(n) for n in range(4)])) == [scene_id(n) for n in range(4)]


def test_a_named_scene_that_is_counted_and_never_given_is_told() -> None:
    with (
        misbehaving(Answer({"features": [item(0), item(1)], "links": [], "numberMatched": 4})) as api,
        pytest.raises(CatalogueUnavailable) as trouble,
    ):
        search(api, scenes=[scene_id(n) for n in range(4)])

    assert str(trouble.value) == (
        f"{api.url} says that 4 scenes match of those asked for by id, and gave 2 ({scene_id(0)})"
    )


def test_a_named_scene_that_is_gone_is_not_asked_for_for_ever() -> None:
    with misbehaving(answering=by_id()) as api:
        assert search(api, scenes=[scene_id(0), scene_id(9)]) == [scene_id(0)]

    assert [body["ids"] for body in api.searches] == [[scene_id(0), scene_id(9)], [scene_id(9)]]


def test_what_lies_outside_of_the_window_is_left_out_whatever_the_api_was_asked() -> None:
    old = item(0, id="S2B_OLD", properties={"datetime": "2019-01-01T00:00:00Z"})
    span = {"datetime": None, "start_datetime": "2026-10-15T00:00:00Z", "end_datetime": "2026-11-15T00:00:00Z"}
    ended = span | {"end_datetime": "2026-10-31T00:00:00Z"}
    reaching = [item(1, id="REACHING", properties=span), item(1, id="ENDED", properties=ended)]
    undated = item(2, id="UNDATED", properties={"datetime": "soon"})
    with misbehaving(page([item(0), old, *reaching, undated])) as api:
        # What says no time is the plan's to reject.
        assert search(api) == [scene_id(0), "REACHING", "UNDATED"]


def test_all_pages_are_read() -> None:
    pages = [page([item(n)], next_body={"token": str(n)}) for n in range(3)]
    with misbehaving(*pages, page([item(3)])) as api:
        assert search(api) == [scene_id(n) for n in range(4)]

    assert [body.get("token") for body in api.searches] == [None, "0", "1", "2"]


@pytest.mark.parametrize(
    "trouble",
    [
        Answer({}, status=429, headers={"Retry-After": "0"}),
        Answer({}, status=500),
        Answer({}, status=503),
        Answer({}, hang_up=True),
        Answer({"features": [1, 2, 3]}, cut=True),
        Answer(b'{"features": [', status=200),
    ],
    ids=["429", "500", "503", "hangs up", "cut off", "half a page"],
)
def test_a_passing_trouble_is_waited_out(trouble: Answer) -> None:
    with misbehaving(page([item(0)], next_body={"token": "1"}), trouble, trouble, page([item(1)])) as api:
        assert search(api) == [scene_id(0), scene_id(1)]

    assert len(api.searches) == 4


def test_a_lasting_trouble_is_told_as_the_catalogues() -> None:
    with misbehaving(Answer({"detail": "no"}, status=503)) as api, pytest.raises(CatalogueUnavailable) as trouble:
        search(api)

    assert str(trouble.value).startswith(f"{api.url} gave HTTP 503, again and again: ")
    assert len(api.searches) == 5


def test_an_api_that_is_not_there_is_told_as_such() -> None:
    with pytest.raises(CatalogueUnavailable, match=r"http://127\.0\.0\.1:9 gave no answer, again and again"):
        search("http://127.0.0.1:9")


def test_an_api_that_is_not_there_is_not_waited_for_twice() -> None:
    waits: list[float] = []

    with pytest.raises(CatalogueUnavailable):
        items = search_stac_api(
            stac_source("http://127.0.0.1:9"),
            window=WINDOW,
            retry=retries(total=1, backoff_seconds=0.01),
            sleep=waits.append,
        )
        list(items)

    assert waits == []


def test_a_refusal_is_not_asked_again() -> None:
    with misbehaving(Answer({"detail": "bad query"}, status=400)) as api, pytest.raises(CatalogueRefused) as refusal:
        search(api)

    assert str(refusal.value).startswith(f"{api.url} refused the search with HTTP 400: ")
    assert "bad query" in str(refusal.value)
    assert len(api.searches) == 1


def test_pages_without_end_are_left() -> None:
    with (
        misbehaving(page([item(0)], next_body={"token": "same"})) as api,
        pytest.raises(CatalogueUnavailable, match="its pages repeat themselves without end"),
    ):
        search(api)


def test_pages_in_a_circle_are_left() -> None:
    circle = [page([item(n % 2)], next_body={"token": str(n % 2)}) for n in range(4)]
    with misbehaving(*circle) as api, pytest.raises(CatalogueUnavailable, match="repeat themselves"):
        search(api)

    assert len(api.searches) == 3


def test_pages_without_end_are_left_though_each_asks_for_another() -> None:
    pages = [page([item(0)], next_body={"token": str(n)}) for n in range(50)]
    with misbehaving(*pages) as api, pytest.raises(CatalogueUnavailable, match="repeat themselves"):
        search(api)

    assert len(api.searches) == 6


def test_a_page_of_known_scenes_alone_ends_nothing() -> None:
    shifted = page([item(0), item(1), item(2)], next_body={"token": "1"}), page([item(1)], next_body={"token": "2"})
    with misbehaving(*shifted, page([item(3)])) as api:
        assert search(api) == [scene_id(n) for n in (0, 1, 2, 3)]


def test_an_id_that_can_be_none_is_passed_on() -> None:
    with misbehaving(page([item(0, id=["a"]), item(1)], next_body={"token": "1"}), page([item(2)])) as api:
        assert search(api) == [["a"], scene_id(1), scene_id(2)]


ERROR_IN_A_200 = Answer({"code": "InternalServerError", "description": "timed out"})


def test_an_error_with_the_status_of_a_page_is_waited_out() -> None:
    with misbehaving(page([item(0)], next_body={"token": "1"}), ERROR_IN_A_200, page([item(1)])) as api:
        assert search(api) == [scene_id(0), scene_id(1)]

    assert [body.get("token") for body in api.searches] == [None, "1", "1"]


def test_an_error_with_the_status_of_a_page_that_stays_is_gone_round() -> None:
    first = page([item(0)], next_body={"token": "1"})
    halves = page([item(0)]), page([item(1)])
    with misbehaving(first, *[ERROR_IN_A_200] * 4, *halves) as api:
        assert search(api) == [scene_id(0), scene_id(1)]


def test_an_error_in_the_place_of_all_pages_is_told() -> None:
    with misbehaving(ERROR_IN_A_200) as api, pytest.raises(CatalogueUnavailable, match="InternalServerError"):
        search(api)


def test_many_empty_pages_in_a_row_are_no_circle() -> None:
    empty = [page([], next_body={"token": str(n)}) for n in range(20)]
    with misbehaving(page([item(0)], next_body={"token": "first"}), *empty, page([item(1)])) as api:
        assert search(api) == [scene_id(0), scene_id(1)]


def test_empty_pages_without_end_are_told_as_these() -> None:
    def endless(body: dict[str, Any]) -> dict[str, Any]:
        n = body.get("token", 0) + 1
        link = {"rel": "next", "href": f"{api.url}/search", "method": "POST", "merge": True, "body": {"token": n}}
        return {"type": "FeatureCollection", "features": [], "links": [link]}

    with (
        misbehaving(answering=endless) as api,
        pytest.raises(CatalogueUnavailable, match="100 of its pages in a row hold no"),
    ):
        search(api)


def test_what_is_no_stac_is_told_as_such() -> None:
    with misbehaving(Answer({"features": 3})) as api, pytest.raises(CatalogueUnavailable, match="no STAC"):
        search(api)


@pytest.mark.parametrize(
    ("query", "passes"),
    [
        ({"eo:cloud_cover": {"lt": 60}}, True),
        ({"eo:cloud_cover": {"gte": 0, "lte": 9}}, False),
        ({"platform": {"eq": "sentinel-2b"}}, True),
        ({"platform": {"in": ["sentinel-2a"]}}, False),
        ({"platform": {"startsWith": "sentinel"}}, True),
        ({"platform": {"contains": "-2b"}}, True),
        ({"nothing": {"lt": 60}}, False),
        ({"nothing": {"neq": 60}}, True),
        ({"platform": {"lt": 60}}, False),
    ],
)
def test_a_query_is_evaluated_here_as_an_api_would(query: dict[str, Any], passes: bool) -> None:
    assert matches(item(2), query) is passes
