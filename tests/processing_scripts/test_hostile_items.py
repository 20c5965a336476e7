"""Whatever an Item holds in whatever place, its scene ends as a valid product or as a failure of the input."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pystac.validation import validate_dict

from tests.processing_scripts.factory import MOMENT, Folder, write


def nested(depth: int) -> list:
    """A list in a list in a list …"""
    found: list = []
    for _ in range(depth):
        found = [found]
    return found


NASTY = [
    None, True, 0, -1, 10**400, 1e308, float("nan"), float("inf"), "", " ", "nan", "x" * 5000, "../../x", "/etc/passwd",
    "a\x00b", "\ud800", "é", "javascript:x", [], [None], [[]], [[], []], {}, {"a": 1}, {"common_name": ["red"]},
    [{"common_name": {"a": 1}}], [{"scale": "x", "offset": [], "nodata": {}}], nested(200), [float("nan")] * 4,
    [10**400] * 4, [[[0, 0], [1, 1]]],
]  # fmt: skip
# Fields that the script looks at, whether the scene below has them or not.
PLACES = [
    ("id",), ("type",), ("collection",), ("properties",), ("links",), ("links", 0), ("links", 0, "href"),
    ("links", 0, "rel"), ("geometry",), ("geometry", "type"), ("geometry", "coordinates"), ("bbox",), ("assets",),
    ("assets", "red"), ("assets", "scl"), ("assets", "red_\ud800"),
    *[("assets", key, name) for key in ("red", "scl") for name in
      ("href", "alternate", "type", "gsd", "proj:transform", "eo:bands", "bands", "raster:bands", "raster:scale",
       "nodata", "classification:classes", "classification:bitfields")],
    *[("properties", name) for name in
      ("datetime", "start_datetime", "end_datetime", "updated", "created", "platform", "constellation", "instruments",
       "mission", "gsd", "eo:cloud_cover", "grid:code", "s2:processing_baseline", "processing:version",
       "earthsearch:boa_offset_applied", "landsat:correction", "eo:platform")],
]  # fmt: skip


@pytest.fixture(scope="module")
def item(tmp_path_factory) -> dict[str, Any]:
    """A scene that works."""
    folder: Path = tmp_path_factory.mktemp("imagery")
    rasters = {
        "red": write(folder / "red.tif", np.full((4, 4), 2000)),
        "nir": write(folder / "nir.tif", np.full((4, 4), 4000)),
        "scl": write(folder / "scl.tif", np.full((2, 2), 4, np.uint8), pixel_size=20),
    }
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "SCENE",
        "geometry": {"type": "Point", "coordinates": [-7.85, 38.66]},
        "bbox": [-7.85, 38.66, -7.85, 38.66],
        "properties": {"datetime": MOMENT, "s2:processing_baseline": "05.11"},
        "links": [{"rel": "self", "href": "https://example.com/items/SCENE"}],
        "assets": {key: {"href": str(path)} for key, path in rasters.items()},
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(changes=[(("assets", "red", "proj:transform"), [10**400] * 4)])
@example(changes=[(("assets", "red", "raster:bands"), [{"scale": 10**400}])])
@example(changes=[(("properties", "platform"), "\ud800")])
@example(changes=[(("links",), 5)])
@example(changes=[(("links", 0, "rel"), [])])
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(NASTY)), min_size=1, max_size=3))
def test_any_value_in_any_place_is_a_valid_product_or_a_failure_of_the_input(item, changes):
    changed = copy.deepcopy(item)
    for place, value in changes:
        holder: Any = changed
        for part in place[:-1]:
            holder = holder[part] if _holds(holder, part) else None
        if isinstance(holder, dict) or _holds(holder, place[-1]):
            holder[place[-1]] = copy.deepcopy(value)  # the next change may change it, and must not change NASTY
    with tempfile.TemporaryDirectory() as root:
        folder = Folder(Path(root))
        folder.add(changed, "scene")
        folder.run()
        assert {path.name for path in folder.root.iterdir()} <= {"input", "output"}
        records = list(folder.failures().values())
        assert [record["class"] for record in records] in ([], ["input"]), records
        products = list(folder.output.glob("[0-9]*/*/*/*.json"))
        assert len(products) + len(records) == 1
        if products:
            validate_dict(folder.item(products[0].stem), extensions=[])


def _holds(holder: Any, part: Any) -> bool:
    if isinstance(part, int):
        return isinstance(holder, list) and len(holder) > part
    return isinstance(holder, dict) and part in holder
