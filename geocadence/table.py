"""`items.parquet` as all of our code reads it: what earlier code wrote by the columns and types of today.

Whatever merges a table writes what it has read, so an old one is as today's after the next commit.
"""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

# Beside the Items' own; `footprint` is "" where the product's geometry is the scene's, and NULL in rows of code that
# knew the products' only.
OURS = {
    f"geocadence:{name}": kind
    for name, kind in {
        "acquisition": "VARCHAR",
        "baseline": "VARCHAR",
        "recipe": "VARCHAR",
        "etag": "VARCHAR",
        "files": "VARCHAR[]",
        "modified": "VARCHAR",
        "footprint": "VARCHAR",
    }.items()
}
# Of a row: how many of its product's assets it has no columns for.
LEFT_OUT = "geocadence:assets_left_out"
_UUID = re.compile(r"\bUUID\b")
# A row's first link is its Item's own, which ends in the id letter by letter; a UUID is lower case.
_ID = r"coalesce(nullif(regexp_extract(links[1].href, '([^/]+)\.json$', 1), ''), CAST(id AS VARCHAR))"


def rows_of(connection: duckdb.DuckDBPyConnection, table: Path) -> str:
    """What to select from for the rows of a table."""
    kinds = {n: kind for n, kind, *_ in connection.execute(f"DESCRIBE FROM {_file(table)}").fetchall()}
    healed = {name: f"CAST({quoted(name)} AS {texts})" for name, texts in without_uuids(kinds).items()}
    if "id" in healed:
        # An id without a form of its own is its own acquisition.
        healed |= {name: _ID for name in ("id", "geocadence:acquisition") if name in healed}
    lacking = [f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in OURS.items() if name not in kinds]
    if not healed and not lacking:
        return _file(table)
    replaced = ", ".join(f"{cast} AS {quoted(name)}" for name, cast in healed.items())
    everything = f"* REPLACE ({replaced})" if healed else "*"
    return f"(SELECT {', '.join([everything, *lacking])} FROM {_file(table)})"  # noqa: S608 (names are quoted)


def without_uuids(kinds: dict[str, str]) -> dict[str, str]:
    """Of columns the types that have texts for UUIDs, where they have any.

    DuckDB takes texts for UUIDs where all of them look like some. They are texts like others, letter by letter.
    """
    return {name: _UUID.sub("VARCHAR", kind) for name, kind in kinds.items() if _UUID.search(kind)}


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _file(table: Path) -> str:
    return f"read_parquet({literal(str(table))})"
