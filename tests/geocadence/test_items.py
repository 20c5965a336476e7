"""The source `items`: a file of scenes, chosen from as from an API, and refused where it is too large to be held."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb
import pytest
import requests
import rustac

from geocadence.bucket import Bucket
from geocadence.catalogue import item_collection
from geocadence.catalogue.http import CatalogueRefused, CatalogueUnavailable
from geocadence.catalogue.item_collection import read_item_collection
from geocadence.close.items_table import Entry, commit_items, row_of
from geocadence.execution_input import InvalidInput
from geocadence.products import Product
from tests.geocadence.pipeline import Pipeline
from tests.geocadence.scenes import AREA, STARTED, definition, far_away, item, items_source, scene_id, verdicts

SMALL = json.dumps({"type": "FeatureCollection", "features": [item(0)]}).encode()


@pytest.fixture(params=["items.json", "items.parquet"])
def pipeline(request: pytest.FixtureRequest, inputs: Bucket, outputs: Bucket, tmp_path: Path) -> Pipeline:
    """Over eight scenes and one far away, as a file in S3."""
    scenes = [item(n) for n in range(8)] + [far_away()]
    for n, each in enumerate(scenes):
        each["properties"]["platform"] = "sentinel-2a" if n % 2 else "sentinel-2b"
    rustac.write_sync(str(tmp_path / request.param), scenes)
    inputs.write(request.param, (tmp_path / request.param).read_bytes(), content_type="application/x")
    made = Pipeline(inputs, outputs, scenes)
    made.definition["source"] = definition(items={"href": inputs.uri(request.param)})["source"]
    return made


def taken(pipeline: Pipeline, asked: dict[str, Any] | None = None, **source: Any) -> list[int]:
    """The scenes that a plan takes, by their days."""
    pipeline.definition["source"]["items"] |= source
    found = pipeline.decisions(pipeline.plan("a", asked))
    return [n for n in range(8) if found.get(scene_id(n), ("", ""))[0] == "new"]


def test_all_that_is_listed_is_taken_where_nothing_chooses(pipeline: Pipeline) -> None:
    assert taken(pipeline) == list(range(8))


def test_an_area_rejects_what_lies_outside(pipeline: Pipeline) -> None:
    source = {"area": "areas/test.geojson", "geometry": AREA}

    assert taken(pipeline, **source) == list(range(8))
    decisions = pipeline.decisions(pipeline.plan("b"))
    assert decisions["S2B_FAR_AWAY"] == ("rejected", "its footprint does not touch the area")
    with pytest.raises(InvalidInput, match=r"names what s3://\S+ over areas/test.geojson does not have: S2X"):
        taken(pipeline, {"scenes": ["S2X"]})


def test_a_query_says_which_scenes_are_meant_and_rejects_those_that_are_not_good_enough(pipeline: Pipeline) -> None:
    query = {"platform": {"eq": "sentinel-2b"}, "eo:cloud_cover": {"lt": 20}}

    assert taken(pipeline, query=query) == [0, 2]
    decisions = pipeline.decisions(pipeline.plan("b"))
    assert decisions[scene_id(4)] == ("rejected", "its eo:cloud_cover is 20 (the query asks for below 20)")
    assert scene_id(1) not in decisions


def test_a_filter_leaves_out_what_it_does_not_mean(pipeline: Pipeline) -> None:
    assert taken(pipeline, filter="\"eo:cloud_cover\" < 20 AND platform = 'sentinel-2b'") == [0, 2]


def test_a_lookback_bounds_the_window_of_a_run(pipeline: Pipeline) -> None:
    # Runs start on 22 November at 6, scenes are of the first eight days at 11:21:19.
    assert taken(pipeline, lookback="P17D") == [4, 5, 6, 7]
    assert taken(pipeline, {"window": {"end": "2026-11-06T00:00:00Z"}}, lookback="P2D") == [3, 4]
    assert taken(pipeline, {"window": {"start": "2026-11-01", "end": "2026-11-03"}}, lookback="P1D") == [0, 1]


def test_scenes_that_are_asked_for_by_name_are_taken_whatever_chooses_but_for_the_area(pipeline: Pipeline) -> None:
    choice = {"lookback": "P1D", "query": {"eo:cloud_cover": {"lt": 1}}, "filter": "platform = 'none'"}
    asked = {"scenes": [scene_id(7), "S2B_FAR_AWAY"]}

    assert taken(pipeline, asked, **choice, area="areas/test.geojson", geometry=AREA) == [7]


def test_scenes_that_are_asked_for_by_name_and_a_window_are_those_in_the_window(pipeline: Pipeline) -> None:
    asked = {"scenes": [scene_id(1), scene_id(7)]}

    assert taken(pipeline, asked | {"window": {"start": "2026-11-05"}}) == [7]
    # An end alone is the schedule's way to say when it is.
    assert taken(pipeline, asked | {"window": {"end": "2026-11-05"}}) == [1, 7]


def test_json_that_is_too_large_is_refused_before_it_is_read(
    inputs: Bucket, outputs: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_collection, "MOST_JSON", len(SMALL) - 1)
    monkeypatch.setattr("shutil.copyfileobj", lambda *_: pytest.fail("it is read"))
    inputs.write("items.json", SMALL, content_type="application/json")
    pipeline = Pipeline(inputs, outputs, [])
    pipeline.definition["source"] = definition(items={"href": inputs.uri("items.json")})["source"]

    with pytest.raises(InvalidInput) as refusal:
        pipeline.plan("a")

    assert str(refusal.value) == (
        f"{inputs.uri('items.json')} has more than 0 MB of JSON, 0 MB at least, which would be held in memory whole "
        "(make it stac-geoparquet, which is read row by row: rustac translate items.json items.parquet)"
    )


def test_a_table_that_is_too_large_for_the_disk_is_refused(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_collection, "MOST_TABLE", 100)
    monkeypatch.setattr(item_collection, "MOST_JSON", 100)

    with pytest.raises(InvalidInput, match=r"items\.(json has more than 0 MB of JSON|parquet has more than 0 GB)"):
        pipeline.plan("a")


@contextmanager
def https(monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, **headers: str) -> Iterator[str]:
    """The address of a file behind a server; it is spoken to without TLS."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    usual = requests.Session.get
    monkeypatch.setattr(
        requests.Session, "get", lambda self, href, **kw: usual(self, href.replace("https:", "http:"), **kw)
    )
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{server.server_port}/items.json"
    finally:
        server.shutdown()
        server.server_close()


def read(href: str) -> list[str]:
    source = {"href": href}
    return [each["id"] for each in read_item_collection(source, fetch_s3=lambda *_: pytest.fail("this is no S3"))]


@pytest.mark.parametrize("headers", [{"Content_Length": str(len(SMALL))}, {}], ids=["length said", "length unsaid"])
def test_a_file_behind_https_is_read_and_refused_by_its_size(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    with https(monkeypatch, 200, SMALL, **headers) as href:
        assert read(href) == [scene_id(0)]
        monkeypatch.setattr(item_collection, "MOST_JSON", len(SMALL) - 1)
        with pytest.raises(CatalogueRefused, match="MB of JSON"):
            read(href)


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (404, CatalogueRefused, "is not there"),
        (403, CatalogueRefused, "refused with HTTP 403"),
        (501, CatalogueUnavailable, "gave HTTP 501"),
    ],
)
def test_what_a_server_says_of_a_file_is_told(
    monkeypatch: pytest.MonkeyPatch, status: int, error: type[Exception], sentence: str
) -> None:
    with https(monkeypatch, status, b"") as href, pytest.raises(error, match=sentence):
        read(href)


def test_an_answer_that_breaks_off_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        https(monkeypatch, 200, SMALL[:100], Content_Length=str(len(SMALL))) as href,
        pytest.raises(CatalogueUnavailable, match="gave no answer"),
    ):
        read(href)


def test_an_item_collection_is_filtered_by_a_given_window_only(plan: Any) -> None:
    resolved = definition(items=items_source([item(n) for n in range(5)]))

    assert plan(resolved)["planned"] == 5
    assert plan(resolved, {"window": {"start": "2026-11-03", "end": "2026-11-04"}})["planned"] == 1
    # As the schedule gives it; a window that starts nowhere ends all the same.
    assert plan(resolved, {"window": {"end": "2026-11-04"}})["planned"] == 3
    assert plan(resolved, {"window": {"end": "2026-11-04"}, "scenes": [scene_id(4)]})["planned"] == 1


def test_an_item_collection_in_s3_gets_absolute_hrefs(plan: Any, inputs: Bucket) -> None:
    beside = item(0, assets={"red": {"href": "./images/B04.tif"}})
    inputs.write_json("catalogue/items.json", {"type": "FeatureCollection", "features": [beside]})

    plan(definition(items={"href": inputs.uri("catalogue/items.json")}))

    written = inputs.read_json(f"ndvi/runs/20261122T060000Z-0a1b2c3d/batches/0/{scene_id(0)}.json")
    assert written["assets"]["red"]["href"] == inputs.uri("catalogue/images/B04.tif")


def test_stac_geoparquet_in_s3_is_read_as_its_items(plan: Any, inputs: Bucket, tmp_path: Path) -> None:
    given = [item(0), item(1, assets={"red": {"href": "./B04.tif", "file:size": 7}, "nir": {"href": "s3://a/B08.tif"}})]
    rustac.write_sync(str(tmp_path / "items.parquet"), given)
    inputs.write("catalogue/items.parquet", (tmp_path / "items.parquet").read_bytes(), content_type="application/x")

    result = plan(definition(items={"href": inputs.uri("catalogue/items.parquet")}))

    assert verdicts(result) == {scene_id(0): "new", scene_id(1): "new"}
    written = inputs.read_json(f"ndvi/runs/20261122T060000Z-0a1b2c3d/batches/0/{scene_id(1)}.json")
    assert written["properties"] == given[1]["properties"]
    assert written["geometry"] == given[1]["geometry"]
    assert written["bbox"] == given[1]["bbox"]
    assert written["assets"] == {
        "red": {"href": inputs.uri("catalogue/B04.tif"), "file:size": 7},
        "nir": {"href": "s3://a/B08.tif"},
    }


@pytest.mark.parametrize("version", ["V1", "V2", "NONE"])
def test_geometries_are_read_by_whatever_type_a_table_has_them(
    plan: Any, inputs: Bucket, tmp_path: Path, version: str
) -> None:
    """WKB, or Parquet's own type of them, which newer writers take; beside the footprint, too, as rio-stac has them."""
    given = item(0, properties=item(0)["properties"] | {"proj:geometry": item(1)["geometry"], "proj:epsg": 4326})
    listed, table = tmp_path / "listed.parquet", tmp_path / "items.parquet"
    rustac.write_sync(str(listed), [given])
    duckdb.sql(f"COPY (FROM '{listed}') TO '{table}' (GEOPARQUET_VERSION '{version}')")
    inputs.write("items.parquet", table.read_bytes(), content_type="application/x")

    plan(definition(items={"href": inputs.uri("items.parquet")}))

    written = inputs.read_json(f"ndvi/runs/20261122T060000Z-0a1b2c3d/batches/0/{scene_id(0)}.json")
    assert written["geometry"] == given["geometry"]
    assert written["properties"] == given["properties"]


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMPTZ", "TIMESTAMPTZ_NS"])
def test_times_are_read_by_whatever_type_a_table_has_them(plan: Any, inputs: Bucket, tmp_path: Path, kind: str) -> None:
    """pandas, and so GeoPandas, counts nanoseconds."""
    listed, table = tmp_path / "listed.parquet", tmp_path / "items.parquet"
    rustac.write_sync(str(listed), [item(0)])
    duckdb.sql(f"FROM '{listed}'").select(f"* REPLACE (datetime::{kind} AS datetime)").write_parquet(str(table))
    inputs.write("items.parquet", table.read_bytes(), content_type="application/x")

    plan(definition(items={"href": inputs.uri("items.parquet")}))

    written = inputs.read_json(f"ndvi/runs/20261122T060000Z-0a1b2c3d/batches/0/{scene_id(0)}.json")
    assert written["properties"] == item(0)["properties"]


def test_a_broken_table_is_told_as_such(plan: Any, inputs: Bucket, tmp_path: Path) -> None:
    table = tmp_path / "items.parquet"
    rustac.write_sync(str(table), [item(n) for n in range(50)])
    whole = table.read_bytes()
    inputs.write("items.parquet", whole[:4] + bytes(400) + whole[404:], content_type="application/x")

    with pytest.raises(InvalidInput, match=r"items\.parquet can't be read: .+ \(source\.items\.href must name"):
        plan(definition(items={"href": inputs.uri("items.parquet")}))


def test_a_box_is_read_as_a_list_too(plan: Any, inputs: Bucket, tmp_path: Path) -> None:
    listed, table = tmp_path / "listed.parquet", tmp_path / "items.parquet"
    rustac.write_sync(str(listed), [item(0)])
    box = "* REPLACE ([bbox.xmin, bbox.ymin, bbox.xmax, bbox.ymax] AS bbox)"
    duckdb.sql(f"FROM '{listed}'").select(box).write_parquet(str(table))
    inputs.write("items.parquet", table.read_bytes(), content_type="application/x")

    result = plan(definition(items={"href": inputs.uri("items.parquet")}))

    assert [decision["bbox"] for decision in result["document"]["decisions"]] == [item(0)["bbox"]]


def test_a_geometry_that_can_not_be_read_decides_nothing(plan: Any, inputs: Bucket, tmp_path: Path) -> None:
    listed, table = tmp_path / "listed.parquet", tmp_path / "items.parquet"
    rustac.write_sync(str(listed), [item(0)])
    duckdb.sql(f"FROM '{listed}'").select("* REPLACE ('no WKB'::BLOB AS geometry)").write_parquet(str(table))
    inputs.write("items.parquet", table.read_bytes(), content_type="application/x")

    assert verdicts(plan(definition(items={"href": inputs.uri("items.parquet")}))) == {scene_id(0): "new"}


def test_items_without_assets_are_rejected_one_by_one_though_their_table_has_no_column_for_any(
    plan: Any, inputs: Bucket, tmp_path: Path
) -> None:
    rustac.write_sync(str(tmp_path / "items.parquet"), [item(n, assets={}) for n in range(2)])
    assert "assets" not in duckdb.sql(f"FROM '{tmp_path}/items.parquet'").columns
    inputs.write("items.parquet", (tmp_path / "items.parquet").read_bytes(), content_type="application/x")

    result = plan(definition(items={"href": inputs.uri("items.parquet")}))

    reasons = {d["id"]: (d["decision"], d["reason"]) for d in result["document"]["decisions"]}
    assert reasons == {scene_id(n): ("rejected", "it has no assets") for n in range(2)}


def test_assets_that_the_table_of_another_pipeline_has_no_columns_for_are_told(
    plan: Any, inputs: Bucket, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    for n, names in enumerate([["ndvi", *range(99)], ["ndvi", *range(100, 140)], range(200, 240)]):
        product = item(n, assets={f"map_{name}": {"href": f"./{name}.tif"} for name in names})
        made = Product(
            product["id"], f"maps/2026/11/{product['id']}/{product['id']}.json", product, STARTED, "", 0, (), ()
        )
        row = row_of(Entry(made, made.scene, "", "", product["geometry"]), inputs, "maps")
        rows.write_text(json.dumps(row) + "\n")
        commit_items(inputs, "maps", rows, after=tmp_path / "after.parquet", scratch=tmp_path)

    result = plan(definition(items={"href": inputs.uri("maps/items.parquet")}))

    assert {d["id"]: d["reason"] for d in result["document"]["decisions"]} == {
        scene_id(0): "no product yet",
        scene_id(1): "no product yet",
        scene_id(2): "the table that lists it has no columns for its 40 assets, which its Item has "
        f"({inputs.uri(f'maps/2026/11/{scene_id(2)}/{scene_id(2)}.json')})",
    }
    assert result["document"]["note"] == (
        f"1 of the scenes, {scene_id(1)} first, have assets that the table that lists them has no columns for "
        "(geocadence:assets_left_out): their jobs get the others; the scenes' own Items have all"
    )
    written = inputs.read_json(f"ndvi/runs/20261122T060000Z-0a1b2c3d/batches/0/{scene_id(1)}.json")
    assert list(written["assets"]) == ["map_ndvi"]
    assert written["properties"]["geocadence:assets_left_out"] == 40


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"PK", "is no Parquet file"),
        (None, "is not there"),
        ("1 AS a", "is no stac-geoparquet: it has no column id"),
        ("'a' AS id, ''::BLOB AS geometry", "is no stac-geoparquet: it has no column assets"),
        (
            "'a' AS id, [] AS assets, 'POINT (0 0)' AS geometry",
            "is no stac-geoparquet: its geometry is VARCHAR",
        ),
    ],
)
def test_what_is_no_stac_geoparquet_is_refused(
    plan: Any, inputs: Bucket, tmp_path: Path, content: Any, sentence: str
) -> None:
    if isinstance(content, str):
        duckdb.sql(f"COPY (SELECT {content}) TO '{tmp_path}/a.parquet'")
        content = (tmp_path / "a.parquet").read_bytes()
    if content is not None:
        inputs.write("items.parquet", content, content_type="application/x")

    with pytest.raises(InvalidInput) as refusal:
        plan(definition(items={"href": inputs.uri("items.parquet")}))

    assert str(refusal.value).startswith(f"{inputs.uri('items.parquet')} {sentence}")


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("UPPER(platform) = 'SENTINEL-2B'", "can't be evaluated here: UPPER is none of CQL2's own operators"),
        ({"op": "lt", "args": [{"property": "eo:cloud_cover"}, 60]}, "lt is none of CQL2's own operators"),
        ("\"eo:cloud_cover\" < '60'", "can't be evaluated for all: of one it leaves 0 < '60'"),
        ("platform = 'none' AND \"eo:cloud_cover\" < '60' OR \"eo:cloud_cover\" < '60'", "can't be evaluated for all"),
    ],
)
def test_a_filter_that_cannot_be_evaluated_ends_the_run(pipeline: Pipeline, expression: Any, told: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(told)):
        taken(pipeline, filter=expression)


@pytest.mark.parametrize("expression", ["nothing < 3", "T_AFTER(datetime, TIMESTAMP('2030-01-01T00:00:00Z'))"])
def test_a_filter_that_is_true_of_nothing_ends_no_run(pipeline: Pipeline, expression: str) -> None:
    assert taken(pipeline, filter=expression) == []
