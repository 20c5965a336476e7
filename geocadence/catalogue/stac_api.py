"""Scenes of a STAC API: search, all pages, patiently."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import requests
from pystac_client import Client, ItemSearch
from pystac_client.conformance import ConformanceClasses
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from urllib3.exceptions import MaxRetryError
from urllib3.util.retry import Retry

from geocadence.catalogue.http import TIMEOUT, CatalogueRefused, CatalogueUnavailable, retries
from geocadence.catalogue.query import matches
from geocadence.execution_input import Window
from geocadence.instants import format_instant

Item = dict[str, Any]

# Items of Sentinel-2 have about 20 KB, and many APIs answer through a Lambda, with 6 MB at most.
PAGE_SIZE = 100
_BROKEN_ANSWERS = 4
# Pages shift while a catalogue takes scenes in, so that one may hold nothing new; so many in a row are no shift.
_PAGES_WITHOUT_NEWS = 5


def search_stac_api(
    source: dict[str, Any],
    *,
    window: Window,
    scenes: Sequence[str] | None = None,
    retry: Retry | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Item]:
    """The Items that `source.stac` of a resolved definition finds in `window`, as the API gives them.

    `scenes` are asked for by id: then the property filter does not apply, and the window only where
    its start was given, as whoever names a scene wants that scene.

    Raises CatalogueRefused where the API says no, CatalogueUnavailable where it fails for good.
    """
    api = source["api"]
    io = _PatientIO(timeout=TIMEOUT, max_retries=retry or retries(), sleep=sleep)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on APIs that leave parts of the standard out
            client = Client.open(api, stac_io=io)
            if scenes is None:
                return _search_window(client, source, window)
            return _search_ids(client, source, scenes, window if window.is_given else None)
    except APIError as error:
        status = getattr(error, "status_code", None)
        if status is not None and 400 <= status < 500 and status != 429:
            raise CatalogueRefused(
                f"{api} refused the search with HTTP {status}: {_brief(error)} "
                "(are source.stac.api, collection, area and query right?)"
            ) from error
        answer = f"HTTP {status}" if status is not None else "no answer"
        raise CatalogueUnavailable(f"{api} gave {answer}, again and again: {_brief(error)}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CatalogueUnavailable(f"{api} answered with something that is no STAC: {_brief(error)}") from error
    except NotImplementedError as error:
        raise CatalogueRefused(f"{api} offers no item search: {_brief(error)}") from error


def _search_window(client: Client, source: dict[str, Any], window: Window) -> list[Item]:
    query = source.get("query") or None
    # An API without the query extension would ignore the filter, or answer with nothing.
    asks_api = query is not None and client.conforms_to(ConformanceClasses.QUERY)
    start = format_instant(window.start) if window.start else ".."
    search = client.search(
        method="POST",
        collections=[source["collection"]],
        intersects=source["geometry"],
        datetime=f"{start}/{format_instant(window.end)}",
        query=query if asks_api else None,
        limit=PAGE_SIZE,
    )
    items = list(_items(search))
    return items if query is None or asks_api else [item for item in items if matches(item, query)]


def _search_ids(client: Client, source: dict[str, Any], scenes: Sequence[str], window: Window | None) -> list[Item]:
    items: list[Item] = []
    for n in range(0, len(scenes), PAGE_SIZE):
        start = format_instant(window.start) if window and window.start else ".."
        search = client.search(
            method="POST",
            collections=[source["collection"]],
            ids=list(scenes[n : n + PAGE_SIZE]),
            intersects=source["geometry"],
            datetime=f"{start}/{format_instant(window.end)}" if window else None,
            limit=PAGE_SIZE,
        )
        items.extend(_items(search))
    return items


def _items(search: ItemSearch) -> Iterator[Item]:
    """The Items of all pages; ValueError where the pages lead in a circle."""
    seen: set[str] = set()
    asked: set[str] = set()
    without_news = 0
    for page in search.pages_as_dicts():
        features = page["features"]
        identities = {_identity(feature) for feature in features}
        following = _following(page)
        without_news = without_news + 1 if identities <= seen else 0
        if without_news and (following in asked or without_news == _PAGES_WITHOUT_NEWS):
            raise ValueError("its pages repeat themselves without end")
        seen |= identities
        if following is not None:
            asked.add(following)
        yield from features


def _identity(feature: Item) -> str:
    """The id; the whole Item where it has none that can be one, which is for `decisions` to reject."""
    scene = feature.get("id")
    return scene if isinstance(scene, str) else json.dumps(feature, sort_keys=True)


def _following(page: dict[str, Any]) -> str | None:
    """The request for the next page."""
    link = next((link for link in page.get("links", []) if link["rel"] == "next"), None)
    return json.dumps(link, sort_keys=True) if link is not None else None


class _PatientIO(StacApiIO):
    """Asks again when an answer breaks off; refusals and 5xx are the session's retries' business."""

    def __init__(self, *, sleep: Callable[[float], None], **settings: Any) -> None:
        super().__init__(**settings)
        self._sleep = sleep

    def read_json(self, source: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        for attempt in range(_BROKEN_ANSWERS):
            try:
                return super().read_json(source, *args, **kwargs)
            except (APIError, ValueError) as error:
                if attempt == _BROKEN_ANSWERS - 1 or not _is_broken_off(error):
                    raise
                self._sleep(2.0**attempt)
        raise AssertionError("unreachable")


def _is_broken_off(error: Exception) -> bool:
    """Whether the answer began and broke off, as against a status or retries that ran out."""
    if getattr(error, "status_code", None) is not None:
        return False
    origin = error.__context__  # pystac-client keeps nothing but the text
    return not (isinstance(origin, requests.RequestException) and isinstance(origin.args[0], MaxRetryError))


def _brief(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "…"
