"""The scenes of a shard as they were handed to the script: STAC Items, or search results with their Items in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Where a search result carries the Item that it was made from (geocadence/plan/scene_format.py, which is not here).
MEMBER = "geocadence:item"


def read_sources(folder: Path) -> dict[str, dict[str, Any]]:
    """The Items by their ids, in the order of the ids."""
    found = {item["id"]: item for path in folder.rglob("*.json") for item in _items(path)}
    return dict(sorted(found.items()))


def _items(path: Path) -> Iterator[dict[str, Any]]:
    document = json.loads(path.read_bytes())
    for entry in document if isinstance(document, list) else [document]:
        item = entry.get(MEMBER, entry)
        yield item | {"properties": item.get("properties") or {}}
