"""Which names of assets the table has columns for: the first hundred, of those that a row still has.

stac-geoparquet's assets are a struct: every name that an asset has anywhere is columns of all rows, and all of them are
in memory at once. What a product has beyond them is in its Item; the row says of how many assets that is so.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from geocadence.catalogue.geoparquet import connect
from geocadence.fast_json import loads
from geocadence.long_json import compact
from geocadence.table import LEFT_OUT, literal, quoted, rows_of

log = logging.getLogger(__name__)

MOST_NAMES = 100


def make_fit(before: Path | None, rows: Path, *, scratch: Path) -> tuple[Path | None, Path]:
    """The table and the new rows (JSON lines) as they fit together; other files where they don't as they are."""
    ids: set[str] = set()
    new: Counter[str] = Counter()
    with rows.open(encoding="utf-8") as lines:
        for row in map(loads, lines):
            ids.add(row["id"])
            new.update(name.lower() for name in row["assets"])  # as DuckDB tells them apart
    names = _names(before) if before is not None else {}
    if len(names.keys() | new.keys()) <= MOST_NAMES:
        return before, rows
    if before is not None and names:
        in_use = _in_use(before, names, but=ids, scratch=scratch)
        if len(in_use) < len(names):
            narrow = scratch / "narrow.parquet"
            _narrow(before, in_use.values(), narrow, scratch=scratch)
            before, names = narrow, in_use
    there = names.keys()
    more = [name for name, _ in new.most_common() if name not in there]
    kept = {*there, *more[: max(0, MOST_NAMES - len(there))]}
    if kept >= new.keys():
        return before, rows
    log.warning("assets have more names than the table takes; some are left out", extra={"most": MOST_NAMES})
    few = scratch / "few.jsonl"
    with rows.open(encoding="utf-8") as lines, few.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(compact(_of_names(json.loads(line), kept)) + "\n")
    return before, few


def _names(table: Path) -> dict[str, str]:
    """In lower case → as they are."""
    with connect() as connection:
        source = rows_of(connection, table)
        kinds = connection.execute(f"DESCRIBE SELECT assets FROM {source}").fetchall()  # noqa: S608
        if not kinds[0][1].startswith("STRUCT"):
            return {}
        fields = connection.execute(f"DESCRIBE SELECT unnest(assets) FROM {source}").fetchall()  # noqa: S608
        return {name.lower(): name for name, *_ in fields}


def _in_use(table: Path, names: Mapping[str, str], *, but: Collection[str], scratch: Path) -> dict[str, str]:
    """Those of the names that rows have which stay."""
    has = ", ".join(f"coalesce(bool_or(assets.{quoted(name)} IS NOT NULL), false)" for name in names.values())
    with connect(scratch=scratch) as connection:
        connection.execute("CREATE TEMP TABLE gone AS SELECT unnest(?::VARCHAR[]) AS id", [sorted(but)])
        rows = f"SELECT {has} FROM {rows_of(connection, table)} WHERE id NOT IN (SELECT id FROM gone)"  # noqa: S608
        found = connection.execute(rows).fetchone() or ()
    return {lower: name for (lower, name), is_used in zip(names.items(), found, strict=True) if is_used}


def _narrow(table: Path, names: Collection[str], after: Path, *, scratch: Path) -> None:
    """The table with columns for these names only."""
    fields = ", ".join(f"{quoted(name)} := assets.{quoted(name)}" for name in names)
    less = f"* REPLACE (struct_pack({fields}) AS assets)" if fields else "* EXCLUDE (assets)"
    with connect(scratch=scratch) as connection:
        rows = f"SELECT {less} FROM {rows_of(connection, table)}"  # noqa: S608 (names are quoted)
        connection.execute(f"COPY ({rows}) TO {literal(str(after))} (FORMAT parquet, ROW_GROUP_SIZE 10240)")


def _of_names(row: dict[str, Any], kept: Collection[str]) -> dict[str, Any]:
    """A row with the assets of these names, or without any column of them."""
    assets = {name: asset for name, asset in row["assets"].items() if name.lower() in kept}
    rest = {name: value for name, value in row.items() if name != "assets"}
    lost = len(row["assets"]) - len(assets)
    return rest | ({LEFT_OUT: lost} if lost else {}) | ({"assets": assets} if assets else {})
