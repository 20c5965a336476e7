"""Catalogues with many scenes: nothing is lost, or it is said."""

from __future__ import annotations

import threading
import tracemalloc
from datetime import timedelta
from typing import Any

import pytest

from benchmarks.large_api import FIRST, LargeApi, scene_id, serving_many
from geocadence.catalogue import stac_api
from geocadence.catalogue.http import CatalogueRefused, CatalogueUnavailable, retries
from geocadence.catalogue.paging import Pages
from geocadence.catalogue.stac_api import search_stac_api
from geocadence.execution_input import Window
from tests.geocadence.misbehaving_api import Answer, misbehaving, page
from tests.geocadence.scenes import item, stac_source

WINDOW = Window(FIRST, FIRST + timedelta(days=365))


def found(api: LargeApi, window: Window = WINDOW) -> list[str]:
    items = search_stac_api(
        stac_source(api.url),
        window=window,
        retry=retries(total=1, backoff_seconds=0.001),
        sleep=lambda seconds: None,
    )
    return [each["id"] for each in items]


def everything(api: LargeApi) -> list[str]:
    return [scene_id(n) for n in range(api.scenes)]


def test_an_empty_page_amid_others_does_not_end_the_search() -> None:
    with serving_many(LargeApi(950, empty_every=3, says_matched=False)) as api:
        assert found(api) == everything(api)


def test_a_page_that_asks_for_itself_again_is_told() -> None:
    empty = page([], next_body={"token": "1"})
    with misbehaving(page([item(0)], next_body={"token": "1"}), empty) as api:
        items = search_stac_api(stac_source(api.url), window=WINDOW, sleep=lambda seconds: None)
        with pytest.raises(CatalogueUnavailable, match="its pages repeat themselves without end"):
            list(items)


def test_more_scenes_than_an_api_pages_through_are_searched_in_shorter_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stac_api, "SPLIT_FROM", 1000)
    with serving_many(LargeApi(3300, pages_until=1000)) as api:
        assert sorted(found(api)) == everything(api)

    assert len({search["datetime"] for search in api.searches}) < 40


def within_days(days: float, scenes: int, **habits: Any) -> LargeApi:
    """So many scenes in a small part of the window, so that cutting it once leaves them together."""
    return LargeApi(scenes, step=timedelta(days=days) / scenes, **habits)


def test_an_api_that_counts_no_further_than_it_pages_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # As Elasticsearch by itself does at 10,000.
    monkeypatch.setattr(stac_api, "SPLIT_FROM", 500)
    with serving_many(within_days(20, 700, counts_until=500, ends_after=500)) as api:
        assert sorted(found(api)) == everything(api)


@pytest.mark.parametrize("limit", [1000, 2000])
def test_an_api_without_a_count_loses_nothing_behind_a_limit_of_its_own(limit: int) -> None:
    with serving_many(within_days(20, limit + 200, says_matched=False, ends_after=limit)) as api:
        assert sorted(found(api)) == everything(api)


def test_an_api_that_counts_to_a_limit_of_its_own_is_asked_for_less() -> None:
    with serving_many(within_days(20, 1200, counts_until=1000, ends_after=1000)) as api:
        assert sorted(found(api)) == everything(api)


@pytest.mark.parametrize("largest", [None, 50, 10])
def test_an_api_that_gives_one_page_and_counts_nothing_loses_nothing(largest: int | None) -> None:
    with serving_many(LargeApi(123, says_matched=False, does_page=False, gives_at_once=largest)) as api:
        assert sorted(found(api)) == everything(api)


def test_an_api_that_gives_one_page_and_counts_that_loses_nothing() -> None:
    with serving_many(LargeApi(123, counts_until=100, does_page=False)) as api:
        assert sorted(found(api)) == everything(api)


@pytest.mark.parametrize(
    ("habits", "told"),
    [
        ({"counts_until": 1000, "ends_after": 1000}, "gave 1000 scenes from .* which may be a limit of its own"),
        ({"says_matched": False, "ends_after": 1000}, "gave 1000 scenes from .* which may be a limit of its own"),
        ({"says_matched": False, "does_page": False}, "gave 100 scenes from .* so that there may be more"),
    ],
)
def test_what_may_be_cut_off_in_the_shortest_window_is_told(habits: dict[str, Any], told: str) -> None:
    crowd = LargeApi(1500, step=timedelta(milliseconds=1), **habits)
    with serving_many(crowd) as api, pytest.raises(CatalogueUnavailable, match=told):
        found(api, Window(FIRST, FIRST + timedelta(minutes=3)))


@pytest.mark.parametrize("scenes", [50, 100])
def test_a_round_number_of_an_api_that_pages_is_believed_after_one_more_look(scenes: int) -> None:
    with serving_many(LargeApi(scenes, says_matched=False)) as api:
        assert found(api) == everything(api)

    assert [search["limit"] for search in api.searches] == [100, scenes // 2, scenes // 2][: len(api.searches)]
    assert len(api.searches) <= 3


def test_a_stall_that_no_count_foretold_is_searched_in_shorter_windows() -> None:
    with serving_many(LargeApi(2300, pages_until=1200, says_matched=False)) as api:
        assert sorted(found(api)) == everything(api)


def test_a_page_that_dies_is_gone_round() -> None:
    with serving_many(LargeApi(1500, dies_after=700)) as api:
        assert sorted(found(api)) == everything(api)


@pytest.mark.parametrize(
    "page",
    [b"<html>busy</html>", b"\xff", {"features": [], "links": [{"rel": "next"}]}, {"features": [], "links": None}],
)
def test_a_page_that_is_none_is_gone_round_too(page: Any) -> None:
    large = LargeApi(1500, dies_after=700)

    def answer(body: dict[str, Any]) -> Any:
        found = large.answer(body)
        return page if found == 500 else found

    with misbehaving(answering=answer) as api:
        large.url = api.url
        assert sorted(found(large)) == everything(large)


def test_a_page_may_have_null_for_its_links() -> None:
    with misbehaving(Answer({"features": [item(0)], "links": None})) as api:
        assert list(search_stac_api(stac_source(api.url), window=WINDOW)) == [item(0)]


def test_scenes_of_one_instant_are_all_there_where_they_are_as_many_as_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stac_api, "SPLIT_FROM", 1000)
    with serving_many(LargeApi(1230, step=timedelta(microseconds=1))) as api:
        assert sorted(found(api)) == everything(api)


def test_each_scene_comes_once_though_windows_share_an_instant() -> None:
    # The middle of the year is a scene's very time.
    with serving_many(LargeApi(365 * 4 + 1, step=timedelta(hours=6), dies_after=800)) as api:
        assert sorted(found(api)) == everything(api)


def test_a_catalogue_that_gives_half_of_what_it_counts_is_told() -> None:
    with serving_many(LargeApi(900, gives=0.5)) as api, pytest.raises(CatalogueUnavailable) as trouble:
        found(api)

    assert str(trouble.value).startswith(f"{api.url} says that 1 scenes match from 2026-01-0")
    assert str(trouble.value).endswith(", and gave 0")
    assert len(api.searches) < 120


def test_an_item_that_is_listed_and_counted_twice_is_none_too_few() -> None:
    listed = [item(0), item(1), item(1)]
    with misbehaving(Answer({"features": listed, "links": [], "numberMatched": 3})) as api:
        items = list(search_stac_api(stac_source(api.url), window=WINDOW))

    assert items == listed[:2]
    assert len(api.searches) == 1


def test_a_catalogue_that_counts_nonsense_is_not_asked_for_ever() -> None:
    with misbehaving(Answer({"features": [], "links": [], "numberMatched": 10**6})) as api:
        items = search_stac_api(stac_source(api.url), window=WINDOW, sleep=lambda seconds: None)
        with pytest.raises(CatalogueUnavailable, match="says that 1000000 scenes match"):
            list(items)

    assert len(api.searches) < 40


def test_a_search_that_takes_too_long_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stac_api, "TIMEOUT", (1, 0.3))
    with serving_many(LargeApi(3, slow_once=1.0)) as api:
        assert found(api) == everything(api)

    assert len(api.searches) == 2


def test_pystac_clients_own_paging_stops_at_an_empty_page() -> None:
    """Why there is a paging of ours; when this fails, it may go."""
    from pystac_client import Client

    with serving_many(LargeApi(950, empty_every=3, says_matched=False)) as api:
        client = Client.open(api.url)
        client.add_conforms_to("ITEM_SEARCH")
        search = client.search(method="POST", datetime="2026-01-01T00:00:00Z/2027-01-01T00:00:00Z", limit=100)
        assert len(list(search.items_as_dicts())) == 200


@pytest.mark.parametrize("status", [401, 403])
def test_a_page_that_is_forbidden_is_a_refusal(status: int) -> None:
    first = page([item(n) for n in range(3)], next_body={"token": "1"})
    with misbehaving(first, Answer({"detail": "no"}, status=status)) as api, pytest.raises(CatalogueRefused):
        list(search_stac_api(stac_source(api.url), window=WINDOW, sleep=lambda seconds: None))

    assert len(api.searches) == 2


def test_a_long_search_asks_for_parts_of_its_window_at_the_same_time() -> None:
    with serving_many(LargeApi(4000, step=timedelta(days=365) / 4000, slow=0.05)) as api:
        assert sorted(found(api)) == everything(api)

    assert api.most_at_once == stac_api.PARTS_AT_ONCE
    assert {search["limit"] for search in api.searches} == {stac_api.PAGE_SIZE, 500}  # these Items are small
    assert len(api.searches) <= 10 + 2 * stac_api.PARTS


def test_pages_of_a_long_search_are_as_large_as_before_where_items_are_large() -> None:
    with serving_many(LargeApi(1200, step=timedelta(days=365) / 1200, is_full=True)) as api:
        assert sorted(found(api)) == everything(api)

    assert {search["limit"] for search in api.searches} == {stac_api.PAGE_SIZE}


def test_a_short_search_asks_for_one_page_after_the_other_and_none_twice() -> None:
    with serving_many(LargeApi(900, step=timedelta(days=365) / 900, slow=0.01)) as api:
        assert sorted(found(api)) == everything(api)

    assert (api.most_at_once, len(api.searches)) == (1, 9)


def test_whoever_stops_reading_a_long_search_stops_it() -> None:
    with serving_many(LargeApi(8000, step=timedelta(days=365) / 8000)) as api:
        items = search_stac_api(stac_source(api.url), window=WINDOW)
        for _ in range(1200):
            next(items)
        items.close()

        asked = len(api.searches)
        assert asked < 40
        assert not [thread for thread in threading.enumerate() if "ThreadPoolExecutor" in thread.name]


def test_trouble_in_a_part_of_a_long_search_is_the_searchs() -> None:
    dying = LargeApi(4000, step=timedelta(days=365) / 4000, dies_at=3000)
    with serving_many(dying) as api, pytest.raises(CatalogueUnavailable, match="again and again"):
        found(api)


def test_an_api_that_takes_no_large_pages_is_asked_for_usual_ones() -> None:
    with serving_many(LargeApi(4000, step=timedelta(days=365) / 4000, largest_limit=100)) as api:
        assert sorted(found(api)) == everything(api)


def test_pages_that_carry_a_large_area_on_are_not_all_held() -> None:
    class Endless:
        count = 0

        def read_page(self, *_: Any, **__: Any) -> dict[str, Any]:
            self.count += 1
            following = {"token": self.count, "intersects": "x" * 1_000_000}
            link = {"rel": "next", "href": "https://x", "method": "POST", "body": following}
            return {"features": [item(self.count)], "links": [link] if self.count < 30 else []}

    tracemalloc.start()
    try:
        assert len(list(Pages(Endless(), "https://x", {}))) == 30
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
