"""What became of a run's scenes, put together from its batches and committed: scene by scene, never all at once."""

from __future__ import annotations

import gzip
import io
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from sys import intern
from typing import Any, BinaryIO

from geocadence.bucket import Bucket
from geocadence.close.batch import BatchResult, json_lines, read_result, reconcile_batch
from geocadence.close.collection import commit
from geocadence.close.items_table import Entry, commit_items, row_of
from geocadence.close.left_rows import LeftRow, rows_left
from geocadence.close.reconcile import Failure, SceneResult, Status
from geocadence.close.record import failure_entry, scene_entry
from geocadence.committed import Committed, read_committed
from geocadence.instants import format_instant, parse_instant
from geocadence.layout import RunLayout
from geocadence.long_json import compact
from geocadence.plan.claims import ClaimGone, is_entered
from geocadence.products import Product, find_products

# The report shows so many products of earlier runs; each costs a request.
SHOWN_IN_PLACE = 500
# Items that are held at the same time.
_AT_ONCE = 500

Decision = dict[str, Any]


@dataclass
class Made:
    """What a run brought about."""

    failure: str  # why a job failed, or one of our own functions
    counts: Counter[str] = field(default_factory=Counter)  # by status
    known: set[str] = field(default_factory=set)  # ids of all scenes of the plan
    sizes: list[int | None] = field(default_factory=list)  # bytes of the produced scenes' assets

    @property
    def produced(self) -> int:
        return self.counts[Status.PRODUCED]

    @property
    def lost(self) -> int:
        return self.counts[Status.FAILED] + self.counts[Status.MISSING]


def close_scenes(
    layout: RunLayout,
    plan: Mapping[str, Any],
    decisions: Callable[[], Iterator[Decision]],
    folder: Path,
    *,
    inputs: Bucket,
    outputs: Bucket,
    description: str,
    region: str | None,
    run_failure: str,
    job_failures: Mapping[int, str],
    superseded: str = "",
) -> tuple[Made, Path]:
    """Commits what was made. The file has the entries of run.json, one a line, in the order of the plan's decisions.

    `plan` is all of it but its decisions; `job_failures` is what SageMaker says of the batches' jobs. `superseded` says
    why nothing is to be committed, since the scenes are another run's by now, as is what is there of them; ClaimGone
    where that shows at the commit only.
    """

    def check() -> None:
        if plan.get("claims") and not is_entered(inputs, layout.pipeline, layout.run_id):
            raise ClaimGone(layout.run_id)

    made = Made(run_failure or superseded)
    entries, rows = folder / "scenes.jsonl", folder / "rows.jsonl"
    with entries.open("w", encoding="utf-8") as told, rows.open("wb") as lines:
        if superseded:
            of_batches = _given_up(decisions(), layout, superseded, region)
        else:
            of_batches = _of_batches(
                layout, plan["batches"], lines, made, inputs=inputs, outputs=outputs, region=region, told=job_failures
            )
        shown = _shown(decisions(), outputs, layout.pipeline)
        grounds = {}
        for decision in decisions():
            if "footprint" in decision and not decision.get("adopted"):
                grounds[decision["id"]] = decision["footprint"]
            if decision["batch"] is not None:
                entry = next(of_batches)
                if entry["id"] != decision["id"]:
                    raise RuntimeError(f"batch {decision['batch']} of {layout.folder} is of another plan")
            else:
                entry = scene_entry(_left_alone(decision, shown), layout, region)
            _count(decision, entry, made)
            told.write(compact(entry) + "\n")
        if not plan["dry_run"] and not superseded:
            _adopt(decisions, lines, inputs=inputs, outputs=outputs, pipeline=layout.pipeline)
    if plan["dry_run"] or superseded:
        return made, entries
    # First the table, which says what is done; then the collection, which is made from it: also where an earlier close
    # came no further than the table.
    table, etag = folder / "items.parquet", None
    if rows.stat().st_size or plan.get("unsettled"):
        etag = commit_items(outputs, layout.pipeline, rows, after=table, scratch=folder, grounds=grounds, check=check)
    commit(outputs, pipeline=layout.pipeline, description=description, table=table, etag=etag)
    return made, entries


def _of_batches(
    layout: RunLayout,
    batches: int,
    lines: BinaryIO,
    made: Made,
    *,
    inputs: Bucket,
    outputs: Bucket,
    region: str | None,
    told: Mapping[int, str],
) -> Iterator[dict[str, Any]]:
    """The entries of batch after batch, which is the plan's order too; their rows go to `lines`."""
    run_failure = made.failure
    for batch in range(batches):
        result: BatchResult = read_result(inputs, layout, batch) or reconcile_batch(
            inputs, outputs, layout, batch, region=region
        )
        with gzip.open(io.BytesIO(result.rows)) as rows:
            shutil.copyfileobj(rows, lines)
        head, entries = result.read()
        made.failure = made.failure or head["failure"]
        why = told.get(batch) or head["failure"] or run_failure
        for entry in entries:
            if entry["status"] == Status.MISSING and why:
                entry["failure"] = failure_entry(Failure("missing", why), run=layout.run_id, region=region)
            yield entry


def _given_up(
    decisions: Iterable[Decision], layout: RunLayout, why: str, region: str | None
) -> Iterator[dict[str, Any]]:
    for decision in decisions:
        if decision["batch"] is not None:
            yield scene_entry(SceneResult(decision, Status.MISSING, failure=Failure("missing", why)), layout, region)


def _count(decision: Decision, entry: Mapping[str, Any], made: Made) -> None:
    made.counts[entry["status"]] += 1
    made.known.add(decision["id"])
    if entry["status"] == Status.PRODUCED:
        made.sizes.append(decision.get("bytes"))


def _left_alone(decision: Decision, shown: Mapping[str, Product]) -> SceneResult:
    if decision["decision"] == "rejected":
        return SceneResult(decision, Status.REJECTED)
    if decision["decision"] == "skip":
        return SceneResult(decision, Status.SKIPPED, shown.get(decision["id"]))
    return SceneResult(decision, Status.PLANNED)  # by a dry run


def _shown(decisions: Iterable[Decision], outputs: Bucket, pipeline: str) -> dict[str, Product]:
    """Products of earlier runs that the report shows."""
    return _products(islice((d for d in decisions if d["decision"] == "skip"), SHOWN_IN_PLACE), outputs, pipeline)


def _adopt(
    decisions: Callable[[], Iterable[Decision]], lines: BinaryIO, *, inputs: Bucket, outputs: Bucket, pipeline: str
) -> None:
    """Products that a run made and never came to commit.

    Those that another run has committed or made anew by now are left. The decisions are gone through twice: with
    their footprints they would be too much to hold.
    """
    adopted = (decision for decision in decisions() if decision.get("adopted"))
    wanted = {decision["id"]: (intern(decision.get("left_by", "")), decision.get("etag")) for decision in adopted}
    if not wanted:
        return
    done = {row.scene: row for row in read_committed(outputs, pipeline, scenes=wanted, acquisitions=())}
    for run in sorted({run for run, _ in wanted.values()} - {""}):
        for rows in rows_left(inputs, RunLayout(pipeline, run)):
            of_plan = [row for row in rows if wanted.get(row.known.scene) == (run, row.known.etag)]
            for row in _still_so(of_plan, outputs, pipeline):
                del wanted[row.known.scene]
                if not _is_committed(row.known.etag, row.known.recipe, done.get(row.known.scene)):
                    lines.write(row.line)
    if not wanted:
        return
    # What no row tells of as it is: its batch was not reconciled, or it was written anew since.
    left = (decision for decision in decisions() if decision["id"] in wanted and decision.get("adopted"))
    while some := list(islice(left, _AT_ONCE)):
        products = _products(some, outputs, pipeline)
        complete = ((d, p) for d in some if (p := products.get(d["id"])) is not None and p.is_complete)
        as_planned = ((d, p) for d, p in complete if p.etag == d.get("etag"))
        found = [(d, p) for d, p in as_planned if not _is_committed(p.etag, d.get("recipe", ""), done.get(d["id"]))]
        entries = [Entry.of(d, p, d.get("recipe", ""), d.get("footprint")) for d, p in found]
        lines.write(json_lines(row_of(entry, outputs, pipeline) for entry in entries))


def _still_so(rows: list[LeftRow], outputs: Bucket, pipeline: str) -> list[LeftRow]:
    """Those whose products are in place as they say."""
    products = find_products(
        outputs,
        pipeline=pipeline,
        scenes=[(row.known.scene, parse_instant(row.datetime)) for row in rows if row.datetime],
        known={row.known.scene: row.known for row in rows},
        keeps_items=False,
    )

    def is_so(known: Committed, product: Product | None) -> bool:
        told = known.etag, known.modified
        return product is not None and product.is_complete and told == (product.etag, format_instant(product.modified))

    return [row for row in rows if is_so(row.known, products.get(row.known.scene))]


def _is_committed(etag: str, recipe: str, row: Committed | None) -> bool:
    return row is not None and row.etag == etag and (not recipe or recipe == row.recipe)


def _products(decisions: Iterable[Decision], outputs: Bucket, pipeline: str) -> dict[str, Product]:
    return find_products(
        outputs, pipeline=pipeline, scenes=[(d["id"], parse_instant(d["datetime"])) for d in decisions]
    )
