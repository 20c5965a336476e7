"""What is wrong with a definition's source beyond single values: contradictions, and files that it names."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from geocadence.catalogue.cql2 import Filter
from geocadence.catalogue.query import OPERATORS
from geocadence.catalogue.selection import foreign_to
from geocadence.definition.area import read_area
from geocadence.definition.files import find_file
from geocadence.definition.items import read_item_collection
from geocadence.definition.model import Source
from geocadence.definition.plain import Finding, at
from geocadence.source_kinds import OF_SCENES

# The stage of the local cloud.
LOCAL_STAGE = "local"


def source_problems(data: dict[str, Any], *, folder: Path, root: Path) -> Iterator[Finding]:
    """`folder` holds the definition."""
    yield from _one_source(data)
    yield from _loopback_api(data)
    yield from _query(data)
    yield from _filter(data)
    for kind in OF_SCENES:
        area = ("source", kind, "area")
        yield from _file(data, area, "a GeoJSON file", read=read_area, folder=folder, root=root)
    items = ("source", "items", "href")
    yield from _file(data, items, "an ItemCollection", read=read_item_collection, folder=folder, root=root)


def is_loopback(url: str) -> bool:
    """Whether `url` names this very machine."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _one_source(data: dict[str, Any]) -> Iterator[Finding]:
    source = at(data, "source", kind=dict)
    given = [name for name in Source.model_fields if source and source.get(name) is not None]
    if source is not None and len(given) != 1:
        found = " and ".join(given) or "none"
        yield ("source",), f"needs exactly one of {', '.join(Source.model_fields)} (found {found})"


def _loopback_api(data: dict[str, Any]) -> Iterator[Finding]:
    api = at(data, "source", "stac", "api", kind=str)
    if api and is_loopback(api) and data.get("stages") not in (None, [LOCAL_STAGE]):
        host = urlsplit(api).hostname
        yield (
            ("source", "stac", "api"),
            f"{api} is this machine (no Lambda on AWS reaches {host}: leave `stages` out, or name a public API)",
        )


def _query(data: dict[str, Any]) -> Iterator[Finding]:
    for key in (("source", kind, "query") for kind in OF_SCENES):
        for name, comparisons in (at(data, *key, kind=dict, default={}) or {}).items():
            for comparison in comparisons if isinstance(comparisons, dict) else {}:
                if comparison not in OPERATORS:
                    yield (*key, name, comparison), f"is no comparison (expected one of {', '.join(OPERATORS)})"


def _filter(data: dict[str, Any]) -> Iterator[Finding]:
    for key in (("source", kind, "filter") for kind in OF_SCENES):
        if expression := at(data, *key, kind=(str, dict)):
            try:
                foreign = Filter(expression).foreign
                # An API may know more, and is asked whether it does filters at all when a run is planned.
                if foreign and key[1] == "items":
                    yield key, foreign_to(foreign)
            except ValueError as error:
                yield key, f'{error} (expected e.g. "eo:cloud_cover" < 60)'


def _file(
    data: dict[str, Any], key: tuple[str, ...], what: str, *, read: Callable[[Path], Any], folder: Path, root: Path
) -> Iterator[Finding]:
    name = at(data, *key, kind=str)
    if not name or "://" in name:
        return
    path = find_file(name, folder=folder, root=root)
    if path is None:
        yield key, f"{name} is not there (expected {what}, relative to the definition or to the project)"
        return
    try:
        read(path)
    except ValueError as error:
        yield key, f"{name} {error}"
