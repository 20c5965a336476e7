"""The rows that ReconcileBatch left of a run which never came to its close.

They say of each product what its Item would, and a batch's are one object: of a hundred thousand products that an
aborted run left, the Items would be as many requests.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from isal import igzip

from geocadence.bucket import Bucket
from geocadence.committed import Committed
from geocadence.fast_json import loads
from geocadence.layout import RunLayout
from geocadence.plan.claims import Claim

# Batches whose rows are held at the same time.
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class LeftRow:
    """A product's row for the table, as it is to go there, and what the next runs need to know of it."""

    line: bytes
    datetime: str | None
    known: Committed


def rows_left(inputs: Bucket, layout: RunLayout) -> Iterator[list[LeftRow]]:
    """Those of some batches at a time."""
    keys = (found.key for found in inputs.listing(layout.results) if layout.is_of_rows(found.key))
    while some := list(islice(keys, _AT_ONCE)):
        packed = inputs.read_many(some).values()
        yield [_row(line) for lines in packed if lines for line in igzip.decompress(lines).splitlines(keepends=True)]


def products_left(
    inputs: Bucket, pipeline: str, dead: Iterable[Claim], *, scenes: Collection[str]
) -> dict[str, Committed]:
    """What runs that ended without a close had reconciled of these scenes, each as the last of them did."""
    found: dict[str, Committed] = {}
    for claim in sorted(dead, key=lambda claim: claim.planned_at):
        for rows in rows_left(inputs, RunLayout(pipeline, claim.run_id)):
            found |= {row.known.scene: row.known for row in rows if row.known.scene in scenes}
    return found


def _row(line: bytes) -> LeftRow:
    """Known by the baseline that the product's own Item says, if it does."""
    row = loads(line)
    made_from = row.get("s2:processing_baseline")
    known = Committed(
        row["id"],
        row["geocadence:acquisition"],
        made_from if isinstance(made_from, str) else "",
        row["geocadence:recipe"],
        row["geocadence:etag"],
        tuple(row["geocadence:files"]),
        None,
        row["geocadence:modified"],
    )
    return LeftRow(line, row["datetime"], known)
