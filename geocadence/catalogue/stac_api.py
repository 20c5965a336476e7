"""Scenes of a STAC API: search, all pages, patiently, and none lost without a word.

A window with more scenes than APIs page through well is searched in halves, and so is one whose pages die, stall,
hold fewer scenes than the API itself has counted, or end where an API's own limit may be. What is still missing in the
shortest window is an error. Where there are many pages, parts of the window are searched at the same time: each page
waits for the one before it only.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import Any

from pystac_client import Client
from pystac_client.conformance import ConformanceClasses
from pystac_client.exceptions import APIError
from urllib3.util.retry import Retry

from geocadence.catalogue.cql2 import Filter
from geocadence.catalogue.http import TIMEOUT, CatalogueRefused, CatalogueUnavailable, retries
from geocadence.catalogue.paging import Item, NoPage, Pages, PatientIO, Stalled, identity
from geocadence.catalogue.query import split
from geocadence.catalogue.selection import Selection
from geocadence.catalogue.side_by_side import side_by_side
from geocadence.execution_input import Window
from geocadence.instants import format_instant, parse_instant
from geocadence.long_json import compact

# Items of Sentinel-2 have about 20 KB, and many APIs answer through a Lambda, with 6 MB at most.
PAGE_SIZE = 100
# Elasticsearch counts so many results (track_total_hits) and pages through so many (index.max_result_window) where it
# is not told otherwise, and APIs on top of it stall there, or end as if that were all.
SPLIT_FROM = 10_000
# Where an API gives so many scenes, or a multiple, and no more, that may be a limit of its own rather than all; and so
# may a single page of a multiple of so few, where the API counts no more and has not been seen to page at all.
_ROUND, _ROUND_PAGE = 1000, 10
# A stall before this many scenes is no matter of how many there are.
_MANY = 10 * PAGE_SIZE
SHORTEST_WINDOW = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
# After so many pages a search is a long one, and goes on in parts of its window, some at the same time, by pages of as
# many Items as make a good 2 MB (the standard has an API give fewer where it does not want to give so many).
_LONG = 10
_PAGE_BYTES, _LARGEST_PAGE = 2 << 20, 500
PARTS, PARTS_AT_ONCE = 16, 4


def search_stac_api(
    source: dict[str, Any],
    *,
    window: Window,
    scenes: Sequence[str] | None = None,
    retry: Retry | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Item]:
    """The Items that `source.stac` of a resolved definition finds in `window`, as the API gives them, one by one.

    Each listed Item comes once, whatever pages repeat it. `scenes` are asked for by id: then the filters do not
    apply, and the window only where its start was given, as whoever names a scene wants that scene.

    Raises CatalogueRefused where the API says no, CatalogueUnavailable where it fails for good or says that there
    are more scenes than it gives.
    """
    api = source["api"]
    io = PatientIO(timeout=TIMEOUT, max_retries=retry or retries(), sleep=sleep)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on APIs that leave parts of the standard out
            # Without it here, the client takes the time-out of its `stac_io` away.
            client = Client.open(api, stac_io=io, timeout=TIMEOUT)
            if not client.get_search_link():
                raise CatalogueRefused(f"{api} offers no item search: its landing page has no link to one")
            search = _Search(client, io, source)
        if scenes is None:
            yield from search.within(window)
            search.check()
        else:
            yield from search.named(scenes, window if window.is_given else None)
    except APIError as error:
        status = getattr(error, "status_code", None)
        if _is_refusal(error):
            raise CatalogueRefused(
                f"{api} refused the search with HTTP {status}: {_brief(error)} "
                "(are source.stac.api, collection, area, query and filter right?)"
            ) from error
        answer = f"HTTP {status}" if status is not None else "no answer"
        raise CatalogueUnavailable(f"{api} gave {answer}, again and again: {_brief(error)}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CatalogueUnavailable(f"{api} answered with something that is no STAC: {_brief(error)}") from error


class _Search:
    def __init__(self, client: Client, io: PatientIO, source: dict[str, Any]) -> None:
        self._io, self._source, self._api = io, source, source["api"]
        self._url = client.get_search_link().get_absolute_href()
        # Thresholds are the plan's: it rejects with a reason.
        query, cql2 = split(source.get("query") or {})[0] or None, source.get("filter") or None
        # An API without the extension would ignore the filter, or answer with nothing.
        self._asked: dict[str, Any] = {}
        if query is not None and client.conforms_to(ConformanceClasses.QUERY):
            self._asked["query"], query = query, None
        if cql2 is not None and client.conforms_to(ConformanceClasses.FILTER):
            self._asked |= {"filter-lang": "cql2-json", "filter": Filter(cql2).as_json}
            cql2 = None
        self._here = Selection(query, cql2)
        self._given: set[str] = set()
        self._does_page: bool | None = None  # whether this API gives a next page where one is too small

    def within(self, window: Window) -> Iterator[Item]:
        pages = self._lists(window)
        for n, features in enumerate(pages):
            yield from self._new(features, window)
            if n + 1 == _LONG and _is_divisible(window):
                break
        else:
            return
        pages.close()
        size = min(max(PAGE_SIZE, _PAGE_BYTES * len(features) // len(compact(features) or 1)), _LARGEST_PAGE)
        parts = [partial(self._lists, part, size) for part in _cut(window, PARTS)]
        for features in side_by_side(parts, at_once=PARTS_AT_ONCE):
            yield from self._new(features, window)

    def _lists(self, window: Window, page_size: int = PAGE_SIZE) -> Generator[list[Item]]:
        """The features of page after page; some come again where a window is searched in halves."""
        pages = self._pages(window, limit=page_size, **self._asked)
        shown = f"from {format_instant(window.start)} to " if window.start else "until "
        shown += format_instant(window.end)
        parts = 2
        try:
            for features in pages:
                if (pages.matched or 0) >= SPLIT_FROM and _is_divisible(window):
                    break
                if pages.count > 1:
                    self._does_page = True
                yield features
            else:
                lack = self._missing(pages, shown) or self._cut_off(pages, window, shown)
                if lack is None:
                    return
                if not _is_divisible(window):
                    raise CatalogueUnavailable(lack)
        except Stalled:
            expected = pages.matched if pages.matched is not None else _MANY
            if pages.matched and not (self._missing(pages, shown) or self._cut_off(pages, window, shown)):
                return  # all are there; only the end of the pages is not
            if len(pages.seen) < min(expected, _MANY) or not _is_divisible(window):
                raise
        except (APIError, NoPage) as error:
            # The first page of usual size is as good as the API; a later one may be too far in, or too large.
            is_usual = page_size == PAGE_SIZE
            if _is_rejected_at_once(error) or (is_usual and (pages.count == 0 or not _is_divisible(window))):
                raise
            if not is_usual:
                parts = 1
        for part in _cut(window, parts):
            yield from self._lists(part)

    def _missing(self, pages: Pages, shown: str) -> str | None:
        """What is missing of what the API counted, in words; None where nothing is."""
        # Within one page nothing shifts: what comes twice there is listed twice, and counted so.
        is_listed_twice = pages.count == 1 and pages.given == pages.matched
        if len(pages.seen) >= (pages.matched or 0) or is_listed_twice:
            return None
        return f"{self._api} says that {pages.matched} scenes match {shown}, and gave {len(pages.seen)}"

    def _cut_off(self, pages: Pages, window: Window, shown: str) -> str | None:
        """Why there may be more than the pages that ended here, in words; None where they are plainly all."""
        gave = f"{self._api} gave {len(pages.seen)} scenes {shown} and no further page"
        if not pages.seen:
            return None
        if 0 in (pages.given % _ROUND, len(pages.seen) % _ROUND):
            return f"{gave}, which may be a limit of its own rather than all (expected a smaller area, or a filter)"
        is_counted = pages.matched is not None and pages.given != PAGE_SIZE
        if pages.given % _ROUND_PAGE or is_counted or self._pages_through(window, pages.given // 2):
            return None
        return f"{gave}, as it never does, so that there may be more (expected an API that pages, or one that counts)"

    def _pages_through(self, window: Window, limit: int) -> bool:
        """Whether the API gives the rest on a further page where there are more than `limit` scenes, asked once."""
        if self._does_page is None:
            pages = self._pages(window, **self._asked | {"limit": limit})
            for _ in pages:
                if pages.count > 1:
                    break
            self._does_page = pages.count > 1
        return self._does_page

    def check(self) -> None:
        self._here.check()

    def named(self, scenes: Sequence[str], window: Window | None) -> Iterator[Item]:
        for n in range(0, len(scenes), PAGE_SIZE):
            for features in self._by_id(list(scenes[n : n + PAGE_SIZE]), window):
                yield from self._new(features, window, is_filtered=False)

    def _by_id(self, ids: list[str], window: Window | None) -> Iterator[list[Item]]:
        """The features of page after page; those of which something is missing are asked for again, fewer at once."""
        pages = self._pages(window, ids=ids)
        came: set[str] = set()
        for features in pages:
            came |= {feature["id"] for feature in features if isinstance(feature.get("id"), str)}
            yield features
        left = [scene for scene in ids if scene not in came]
        if lack := self._missing(pages, "of those asked for by id"):
            if len(ids) == 1:
                raise CatalogueUnavailable(f"{lack} ({ids[0]})")
            for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
                yield from self._by_id(half, window)
        elif left and len(left) < len(ids):
            # It may give no more than so many at once, and who has gone from it is not in the next answer either.
            yield from self._by_id(left, window)

    def _pages(self, window: Window | None, **asked: Any) -> Pages:
        body = {
            "collections": [self._source["collection"]],
            "intersects": self._source["geometry"],
            "limit": PAGE_SIZE,
            **asked,
        }
        if window is not None:
            start = format_instant(window.start) if window.start else ".."
            body["datetime"] = f"{start}/{format_instant(window.end)}"
        return Pages(self._io, self._url, body)

    def _new(self, features: list[Item], window: Window | None, *, is_filtered: bool = True) -> Iterator[Item]:
        """What has not come before, as halves share an instant, and pages shift; and what was asked for."""
        for feature in features:
            which = identity(feature)
            if which in self._given:
                continue
            self._given.add(which)
            if window is not None and not _touches(window, feature):
                continue
            if not is_filtered or self._here.passes(feature):
                yield feature


def _touches(window: Window, feature: Item) -> bool:
    """Whether a listed Item's time or span lies in the window at all: there are APIs that ignore what they are asked.

    What can't be read is the plan's to reject. A second either way is the API's rounding.
    """
    properties = feature.get("properties")
    times = properties if isinstance(properties, dict) else {}
    found = []
    for name in ("datetime", "start_datetime", "end_datetime"):
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            found.append(parse_instant(times[name]) if times.get(name) is not None else None)
    known = [instant for instant in found if instant is not None]
    if not known:
        return True
    is_late_enough = window.start is None or max(known) >= window.start - _SECOND
    return is_late_enough and min(known) <= window.end + _SECOND


def _cut(window: Window, parts: int) -> list[Window]:
    """As many windows one after the other, of whole seconds; neighbours share an instant."""
    if window.start is None:
        return [window]
    step = (window.end - window.start) / parts
    bounds = [window.start, *((window.start + n * step).replace(microsecond=0) for n in range(1, parts)), window.end]
    return [replace(window, start=start, end=end) for start, end in pairwise(bounds) if start < end]


def _is_divisible(window: Window) -> bool:
    return window.start is not None and window.end - window.start > SHORTEST_WINDOW


def _is_refusal(error: APIError) -> bool:
    status = getattr(error, "status_code", None)
    return status is not None and 400 <= status < 500 and status != 429


def _is_rejected_at_once(error: APIError) -> bool:
    """Whether a page was refused for who asks, which no shorter window changes."""
    return getattr(error, "status_code", None) in (401, 403)


def _brief(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "…"
