"""A plan's slices: what each batch has to know of the plan, so that nobody has to read all of it.

A slice is packed JSON lines: a head, then one line a scene of the batch with its decision, its Item and what its object
among the batch's is called.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from geocadence.bucket import Bucket
from geocadence.fast_json import dumps, loads
from geocadence.layout import BATCH_TAGS, RunLayout
from geocadence.plan.batches import ranked
from geocadence.plan.decision import Decision
from geocadence.plan.scene_format import STAC_ITEM
from geocadence.plan.shelf import Shelf, packed

CONTENT_TYPE = "application/gzip"
# Slices that are made at the same time, a few MB each.
_AT_ONCE = 8


@dataclass(frozen=True)
class Slice:
    """A batch as the plan has it. `planned_at` is S3's clock: what the batch's job makes is written later."""

    batch: int
    recipe: str
    scene_format: str
    planned_at: datetime
    lines: bytes

    def scenes(self) -> Iterator[dict[str, Any]]:
        """`{"object", "decision", "item"}` of each scene, in the plan's order."""
        with gzip.open(io.BytesIO(self.lines)) as file:
            next(file)
            yield from map(loads, file)

    def decisions(self) -> list[dict[str, Any]]:
        return [scene["decision"] for scene in self.scenes()]


def write_slices(
    inputs: Bucket,
    layout: RunLayout,
    batches: Sequence[Sequence[Decision]],
    *,
    instances: int,
    recipe: str,
    scene_format: str,
    shelf: Shelf,
) -> None:
    """Write a slice for each batch; ValueError where a scene's Item was not kept on the shelf."""

    def write(batch: int) -> None:
        head = packed(dumps({"batch": batch, "recipe": recipe, "scene_format": scene_format}) + b"\n")
        lines = b"".join(
            _line(name, decision, batch, shelf) for name, decision in _named(batches[batch], instances=instances)
        )
        inputs.write(layout.plan_slice(batch), head + lines, content_type=CONTENT_TYPE, tags=BATCH_TAGS)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(write, range(len(batches))))


def read_slice(inputs: Bucket, layout: RunLayout, batch: int) -> Slice:
    """A batch's slice; FileNotFoundError where PlanRun has not written it."""
    key = layout.plan_slice(batch)
    lines, planned_at = inputs.read(key), inputs.modified(key)
    if lines is None or planned_at is None:
        raise FileNotFoundError(f"{inputs.uri(key)} is not there: PlanRun writes it before any job starts")
    with gzip.open(io.BytesIO(lines)) as file:
        head = loads(next(file))
    return Slice(batch, head["recipe"], head.get("scene_format", STAC_ITEM), planned_at, lines)


def _line(name: str, decision: Decision, batch: int, shelf: Shelf) -> bytes:
    if decision.place is None:
        raise ValueError(f"the Item of {decision.scene} was not kept")
    told = decision.as_json(batch=batch, shelf=shelf)
    start = dumps({"object": name, "decision": told}).removesuffix(b"}") + b',"item":'
    return packed(start) + shelf.member(decision.place) + _END


_END = packed(b"}\n")


def _named(batch: Sequence[Decision], *, instances: int) -> Iterator[tuple[str, Decision]]:
    """A batch's scenes and what their objects are called: by their rank first where bytes are to be spread."""
    known = [decision.bytes for decision in batch if decision.bytes]
    names = [decision.scene for decision in batch]
    if instances > 1 and len(set(known)) > 1:
        usual = sum(known) / len(known)
        order = ranked([decision.bytes or usual for decision in batch], instances=instances)
        for rank, position in enumerate(order):
            names[position] = f"{rank:05}_{batch[position].scene}"
    yield from zip(names, batch, strict=True)
