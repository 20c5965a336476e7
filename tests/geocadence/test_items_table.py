"""The table of products at a size that does not fit into its memory."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from geocadence.catalogue import geoparquet
from geocadence.close import items_table

ROWS = 20_000


def row(n: int) -> dict[str, Any]:
    """As wide as a product of spectral_index."""
    band = {"name": "NDVI", "description": "Normalized Difference Vegetation Index", "statistics": {"mean": n / ROWS}}
    asset = {"href": f"s3://bucket/{n}/ndvi.tif", "roles": ["data"], "bands": [band], "file:checksum": f"1220{n:064x}"}
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": ["https://stac-extensions.github.io/raster/v2.0.0/schema.json"],
        "id": f"S2B_{n:07d}",
        "geometry": "0101000000000000000000F03F000000000000F03F",
        "bbox": {"xmin": 1.0, "ymin": 1.0, "xmax": 1.0, "ymax": 1.0},
        "links": [{"rel": "self", "href": f"s3://bucket/{n}.json", "type": "application/geo+json"}],
        "assets": {"ndvi": asset, "preview": {"href": f"s3://bucket/{n}/preview.png", "roles": ["thumbnail"]}},
        "datetime": f"2026-01-01T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}.000000Z",
        "processing:lineage": f"Made by spectral_index from scene {n}: " + "of a catalogue, " * 12,
        "geocadence:files": [f"S2B_{n:07d}_ndvi.tif", f"S2B_{n:07d}_preview.png"],
    }


def test_more_rows_than_memory_has_room_for_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items_table, "connect", partial(geoparquet.connect, memory="80MB"))
    lines, before, after = (tmp_path / name for name in ("new.jsonl", "before.parquet", "after.parquet"))
    lines.write_text("".join(json.dumps(row(n)) + "\n" for n in reversed(range(ROWS))))

    items_table.merge(None, lines, before, without=[], scratch=tmp_path)
    lines.write_text(json.dumps(row(7) | {"processing:lineage": "anew"}) + "\n")
    items_table.merge(before, lines, after, without=["S2B_0000007", "S2B_0000009"], scratch=tmp_path)

    ids = [found for (found,) in duckdb.sql(f"SELECT id FROM '{after}'").fetchall()]  # noqa: S608
    assert ids == [f"S2B_{n:07d}" for n in range(ROWS) if n != 9]
    anew = duckdb.sql(f"SELECT id FROM '{after}' WHERE \"processing:lineage\" = 'anew'").fetchall()  # noqa: S608
    assert anew == [("S2B_0000007",)]
