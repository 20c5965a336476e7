"""An ItemCollection or stac-geoparquet beside the definition: small enough to travel inside of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from geocadence.catalogue.geoparquet import PARQUET, read_geoparquet

MAX_BYTES = 5_000_000


def read_item_collection(path: Path) -> dict[str, Any]:
    """The FeatureCollection of STAC Items in `path`; ValueError says what is wrong with it."""
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"has {size / 1e6:.1f} MB (expected 5 MB at most; put it into S3 and name it by s3://)")
    if path.suffix == PARQUET:
        return {"type": "FeatureCollection", "features": list(read_geoparquet(path))}
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ValueError(f"is no valid JSON: {error.msg} in line {error.lineno}") from None
    except UnicodeDecodeError:
        raise ValueError("is no text in UTF-8 (expected an ItemCollection)") from None
    if not isinstance(data, dict) or not isinstance(data.get("features"), list):
        raise ValueError("is no ItemCollection (expected a GeoJSON FeatureCollection of STAC Items)")
    return data
