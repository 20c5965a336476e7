"""ReconcileBatch: what became of a batch's scenes, and the rows of its products for the table.

Each batch is looked at as soon as its job has ended, however it did, so that CloseRun has only to put together what is
there already. Where this step itself failed, CloseRun takes it.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from geocadence.bucket import Bucket
from geocadence.close.items_table import Entry, row_of
from geocadence.close.reconcile import Status, read_failures, reconcile
from geocadence.close.record import scene_entry
from geocadence.fast_json import loads
from geocadence.instants import parse_instant
from geocadence.layout import BATCH_TAGS, RunLayout
from geocadence.long_json import compact
from geocadence.plan.slices import CONTENT_TYPE, read_slice
from geocadence.products import find_products

_HEAD = 4 << 10


@dataclass(frozen=True)
class BatchResult:
    """Packed JSON lines. `told` has a head, then the batch's entries of run.json; `rows` is for the table."""

    told: bytes
    rows: bytes

    def read(self) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
        """The head, `{"failure", "produced"}`, and the entries."""
        lines = gzip.open(io.BytesIO(self.told))  # noqa: SIM115 (of bytes in memory)
        return loads(next(lines)), map(loads, lines)


def reconcile_batch(
    inputs: Bucket, outputs: Bucket, layout: RunLayout, batch: int, *, region: str | None, failure: str = ""
) -> BatchResult:
    """The plan's slice against what is there; a missing scene's reason is left for the run to say where it knows."""
    planned = read_slice(inputs, layout, batch)
    ground: dict[str, Any] = {}
    decisions = []
    for scene in planned.scenes():
        decisions.append(scene["decision"])
        ground[scene["decision"]["id"]] = scene["item"].get("geometry")
    products = find_products(
        outputs,
        pipeline=layout.pipeline,
        scenes=[(decision["id"], parse_instant(decision["datetime"])) for decision in decisions],
    )
    results = reconcile(decisions, products=products, planned_at=planned.planned_at)
    lost = [result.scene for result in results if result.status is Status.MISSING]
    failures = read_failures(outputs, layout, lost)
    results = [result.explained_by(failures.get(result.scene)) for result in results]
    made = [(r.decision, r.product) for r in results if r.status is Status.PRODUCED and r.product is not None]
    head = {"failure": failure, "produced": len(made)}
    entries = (scene_entry(result, layout, region) for result in results)
    rows = (
        row_of(Entry.of(decision, product, planned.recipe, ground[product.scene]), outputs, layout.pipeline)
        for decision, product in made
    )
    return BatchResult(told=packed_lines([head, *entries]), rows=packed_lines(rows))


def write_result(inputs: Bucket, layout: RunLayout, batch: int, result: BatchResult) -> None:
    """The rows first: where the rest is, they are."""
    inputs.write(layout.batch_rows(batch), result.rows, content_type=CONTENT_TYPE, tags=BATCH_TAGS)
    inputs.write(layout.batch_result(batch), result.told, content_type=CONTENT_TYPE, tags=BATCH_TAGS)


def read_result(inputs: Bucket, layout: RunLayout, batch: int) -> BatchResult | None:
    """What ReconcileBatch left; None where it did not come to that."""
    told, rows = inputs.read(layout.batch_result(batch)), inputs.read(layout.batch_rows(batch))
    return BatchResult(told, rows) if told is not None and rows is not None else None


def read_produced(inputs: Bucket, layout: RunLayout, batch: int) -> int:
    """How many products a result tells of, by its first kilobytes; where earlier code did not say it there, by all."""
    start = inputs.read_start(layout.batch_result(batch), _HEAD) or b""
    line, end, _ = zlib.decompressobj(wbits=31).decompress(start).partition(b"\n")
    if not end:  # a failure of many words
        line = gzip.decompress(inputs.read(layout.batch_result(batch)) or b"").partition(b"\n")[0]
    head = json.loads(line)
    if "produced" in head:
        return head["produced"]
    result = read_result(inputs, layout, batch)
    return sum(entry["status"] == Status.PRODUCED for entry in result.read()[1]) if result is not None else 0


def packed_lines(entries: Iterable[Any]) -> bytes:
    """JSON lines as gzip; the same bytes each time."""
    return gzip.compress(json_lines(entries), compresslevel=5, mtime=0)


def json_lines(entries: Iterable[Any]) -> bytes:
    """An entry a line, in UTF-8."""
    return "".join(compact(entry) + "\n" for entry in entries).encode()
