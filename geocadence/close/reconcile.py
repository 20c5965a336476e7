"""The plan against the products that are really there: what became of each scene."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum, unique
from typing import Any

from geocadence.bucket import Bucket
from geocadence.layout import RunLayout
from geocadence.products import Product


@unique
class Outcome(StrEnum):
    """What a run comes to; `empty`: there was nothing to do."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    EMPTY = "empty"
    FAILED = "failed"


@unique
class Status(StrEnum):
    """What became of a scene. Failed and missing ones were planned and have no product of this run."""

    PRODUCED = "produced"
    FAILED = "failed"  # the script wrote why
    MISSING = "missing"  # nobody wrote anything: the job ended before
    SKIPPED = "skipped"
    REJECTED = "rejected"
    PLANNED = "planned"  # a dry run


@dataclass(frozen=True)
class Failure:
    """Why a scene has no product: what the script wrote, or what became of its job."""

    failure_class: str
    reason: str


@dataclass(frozen=True)
class SceneResult:
    """What became of one decision of the plan."""

    decision: dict[str, Any] = field(repr=False)
    status: Status
    product: Product | None = None
    failure: Failure | None = None

    @property
    def scene(self) -> str:
        return self.decision["id"]

    def explained_by(self, failure: Failure | None) -> SceneResult:
        """The same, failed, where the script wrote why."""
        return self if failure is None else replace(self, status=Status.FAILED, failure=failure)


def reconcile(
    decisions: Iterable[dict[str, Any]], *, products: Mapping[str, Product], planned_at: datetime
) -> list[SceneResult]:
    """The result of each decision on a scene that was taken: produced, or missing for want of a better word.

    A product counts as this run's when its Item was written since `planned_at` (both are S3's
    clock), so that a recompute that never came about does not pass for one.
    """
    results = []
    for decision in decisions:
        product = products.get(decision["id"])
        if product is not None and product.is_complete and product.modified >= planned_at:
            results.append(SceneResult(decision, Status.PRODUCED, product))
        else:
            reason = _unexplained(product, planned_at)
            results.append(SceneResult(decision, Status.MISSING, failure=Failure("missing", reason)))
    return results


def read_failures(outputs: Bucket, layout: RunLayout, scenes: Iterable[str]) -> dict[str, Failure]:
    """Why the script says that it made nothing of `scenes`, those of which it says so."""
    keys = {layout.failure(scene): scene for scene in scenes}
    files = outputs.read_many(keys)
    return {keys[key]: as_failure(body, keys[key])[1] for key, body in files.items() if body is not None}


def as_failure(body: bytes, named_after: str) -> tuple[str, Failure]:
    """A failure file and whose it is; one that is no such JSON speaks for the scene it is named after."""
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    data = data if isinstance(data, dict) else {}
    reason = str(data.get("reason") or "the script wrote a failure file without a reason")
    return str(data.get("scene") or named_after), Failure(str(data.get("class") or "bug"), reason)


def outcome_of_scenes(*, produced: int, lost: int) -> Outcome:
    """By numbers of scenes; lost are those that were planned and have no product of this run."""
    if not produced and not lost:
        return Outcome.EMPTY
    if not lost:
        return Outcome.COMPLETE
    return Outcome.PARTIAL if produced else Outcome.FAILED


def outcome_of_objects(*, planned: int, produced: int, jobs: int, jobs_failed: int, failures: int) -> Outcome:
    """Of bare objects nobody knows which product belongs to which: the jobs' word and failure files count."""
    if not planned or not jobs:
        return Outcome.EMPTY
    if not jobs_failed and not failures:
        return Outcome.COMPLETE
    return Outcome.PARTIAL if produced else Outcome.FAILED


def _unexplained(product: Product | None, planned_at: datetime) -> str:
    if product is not None and product.faults and product.modified >= planned_at:
        return product.faults[0]
    # Where the job failed, what is said of it takes this sentence's place.
    return (
        "its job left neither a product with a STAC Item nor a failure file (of a script that leaves files alone, say "
        "`products: files` in the definition; where that is said, the script ended past it, as by os._exit)"
    )
