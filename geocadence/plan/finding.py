"""What a run finds in its source, before it is looked up what is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geocadence.catalogue.area import Area
from geocadence.catalogue.item_collection import read_item_collection
from geocadence.catalogue.manifest import check_objects, read_manifest
from geocadence.catalogue.objects import check_region, count_objects
from geocadence.catalogue.query import split
from geocadence.catalogue.stac_api import search_stac_api
from geocadence.execution_input import ExecutionInput, InvalidInput
from geocadence.plan.candidates import keep_named, take_in
from geocadence.plan.draft import Objects, Scenes
from geocadence.plan.shelf import Shelf
from geocadence.source_kinds import has_scenes

Item = dict[str, Any]


@dataclass(frozen=True)
class Sources:
    """How a run finds its input; the functions hand in the real ones, tests their own."""

    read_s3: Callable[[str], bytes | None]
    fetch_s3: Callable[[str, Path, int], bool]  # into a file; TooLarge above so many bytes
    list_s3: Callable[[str], Iterator[Any]]
    look_s3: Callable[[Iterable[str]], Mapping[str, int | str]]  # of each URI its size, or why it can't be read
    region_of_bucket: Callable[[str], str | None]
    region: str | None  # the jobs'
    is_at_work: Callable[[str], bool]  # whether an execution, by its ARN, or a job of it still runs
    # What an instance of a type costs an hour of processing, in USD; None where nobody says.
    price: Callable[[str], float | None] = lambda instance_type: None
    search_stac_api: Callable[..., Iterator[Item]] = search_stac_api
    read_item_collection: Callable[..., Iterator[Item]] = read_item_collection


def find(
    asked: ExecutionInput,
    kind: str,
    definition: dict[str, Any],
    sources: Sources,
    shelf: Shelf,
) -> Scenes | Objects:
    """What the source has for the run, the Items of scenes on the shelf.

    Raises CatalogueRefused where it can't be searched as asked, CatalogueUnavailable where it fails.
    """
    if not has_scenes(kind):
        return _find_objects(asked, kind, definition, sources)
    source = definition["source"][kind]
    if kind == "stac":
        where = f"collection {source['collection']} of {source['api']} over {source['area']}"
        items = sources.search_stac_api(source, window=asked.window, scenes=asked.scenes)
        window = None  # the search looks at it
    else:
        where = source["href"] + (f" over {source['area']}" if source.get("area") else "")
        items = sources.read_item_collection(source, fetch_s3=sources.fetch_s3, scenes=asked.scenes)
        is_bound = source.get("lookback") is not None or asked.window.has_end
        window = asked.window if asked.window.is_given or (is_bound and asked.scenes is None) else None
    area = Area(source["geometry"]) if source.get("geometry") else None
    # Scenes that are asked for by name are taken as they are.
    thresholds = split(source.get("query") or {})[1] if asked.scenes is None else {}
    # `items` is whatever a person put into one file.
    collection = source["collection"] if kind == "stac" else None
    candidates, rejected = take_in(
        items, shelf=shelf, area=area, window=window, collection=collection, thresholds=thresholds
    )
    if asked.scenes is not None:
        candidates, rejected = keep_named(candidates, rejected, scenes=asked.scenes, where=where)
    return Scenes(kind, candidates, rejected)


def _find_objects(asked: ExecutionInput, kind: str, definition: dict[str, Any], sources: Sources) -> Objects:
    if asked.scenes is not None:
        raise InvalidInput(
            f"`scenes` makes no sense here: the pipeline takes the objects of a {kind}, not scenes (leave the key out)."
        )
    uri = definition["source"][kind]["uri"]
    check_region(uri, region=sources.region, region_of=sources.region_of_bucket)
    if kind == "prefix":
        return Objects(kind, uri, *count_objects(uri, listing=sources.list_s3, look=sources.look_s3))
    listed = read_manifest(uri, read_s3=sources.read_s3)
    size = check_objects(uri, listed, look=sources.look_s3, region=sources.region, region_of=sources.region_of_bucket)
    return Objects(kind, uri, len(listed), size)
