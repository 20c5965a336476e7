"""items.parquet as runs leave it: what others read in it, and that nothing is lost on the way."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pystac
import pytest
import rustac

from geocadence.bucket import Bucket
from tests.geocadence.pipeline import Pipeline, linked, table
from tests.geocadence.scenes import commit_product, item, scene_id


@pytest.fixture
def pipeline(inputs: Bucket, outputs: Bucket) -> Pipeline:
    return Pipeline(inputs, outputs, [item(n) for n in range(5)])


def test_the_table_is_stac_geoparquet_that_others_read(pipeline: Pipeline, tmp_path: Any) -> None:
    pipeline.run("a")
    path = tmp_path / "items.parquet"
    pipeline.outputs.fetch("ndvi/items.parquet", path)

    # DuckDB
    rows = duckdb.sql(
        f"SELECT id, datetime::VARCHAR, bbox.xmin, assets.ndvi.href FROM '{path}' WHERE bbox.xmax > -7.69"  # noqa: S608
    ).fetchall()
    assert [row[0] for row in rows] == [scene_id(n) for n in (2, 3, 4)]
    assert rows[0][3] == pipeline.outputs.uri(f"ndvi/2026/11/{scene_id(2)}/{scene_id(2)}_ndvi.tif")
    # rustac, and pystac over it
    found = rustac.read_sync(str(path))
    items = [pystac.Item.from_dict(feature) for feature in found["features"]]
    assert [each.id for each in items] == [scene_id(n) for n in range(5)]
    assert items[0].geometry == item(0)["geometry"]
    assert list(items[0].bbox) == item(0)["bbox"]
    assert items[0].properties["platform"] == "sentinel-2b"
    for each in items:
        each.validate()
    # GeoParquet's own metadata
    keys = dict(duckdb.sql(f"SELECT decode(key), decode(value) FROM parquet_kv_metadata('{path}')").fetchall())  # noqa: S608
    assert json.loads(keys["geo"])["columns"]["geometry"]["bbox"] == [-8.0, 38.0, -7.66, 38.2]


def test_products_from_before_there_was_a_table_are_taken_into_it(pipeline: Pipeline, tmp_path: Any) -> None:
    for n in range(5):
        commit_product(pipeline.outputs, n)

    planned = pipeline.run("a")

    assert planned["outcome"] == "empty"
    assert set(pipeline.decisions(planned).values()) == {
        ("skip", "its product is in place (and not in the catalogue yet)")
    }
    assert table(pipeline, tmp_path) == [scene_id(n) for n in range(5)]


def test_two_closes_at_once_both_end_up_in_the_table(
    pipeline: Pipeline, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pipeline.plan("a", {"window": {"start": "2026-11-01", "end": "2026-11-03T12:00:00Z"}})
    second = pipeline.plan("b")
    pipeline.work(first)
    pipeline.work(second)
    replace_file, calls = Bucket.replace_file, []

    def late(bucket: Bucket, *arguments: Any, **options: Any) -> None:
        if not calls:
            calls.append("once")
            pipeline.close(second)
        replace_file(bucket, *arguments, **options)

    monkeypatch.setattr(Bucket, "replace_file", late)
    pipeline.close(first)

    assert (first["planned"], second["planned"]) == (3, 2)
    assert table(pipeline, tmp_path) == linked(pipeline) == [scene_id(n) for n in range(5)]


def test_columns_of_many_kinds_of_items_are_merged(pipeline: Pipeline, tmp_path: Any) -> None:
    pipeline.run("a")
    pipeline.items.append(item(7, geometry=None, bbox=None))
    planned = pipeline.plan("b")
    pipeline.work(planned, is_reconciled=False)
    key = f"ndvi/2026/11/{scene_id(7)}/{scene_id(7)}.json"
    odd = {
        "datetime": "yesterday",
        "platform": ["a"],
        "id": 3,
        "eo:cloud_cover": "much",
        "nested": {"a": [1, {"b": 2}]},
    }
    assets = {"ndvi": {"href": f"./{scene_id(7)}_ndvi.tif", "bands": {"a": 1}, "n": 1}, "preview": {"href": "s3://b/c"}}
    pipeline.outputs.write_json(key, pipeline.outputs.read_json(key) | {"properties": odd, "assets": assets})

    pipeline.close(planned)

    assert table(pipeline, tmp_path, "id, platform")[-1] == (scene_id(7), None)
    assert rustac.read_sync(str(tmp_path / "items.parquet"))["features"][0]["properties"]["platform"] == "sentinel-2b"
