"""Reading the scenes of a shard: every shape of JSON that the input folder may hold.

| file holds | read as |
|---|---|
| a STAC Item (`type: Feature`, with assets) | one scene |
| a list of Items | its scenes |
| an ItemCollection (`type: FeatureCollection`) | its scenes |
| an item of SageMaker geospatial's SearchRasterDataCollection (`Id`, `Assets.red.Href`) | one scene |
| a list of such, or the whole response (`Items`) | its scenes |
| a STAC Collection or Catalog, a SageMaker manifest | nothing: they are no scenes |
| anything else | a problem, recorded under the file's name |
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from spectral.area import MEMBER
from spectral.moments import instant

STAC = "STAC Item"
SEARCH_RASTER = "SearchRasterDataCollection item"

# SearchRasterDataCollection's properties and STAC's names for the same.
_SEARCH_RASTER_PROPERTIES = {
    "EoCloudCover": "eo:cloud_cover",
    "Platform": "platform",
    "ViewOffNadir": "view:off_nadir",
    "ViewSunAzimuth": "view:sun_azimuth",
    "ViewSunElevation": "view:sun_elevation",
}


@dataclass(frozen=True)
class Scene:
    """One input scene: a STAC Item, whatever shape it came in."""

    id: object  # as found: `failures.check_id` decides whether it is usable
    item: dict[str, Any]
    base: Path  # relative hrefs are relative to this folder
    shape: str = STAC


class Problem(NamedTuple):
    """Something in the input folder that is no scene, or one too many: under which name to record it, and why."""

    name: str
    reason: str


def read_scenes(folder: Path, *, output: Path) -> tuple[list[Scene], list[Problem]]:
    """All scenes of all `*.json` files below `folder`, in the order of the files' paths.

    Args:
        output: where products go; what is in there is none, also where it lies below `folder`.
    """
    scenes: list[Scene] = []
    problems: list[Problem] = []
    output, really = output.resolve(), folder.resolve()
    for path in sorted(folder.rglob("*.json")):
        if path.is_dir() or output in (really / path.relative_to(folder)).parents:
            continue
        name = path.relative_to(folder).as_posix()
        try:
            document = json.loads(path.read_bytes())
        except (ValueError, RecursionError, OSError) as error:
            problems.append(Problem(name.removesuffix(".json"), f"{name} can't be read as JSON: {error}."))
            continue
        none = 0
        for entry in _entries(document):
            scene = _scene(entry, path.parent)
            if scene:
                scenes.append(scene)
            elif not _is_other(entry):
                none += 1
        if none:
            found = f"{none} entries that are" if none > 1 else "something that is"
            reason = f"{name} holds {found} neither a STAC Item nor an item of SearchRasterDataCollection."
            problems.append(Problem(name.removesuffix(".json"), reason))
    ids = _ids(scenes)
    return scenes, [Problem(_free(problem.name, ids), problem.reason) for problem in problems]


def without_duplicates(scenes: list[Scene]) -> tuple[list[Scene], list[Problem]]:
    """One scene an id, and the ids that several scenes have.

    Catalogues list one acquisition twice; of several the one with the newest processing baseline stays,
    then the one updated last, then the first.
    """
    best: dict[object, Scene] = {}
    left_out: Counter[object] = Counter()
    for scene in scenes:
        # A text and a number that look alike are two ids, of which one is none.
        key = scene.id if isinstance(scene.id, str) else (type(scene.id), repr(scene.id))
        known = best.get(key)
        if known is None:
            best[key] = scene
            continue
        left_out[key] += 1
        if _age(scene) > _age(known):
            best[key] = scene
    ids = _ids(scenes)
    return list(best.values()), [_listed_again(best[key].id, times, ids) for key, times in left_out.items()]


def _listed_again(scene_id: object, left_out: int, ids: set[str]) -> Problem:
    """Under a name of its own: a failure of the id's name would be that of the scene that stays."""
    return Problem(
        _free(f"{scene_id}.duplicate", ids),
        f"The id is listed {left_out + 1} times in this shard; the newest (by baseline, then by its last change) is "
        f"processed, {left_out} left out.",
    )


def _ids(scenes: list[Scene]) -> set[str]:
    return {scene.id for scene in scenes if isinstance(scene.id, str)}


def _free(name: str, ids: set[str]) -> str:
    """The name, longer where a scene has it for its id: a failure of the one must not stand for the other."""
    while name in ids:
        name += ".json"
    return name


def _age(scene: Scene) -> tuple[tuple[int, ...], datetime]:
    """Larger for the newer of two: the rule of geocadence/plan/decisions.py, which is not in the container."""
    properties = scene.item["properties"]
    baseline = str(properties.get("s2:processing_baseline") or properties.get("processing:version") or "")
    # "05.10" as (5, 10), which is above (5, 9); trailing zeros don't count.
    version = [int(digits) for digits in re.findall(r"[0-9]{1,18}", baseline)]
    while version and not version[-1]:
        version.pop()
    changes = (instant(properties.get(name)) for name in ("updated", "s2:generation_time", "created"))
    return tuple(version), next(filter(None, changes), datetime.min.replace(tzinfo=timezone.utc))


def _entries(document: Any) -> Iterator[Any]:
    if isinstance(document, list):
        yield from ([] if _is_manifest(document) else document)
    elif isinstance(document, dict) and isinstance(document.get("features"), list):
        yield from document["features"]
    elif isinstance(document, dict) and isinstance(document.get("Items"), list):
        yield from document["Items"]
    else:
        yield document


def _is_manifest(document: list) -> bool:
    return bool(document) and isinstance(document[0], dict) and set(document[0]) == {"prefix"}


def _is_other(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("type") in ("Collection", "Catalog")


def _scene(entry: Any, base: Path) -> Scene | None:
    if not isinstance(entry, dict):
        return None
    if isinstance(entry.get("assets"), dict) and entry.get("type", "Feature") == "Feature":
        properties = entry.get("properties")
        item = {**entry, "properties": properties if isinstance(properties, dict) else {}}
        return Scene(entry.get("id"), item, base)
    if isinstance(entry.get("Assets"), dict) and "Id" in entry:
        return Scene(entry["Id"], _from_search_raster(entry), base, SEARCH_RASTER)
    return None


def _from_search_raster(entry: dict[str, Any]) -> dict[str, Any]:
    """The STAC Item that says the same; hrefs, date and cloud cover are all there is to say."""
    found = entry.get("Properties") if isinstance(entry.get("Properties"), dict) else {}
    properties = {name: found[key] for key, name in _SEARCH_RASTER_PROPERTIES.items() if found.get(key) is not None}
    properties["datetime"] = entry.get("DateTime")
    geometry = entry.get("Geometry") if isinstance(entry.get("Geometry"), dict) else {}
    coordinates = geometry.get("Coordinates")
    return {
        "id": entry["Id"],
        "properties": properties,
        "geometry": {"type": geometry.get("Type", "Polygon"), "coordinates": coordinates} if coordinates else None,
        "assets": {
            name: {"href": asset.get("Href")} for name, asset in entry["Assets"].items() if isinstance(asset, dict)
        },
        "links": [],
        **({MEMBER: entry[MEMBER]} if MEMBER in entry else {}),
    }
