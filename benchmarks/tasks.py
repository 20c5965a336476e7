"""What the measured programs find: one folder with the same scenes in every shape that they ask for."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.places import WORK


@dataclass(frozen=True)
class Task:
    """Scenes to turn into NDVI (or what `indices` names)."""

    folder: Path
    items: tuple[dict[str, Any], ...]

    @property
    def stac(self) -> Path:
        """STAC Items, one a file: what `spectral_index` takes."""
        return self.folder / "stac"

    @property
    def item(self) -> Path:
        """The first scene's STAC Item."""
        return self.stac / f"{self.items[0]['id']}.json"

    @property
    def search(self) -> Path:
        """A list of items in the shape of SearchRasterDataCollection: what AWS's script takes."""
        return self.folder / "search"

    def href(self, key: str) -> str:
        """Where the first scene's asset is."""
        return self.items[0]["assets"][key]["href"]


def task_of(name: str, items: list[dict[str, Any]]) -> Task:
    """The task called `name`, its files written anew."""
    task = Task(WORK / "tasks" / name, tuple(items))
    shutil.rmtree(task.folder, ignore_errors=True)
    for folder in (task.stac, task.search):
        folder.mkdir(parents=True)
    for item in items:
        (task.stac / f"{item['id']}.json").write_text(json.dumps(item))
    (task.search / "items.json").write_text(json.dumps([_search_item(item) for item in items]))
    return task


def _search_item(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "Id": item["id"],
        "DateTime": item["properties"]["datetime"],
        "Geometry": {"Type": "Polygon", "Coordinates": item["geometry"]["coordinates"]},
        "Assets": {key: {"Href": asset["href"]} for key, asset in item["assets"].items()},
        "Properties": {
            "EoCloudCover": item["properties"]["eo:cloud_cover"],
            "Platform": item["properties"]["platform"],
        },
    }
