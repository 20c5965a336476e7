"""The table of products at a size that does not fit into its memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from geocadence.catalogue import geoparquet
from geocadence.close import items_table
from geocadence.committed import read_committed

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
        "geocadence:acquisition": f"S2B_{n:07d}",
        "geocadence:baseline": "",
        "geocadence:files": [f"S2B_{n:07d}_ndvi.tif", f"S2B_{n:07d}_preview.png"],
    }


def test_more_rows_than_memory_has_room_for_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items_table, "connect", partial(geoparquet.connect, memory="80MB"))
    lines, before, after = (tmp_path / name for name in ("new.jsonl", "before.parquet", "after.parquet"))
    lines.write_text("".join(json.dumps(row(n)) + "\n" for n in reversed(range(ROWS))))

    items_table.merge(None, lines, before, scratch=tmp_path)
    lines.write_text(json.dumps(row(7) | {"processing:lineage": "anew"}) + "\n")
    items_table.merge(before, lines, after, scratch=tmp_path)
    items_table.leave_out(["S2B_0000009"], after, less := tmp_path / "less.parquet", scratch=tmp_path)

    for path, gone in ((after, ()), (less, (9,))):
        ids = [found for (found,) in duckdb.sql(f"SELECT id FROM '{path}'").fetchall()]  # noqa: S608
        assert ids == [f"S2B_{n:07d}" for n in range(ROWS) if n not in gone]
    anew = duckdb.sql(f"SELECT id FROM '{after}' WHERE \"processing:lineage\" = 'anew'").fetchall()  # noqa: S608
    assert anew == [("S2B_0000007",)]


def test_ids_that_look_like_uuids_are_texts_like_others(tmp_path: Path) -> None:
    """DuckDB took them for UUIDs where all of them look like some, which no later run's text could be merged with."""
    lines, before, after = (tmp_path / name for name in ("new.jsonl", "before.parquet", "after.parquet"))
    upper, lower, other = "7D0E8F3A-1B5C-4D2E-9F60-A1B2C3D4E5F6", "0b8c2a52-6f0d-4c57-9a55-3a8f5f2f7c11", "S2B_7"
    named = [row(n) | {"id": found, "geocadence:acquisition": found} for n, found in enumerate((upper, lower))]
    lines.write_text("".join(json.dumps(each) + "\n" for each in named))
    items_table.merge(None, lines, before, scratch=tmp_path)
    lines.write_text("".join(json.dumps(row(2) | {"id": found}) + "\n" for found in (lower, other)))

    items_table.merge(before, lines, after, scratch=tmp_path)

    assert [found for (found,) in duckdb.sql(f"SELECT id FROM '{before}'").fetchall()] == [upper, lower]  # noqa: S608
    found = duckdb.sql(f"SELECT id FROM '{after}'").fetchall()  # noqa: S608
    assert sorted(each for (each,) in found) == sorted([upper, lower, other])


def test_a_table_whose_ids_became_uuids_is_read_as_texts_and_heals(tmp_path: Path) -> None:
    """As it was written before: all in lower case, links and names of files apart."""
    scene, other = "7D0E8F3A-1B5C-4D2E-9F60-A1B2C3D4E5F6", "0b8c2a52-6f0d-4c57-9a55-3a8f5f2f7c11"
    lines, was, before, after = (tmp_path / name for name in ("new.jsonl", "was.parquet", "before", "after.parquet"))
    link = {"rel": "self", "href": f"s3://bucket/ndvi/2026/01/{scene}/{scene}.json", "type": "application/geo+json"}
    own = {"id": scene, "geocadence:acquisition": scene, "links": [link], "mine:uuid": other}
    lines.write_text(json.dumps(row(1) | own) + "\n")
    items_table.merge(None, lines, was, scratch=tmp_path)
    uuids = ", ".join(f'CAST("{name}" AS UUID) AS "{name}"' for name in ("id", "geocadence:acquisition", "mine:uuid"))
    duckdb.sql(f"COPY (SELECT * REPLACE ({uuids}) FROM '{was}') TO '{before}' (FORMAT parquet)")  # noqa: S608
    outputs = MemoryBucket()
    outputs.body = before.read_bytes()

    known = read_committed(outputs, "ndvi", scenes={scene}, acquisitions=())  # type: ignore[arg-type]
    assert [(each.scene, each.acquisition) for each in known] == [(scene, scene)]

    lines.write_text(json.dumps(row(2) | {"id": "S2B_7", "mine:uuid": "none"}) + "\n")
    items_table.commit_items(outputs, "ndvi", lines, after=after, scratch=tmp_path)
    columns = 'id, "geocadence:acquisition", "mine:uuid"'
    found = duckdb.sql(f"SELECT {columns} FROM '{after}'").fetchall()  # noqa: S608
    assert found == [(scene, scene, other), ("S2B_7", "S2B_0000002", "none")]

    lines.write_text(json.dumps(row(3) | own) + "\n")
    items_table.commit_items(outputs, "ndvi", lines, after=after, scratch=tmp_path)
    assert duckdb.sql(f"SELECT count(*) FROM '{after}'").fetchall() == [(2,)]  # noqa: S608


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"mine:x": ["msi"]}, {"mine:x": "msi"}),
        ({"mine:x": {"y": "1.0"}}, {"mine:x": "mine 1.1"}),
        ({"mine:x": [1]}, {"mine:x": 5}),
        (
            {"assets": {"NDVI": {"href": "s3://b/1"}}},
            {"assets": {"ndvi": {"href": "s3://b/2"}, "NDVI": {"href": "s3://b/3"}}},
        ),
        ({}, {'a"b': "a name with a quote"}),
    ],
)
def test_no_property_keeps_a_product_out(tmp_path: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    outputs = MemoryBucket()
    for number, own in enumerate((before, now, before)):
        rows = tmp_path / "rows.jsonl"
        rows.write_text(json.dumps(row(number) | own) + "\n")
        items_table.commit_items(outputs, "ndvi", rows, after=tmp_path / "after.parquet", scratch=tmp_path)

    (tmp_path / "table.parquet").write_bytes(outputs.body or b"")
    found = duckdb.sql(f"SELECT id FROM '{tmp_path}/table.parquet'").fetchall()  # noqa: S608
    assert [name for (name,) in found] == [row(number)["id"] for number in range(3)]


def assets(*names: str) -> dict[str, Any]:
    return {"assets": {name: {"href": f"s3://bucket/{name}", "roles": ["data"], "file:size": 9} for name in names}}


@pytest.mark.parametrize(
    "own",
    [
        # A folder of tiles, or a Zarr store, of which each file is an asset.
        lambda n: assets(*(f"ndvi_{tile}" for tile in range(2000))),
        # Assets that bear the scene's id: each row brings a name.
        lambda n: assets("ndvi", *(f"map_{n}_{part}" for part in range(40))),
    ],
)
def test_products_of_any_number_of_assets_are_committed_and_the_table_stays_narrow(
    tmp_path: Path, own: Callable[[int], dict[str, Any]]
) -> None:
    outputs, rows, table = MemoryBucket(), tmp_path / "rows.jsonl", tmp_path / "table.parquet"
    for first in (0, 3, 6):
        rows.write_text("".join(json.dumps(row(n) | own(n)) + "\n" for n in range(first, first + 3)))
        items_table.commit_items(outputs, "ndvi", rows, after=tmp_path / "after.parquet", scratch=tmp_path)

    table.write_bytes(outputs.body or b"")
    found = list(geoparquet.read_geoparquet(table))
    assert [item["id"] for item in found] == [row(n)["id"] for n in range(9)]
    assert len({name for item in found for name in item["assets"]}) == 100
    # Of what fits all is there, as the Item says it.
    assert found[0]["assets"]["ndvi" if "ndvi" in found[0]["assets"] else "ndvi_0"]["roles"] == ["data"]


def names(table: Path) -> set[str]:
    return {name for (name, *_) in duckdb.sql(f"DESCRIBE SELECT unnest(assets) FROM '{table}'").fetchall()}  # noqa: S608


def test_names_that_no_row_has_any_more_give_their_columns_back(tmp_path: Path) -> None:
    """The script called its assets after their scenes, and calls them alike now: made anew, row by row."""
    outputs, rows, after = MemoryBucket(), tmp_path / "rows.jsonl", tmp_path / "after.parquet"

    def commit(*those: dict[str, Any]) -> None:
        rows.write_text("".join(json.dumps(each) + "\n" for each in those))
        items_table.commit_items(outputs, "ndvi", rows, after=after, scratch=tmp_path)

    commit(*(row(n) | assets(*(f"Map_{n}_{part}" for part in range(40))) for n in range(3)))
    first = {f"Map_{n}_{part}" for n in range(2) for part in range(40)}
    assert names(after) > first
    lost = duckdb.sql(f"SELECT \"geocadence:assets_left_out\" FROM '{after}'").fetchall()  # noqa: S608
    assert lost == [(None,), (None,), (20,)]

    commit(row(1) | assets("NDVI", *(f"Part_{part}" for part in range(40))))
    assert names(after) >= {"NDVI"} | {f"Map_0_{part}" for part in range(40)}
    assert len(names(after)) == 40 + 20 + 40  # two rows are as they were

    commit(*(row(n) | assets("NDVI", *(f"Part_{part}" for part in range(90))) for n in (0, 2)))
    found = list(geoparquet.read_geoparquet(after))
    assert [len(item["assets"]) for item in found] == [91, 40, 91]
    assert found[0]["assets"]["NDVI"] == {"href": "s3://bucket/NDVI", "roles": ["data"], "file:size": 9}
    assert [item["properties"].get("geocadence:assets_left_out") for item in found] == [None, 1, None]
    assert sorted(names(after)) == sorted({"NDVI"} | {f"Part_{part}" for part in range(90)})


def test_two_products_may_disagree_on_a_property_of_any_name(tmp_path: Path) -> None:
    lines, after = tmp_path / "new.jsonl", tmp_path / "after.parquet"
    lines.write_text("".join(json.dumps(row(n) | {'a"b': own}) + "\n" for n, own in enumerate(([1], "x"))))

    items_table.merge(None, lines, after, scratch=tmp_path)

    assert duckdb.sql(f'SELECT "a""b" FROM \'{after}\'').fetchall() == [("[1]",), ("x",)]  # noqa: S608


class MemoryBucket:
    """The three calls that committing takes."""

    body: bytes | None = None

    def fetch(self, key: str, path: Path) -> str | None:
        if self.body is not None:
            path.write_bytes(self.body)
        return None if self.body is None else "etag"

    def replace_file(self, key: str, path: Path, *, etag: str | None, content_type: str) -> None:
        self.body = path.read_bytes()
