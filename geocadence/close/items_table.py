"""`items.parquet`: stac-geoparquet of all committed products (https://github.com/radiantearth/stac-geoparquet-spec).

It is the catalogue's one truth: a product is committed when its row is in. DuckDB merges what is new into what was
there, by the columns' names and out of memory where it has to, and the result takes the place of the file that was
read and of no other (a conditional write), so that readers see the one or the other, and two runs that close at the
same time both end up in it. Rows leave where newer ones of the same acquisition cover them, by what is in the table
then and not by what a plan had in mind: a version that never came about replaces nothing.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb
import shapely

from geocadence.bucket import Bucket, Conflict
from geocadence.catalogue.geoparquet import connect
from geocadence.close.asset_names import make_fit
from geocadence.committed import Committed, geometry_of, ground_of
from geocadence.instants import format_instant, parse_instant
from geocadence.layout import collection_key, items_key
from geocadence.long_json import compact
from geocadence.plan.versions import leaving
from geocadence.products import Product
from geocadence.table import LEFT_OUT, OURS, literal, quoted, rows_of, without_uuids
from geocadence.tries import tries

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/vnd.apache.parquet"
_TOP = {"type", "stac_version", "stac_extensions", "id", "geometry", "bbox", "links", "assets", "collection"}
# The only columns of time: other texts stay texts, whatever they look like.
_TIMES = ("datetime", "start_datetime", "end_datetime", "created", "updated")
_JSON = re.compile(r"\bJSON\b")
_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
_ONLY_IDS = "columns = {id: 'VARCHAR'}"


@dataclass(frozen=True)
class Entry:
    """A product to be committed, and what the catalogue is to know of where it comes from."""

    product: Product
    acquisition: str
    baseline: str
    recipe: str
    footprint: Any  # GeoJSON of the source scene, as far as it is known

    @classmethod
    def of(cls, decision: dict[str, Any], product: Product, recipe: str, footprint: Any) -> Entry:
        """By the plan's decision on its scene."""
        return cls(product, decision.get("acquisition", product.scene), decision.get("baseline", ""), recipe, footprint)


def commit_items(
    outputs: Bucket,
    pipeline: str,
    rows: Path,
    *,
    after: Path,
    scratch: Path,
    grounds: Mapping[str, Any] = MappingProxyType({}),
    check: Callable[[], None] = lambda: None,
) -> str | None:
    """Bring the table up to date by `rows`, JSON lines; what has the id of one of them makes way.

    So does what newer rows of its acquisition cover, whoever made it; without rows that is all that is done. The table
    lies in `after` then, and its ETag is returned: None where there is none yet. `grounds` are footprints (GeoJSON) of
    scenes whose rows are of earlier code, which kept their products' only. `check` may raise where the rows are
    not to go in any more; it is called between reading a state of the table and taking its place.
    """
    key, before, settled = items_key(pipeline), scratch / "before.parquet", scratch / "settled.parquet"
    is_new = rows.stat().st_size > 0
    for _ in tries():
        etag = outputs.fetch(key, before)
        check()
        if is_new:
            _merge_what_fits(before if etag else None, rows, after, scratch=scratch)
        elif etag:
            before.replace(after)
        else:
            return None
        if outdone := leaving(_of_split_acquisitions(after, grounds, scratch)):
            leave_out(outdone, after, settled, scratch=scratch)
            settled.replace(after)
        elif not is_new:
            return etag
        try:
            return outputs.replace_file(key, after, etag=etag, content_type=MEDIA_TYPE)
        except Conflict:
            log.info("another run changed the table; merging again", extra={"key": key})
    raise RuntimeError(f"{outputs.uri(key)} kept changing while this run tried to add to it")


def _of_split_acquisitions(table: Path, grounds: Mapping[str, Any], scratch: Path) -> list[Committed]:
    """The rows of acquisitions that have more than one."""
    columns = ", ".join(f'"geocadence:{name}"' for name in ("baseline", "footprint"))
    with connect(scratch=scratch) as connection:
        found = connection.execute(
            f'WITH rows AS (SELECT id, "geocadence:acquisition" AS of_one, {columns}, geometry '  # noqa: S608
            f"FROM {rows_of(connection, table)}) "
            "FROM rows WHERE of_one IN (SELECT of_one FROM rows GROUP BY of_one HAVING count(*) > 1)"
        ).fetchall()
    rows = [
        Committed(scene, of_one, made_from or "", "", "", (), ground_of(lies, geometry), is_placed=lies is not None)
        for scene, of_one, made_from, lies, geometry in found
    ]
    return [row if row.is_placed else row.placed(grounds.get(row.scene)) for row in rows]


def _merge_what_fits(before: Path | None, rows: Path, after: Path, *, scratch: Path) -> None:
    """Merge the rows with as much of what Items say of themselves as the table can take.

    A script of others may give a property another type than before, and a product that is not in the table is paid
    for again by each run: so the row goes in, whatever else has to stay out.
    """
    before, rows = make_fit(before, rows, scratch=scratch)
    reduced = scratch / "reduced.jsonl"
    for lines, reduce in ((rows, None), (reduced, _plain), (reduced, _bare)):
        if reduce is not None:
            _write_reduced(rows, reduced, reduce)
        try:
            merge(before, lines, after, scratch=scratch)
            return
        except duckdb.Error as error:
            if reduce is _bare:
                raise
            log.warning("the items' own fields don't fit the table; left out", extra={"error": str(error)[:500]})


def _write_reduced(rows: Path, reduced: Path, reduce: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    with rows.open(encoding="utf-8") as lines, reduced.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(compact(reduce(json.loads(line))) + "\n")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row with texts and numbers only for what its Item says of itself and its assets."""
    assets = {
        name: {field: asset[field] for field in ("href", "type", "title") if isinstance(asset.get(field), str)}
        for name, asset in row.get("assets", {}).items()
    }
    ours = {name: value for name, value in row.items() if name in _TOP or name.startswith("geocadence:")}
    scalars = {name: value for name, value in row.items() if isinstance(value, str | int | float)}
    return scalars | ours | ({"assets": assets} if assets else {})


def _bare(row: dict[str, Any]) -> dict[str, Any]:
    """A row with nothing of its Item but what every row has, and where its files are.

    Names are lower case: to DuckDB `NDVI` and `ndvi` are one, which no row may have twice.
    """
    assets = {name.lower(): {"href": str(asset.get("href"))} for name, asset in row.get("assets", {}).items() if name}
    ours = {name: value for name, value in row.items() if name in _TOP or name.startswith("geocadence:")}
    return ours | {"datetime": row["datetime"]} | ({"assets": assets} if assets else {})


def row_of(entry: Entry, outputs: Bucket, pipeline: str) -> dict[str, Any]:
    """A product's Item as a row, JSON of it; what a script of others wrote is taken as far as it makes sense."""
    product, item = entry.product, entry.product.item
    folder = outputs.uri(product.key.rpartition("/")[0] + "/")
    footprint, bbox = _footprint(item)
    ground = geometry_of(entry.footprint)
    properties = item.get("properties") if isinstance(item.get("properties"), dict) else {}
    links = [
        {"rel": "self", "href": outputs.uri(product.key), "type": "application/geo+json"},
        {"rel": "collection", "href": outputs.uri(collection_key(pipeline)), "type": "application/json"},
    ]
    return {
        "type": "Feature",
        "stac_version": str(item.get("stac_version") or "1.1.0"),
        "stac_extensions": [text for text in item.get("stac_extensions") or () if isinstance(text, str)],
        "id": product.scene,
        "collection": pipeline,
        "geometry": shapely.to_wkb(footprint, hex=True) if footprint is not None else None,
        "bbox": dict(zip(("xmin", "ymin", "xmax", "ymax"), bbox, strict=True)) if bbox else None,
        "links": links,
        "assets": _named(
            {n: _absolute(asset, folder) for n, asset in item["assets"].items() if isinstance(asset, dict)}
        ),
        **{name: value for name, value in properties.items() if name and value is not None and not _is_ours(name)},
        **{name: _moment(properties.get(name)) for name in _TIMES if name == "datetime" or name in properties},
        "geocadence:acquisition": entry.acquisition,
        "geocadence:baseline": entry.baseline,
        "geocadence:recipe": entry.recipe,
        "geocadence:etag": product.etag,
        "geocadence:files": list(product.files),
        "geocadence:modified": format_instant(product.modified),
        # Versions make way by where their scenes lie; a script may say of its products what it likes.
        "geocadence:footprint": shapely.to_wkt(ground) if ground is not None and ground != footprint else "",
    }


def merge(before: Path | None, lines: Path, after: Path, *, scratch: Path) -> None:
    """Write `after`: the new rows, and those of `before` that have none of their ids, in the order of time."""
    with connect(scratch=scratch) as connection:
        parts = [_fresh(connection, lines)]
        if before is not None:
            parts.insert(0, _but(connection, f"SELECT id FROM {_lines(lines, _ONLY_IDS)}", before))  # noqa: S608
        _write(connection, " UNION ALL BY NAME ".join(parts), after)


def leave_out(ids: Collection[str], table: Path, after: Path, *, scratch: Path) -> None:
    """Write `after`: the table without these ids."""
    with connect(scratch=scratch) as connection:
        _write(connection, _but(connection, "SELECT unnest(?::VARCHAR[]) AS id", table, [sorted(ids)]), after)


def _but(connection: duckdb.DuckDBPyConnection, ids: str, table: Path, values: Sequence[Any] = ()) -> str:
    """The query for a table's rows but those of some ids, which are another's to give."""
    connection.execute(f"CREATE TEMP TABLE gone AS {ids}", values)
    return f"SELECT * FROM {rows_of(connection, table)} WHERE id NOT IN (SELECT id FROM gone)"  # noqa: S608


def _write(connection: duckdb.DuckDBPyConnection, rows: str, after: Path) -> None:
    connection.execute(f"CREATE TEMP VIEW merged AS {rows}")
    metadata = _metadata(connection).replace("'", "''")
    connection.execute(
        f"COPY (SELECT * FROM merged ORDER BY datetime, id) TO {_text(after)} "  # noqa: S608
        f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 10240, KV_METADATA {{geo: '{metadata}', "
        "'stac-geoparquet': '{\"version\":\"1.0.0\"}'})"
    )


def _fresh(connection: duckdb.DuckDBPyConnection, lines: Path) -> str:
    """The query for the new rows, whose types DuckDB finds by looking at all of them."""
    # A format that nothing has keeps texts from being read as times; thresholds, objects from becoming maps.
    read = _lines(
        lines,
        "sample_size = -1, map_inference_threshold = -1, field_appearance_threshold = 0, dateformat = '%%', "
        "timestampformat = '%%', convert_strings_to_integers = false",
    )
    kinds = {n: kind for n, kind, *_ in connection.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()}  # noqa: S608
    if texts := without_uuids(kinds):
        kinds |= texts
        columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in kinds.items())
        read = _lines(lines, f"columns = {{{columns}}}, dateformat = '%%', timestampformat = '%%'")
    casts = {
        # Where Items disagree on a type DuckDB leaves JSON, which no other type can be merged with but text.
        **{n: _as_text(n, kind) for n, kind in kinds.items() if _JSON.search(kind)},
        "geometry": "unhex(CAST(geometry AS VARCHAR))",
        "bbox": "CAST(bbox AS STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE))",
        "stac_extensions": "CAST(stac_extensions AS VARCHAR[])",
        "geocadence:footprint": 'CAST("geocadence:footprint" AS VARCHAR)',
        **{name: f"strptime(CAST({name} AS VARCHAR), '{_FORMAT}') :: TIMESTAMPTZ" for name in _TIMES},
    }
    replaced = ", ".join(f"{cast} AS {quoted(name)}" for name, cast in casts.items() if name in kinds)
    return f"SELECT * REPLACE ({replaced}) FROM {read}"  # noqa: S608 (all of it is ours)


def _lines(lines: Path, options: str) -> str:
    return f"read_json({_text(lines)}, format = 'newline_delimited', maximum_object_size = 4194304, {options})"


def _as_text(name: str, kind: str) -> str:
    return f"{quoted(name)} ->> '$'" if kind == "JSON" else f"CAST({quoted(name)} AS {_JSON.sub('VARCHAR', kind)})"


def _metadata(connection: duckdb.DuckDBPyConnection) -> str:
    """https://geoparquet.org/releases/v1.1.0/"""
    corners = connection.execute(
        "SELECT min(bbox.xmin), min(bbox.ymin), max(bbox.xmax), max(bbox.ymax) FROM merged"
    ).fetchone()
    covering = {name: ["bbox", name] for name in ("xmin", "ymin", "xmax", "ymax")}
    column: dict[str, Any] = {"encoding": "WKB", "geometry_types": [], "covering": {"bbox": covering}}
    if corners and None not in corners:
        column["bbox"] = list(corners)
    return json.dumps({"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}})


def _footprint(item: dict[str, Any]) -> tuple[Any, list[float] | None]:
    made = geometry_of(item.get("geometry"))
    bbox = item.get("bbox")
    if not (isinstance(bbox, list) and len(bbox) in (4, 6) and all(_is_number(number) for number in bbox)):
        return made, list(made.bounds) if made is not None else None
    return made, [float(number) for number in (*bbox[:2], *bbox[len(bbox) // 2 :][:2])]


def _absolute(asset: dict[str, Any], folder: str) -> dict[str, Any]:
    """A table is read from anywhere, so its hrefs lead from anywhere."""
    href = asset.get("href")
    if not isinstance(href, str) or "://" in href:
        return asset
    return asset | {"href": folder + href.removeprefix("./")}


def _is_ours(name: str) -> bool:
    """Whether a property is called as a column of ours is, which to DuckDB it is in capitals, too."""
    lower = name.lower()
    return lower in _TOP or lower in OURS or lower == LEFT_OUT or (lower in _TIMES and name != lower)


def _named(value: Any) -> Any:
    """Without what has no name: one makes JSON of its object to DuckDB, and a text of all assets in the table."""
    if isinstance(value, dict):
        return {name: _named(each) for name, each in value.items() if name}
    return [_named(each) for each in value] if isinstance(value, list) else value


def _moment(text: Any) -> str | None:
    try:
        return parse_instant(text).strftime(_FORMAT)
    except (ValueError, TypeError):  # a script of the user's may write what it likes
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _text(path: Path) -> str:
    return literal(str(path))
