"""The pages of one search of a STAC API: all of them, however they come, or a word that some are missing.

pystac-client's own paging ends at the first page without features. APIs do send such pages amid others (their
filter runs after their paging), and what lies behind one was lost without a word.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests
from pystac import Link
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from urllib3.exceptions import MaxRetryError

from geocadence.fast_json import loads

Item = dict[str, Any]

_BROKEN_ANSWERS = 4
# Pages shift while a catalogue takes scenes in, so that one may hold nothing new; so many in a row are no shift.
_PAGES_WITHOUT_NEWS = 5
# A page without any features is no repetition: an API's filter may have left out all that was on it.
_EMPTY_PAGES = 100


class Stalled(ValueError):
    """The pages go on without end and without anything new."""


class NoPage(ValueError):
    """The answer is no page, whatever its status says: some APIs tell of their errors with HTTP 200."""


class Pages:
    """One search. Iterating gives the features of page after page; the attributes say how it went so far."""

    def __init__(self, io: PatientIO, url: str, body: dict[str, Any]) -> None:
        self._io, self._url, self._body = io, url, body
        self.matched: int | None = None  # how many the API says there are
        self.count = 0  # pages read
        self.seen: set[str] = set()  # identities of what came
        self.given = 0  # features, as often as they came

    def __iter__(self) -> Iterator[list[Item]]:
        """Raises Stalled, NoPage, and whatever `StacApiIO` raises for a page that can't be had."""
        asked: set[bytes] = set()
        without_news = empty = 0
        page = self._io.read_page(self._url, method="POST", parameters=self._body)
        self.matched = _matched(page)
        while True:
            features = page["features"]
            self.count += 1
            identities = {identity(feature) for feature in features}
            link = _next(page)
            # The link holds the search's body, with an area of any size.
            following = hashlib.sha256(json.dumps(link, sort_keys=True).encode()).digest() if link is not None else None
            is_news = not identities <= self.seen
            without_news = 0 if is_news else without_news + bool(features)
            empty = 0 if features else empty + 1
            # An empty page is no circle by itself, but one that asks for the same page again is.
            circles = following in asked or without_news == _PAGES_WITHOUT_NEWS
            if not is_news and following is not None and circles:
                raise Stalled("its pages repeat themselves without end")
            if following is not None and empty == _EMPTY_PAGES:
                raise Stalled(f"{empty} of its pages in a row hold nothing, and there is always another")
            self.seen |= identities
            self.given += len(features)
            yield features
            if following is None:
                return
            asked.add(following)
            page = self._io.read_page(Link.from_dict(link), parameters=self._body)


def identity(feature: Item) -> str:
    """What makes a listed Item this one: its id and version; the whole Item where its id can be none."""
    scene, properties = feature.get("id"), feature.get("properties")
    if not isinstance(scene, str) or not isinstance(properties, dict):
        return json.dumps(feature, sort_keys=True)
    version = [properties.get(name) for name in ("updated", "created", "s2:processing_baseline", "processing:version")]
    return json.dumps([scene, *version], default=str)


def _next(page: dict[str, Any]) -> dict[str, Any] | None:
    """The link to the next page, if any; a page may have no links, or `null` in their place."""
    links = page.get("links")
    there = (link for link in links if isinstance(link, dict)) if isinstance(links, list) else ()
    link = next((link for link in there if link.get("rel") == "next"), None)
    if link is not None and not isinstance(link.get("href"), str):
        raise NoPage(f"a page whose link to the next one has no href: {json.dumps(link)[:200]}")
    return link


def _matched(page: dict[str, Any]) -> int | None:
    """`numberMatched` of OGC API – Features, or `context.matched` of STAC's former Context extension."""
    context = page.get("context")
    for number in (page.get("numberMatched"), context.get("matched") if isinstance(context, dict) else None):
        if isinstance(number, int) and not isinstance(number, bool) and number >= 0:
            return number
    return None


class PatientIO(StacApiIO):
    """Asks again when an answer breaks off; refusals and 5xx are the session's retries' business."""

    def __init__(self, *, sleep: Callable[[float], None] = time.sleep, **settings: Any) -> None:
        super().__init__(**settings)
        self._sleep = sleep

    def read_json(self, source: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return self._patiently(lambda: super(PatientIO, self).read_json(source, *args, **kwargs))

    def json_loads(self, txt: str, *_: Any, **__: Any) -> dict[str, Any]:
        return loads(txt)

    def read_page(self, source: Any, **kwargs: Any) -> dict[str, Any]:
        """The same of a page of a search; NoPage where the answer stays another."""

        def read() -> dict[str, Any]:
            try:
                return _page(super(PatientIO, self).read_json(source, **kwargs))
            except json.JSONDecodeError as error:
                raise NoPage(f"a page that is no JSON: {error}") from error

        return self._patiently(read)

    def _patiently(self, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        for attempt in range(_BROKEN_ANSWERS):
            try:
                return read()
            except (APIError, ValueError) as error:
                if attempt == _BROKEN_ANSWERS - 1 or not _is_broken_off(error):
                    raise
                self._sleep(2.0**attempt)
        raise AssertionError("unreachable")


def _page(answer: Any) -> dict[str, Any]:
    features = answer.get("features") if isinstance(answer, dict) else None
    if not isinstance(features, list) or not all(isinstance(feature, dict) for feature in features):
        raise NoPage(f"a page without a list of `features`: {json.dumps(answer)[:200]}")
    return answer


def _is_broken_off(error: Exception) -> bool:
    """Whether the answer began and broke off, as against a status or retries that ran out."""
    if getattr(error, "status_code", None) is not None:
        return False
    origin = error.__context__  # pystac-client keeps nothing but the text
    return not (isinstance(origin, requests.RequestException) and isinstance(origin.args[0], MaxRetryError))
