"""The plan against the products that are really there: what became of each scene."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, unique
from typing import Any

from geocadence.products import Product


@unique
class Outcome(StrEnum):
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


def reconcile(
    plan: dict[str, Any],
    *,
    products: Mapping[str, Product],
    failures: Mapping[str, Failure],
    planned_at: datetime,
    job_failures: Mapping[int, str],
    run_failure: str,
) -> list[SceneResult]:
    """The result of each decision, in the plan's order.

    A product counts as this run's when its Item was written since `planned_at` (both are S3's
    clock), so that a recompute that never came about does not pass for one.
    """
    results = []
    for decision in plan["decisions"]:
        product = products.get(decision["id"])
        if decision["decision"] == "rejected":
            results.append(SceneResult(decision, Status.REJECTED))
        elif decision["decision"] == "skip":
            results.append(SceneResult(decision, Status.SKIPPED, product))
        elif plan["dry_run"]:
            results.append(SceneResult(decision, Status.PLANNED))
        elif product is not None and product.is_complete and product.modified >= planned_at:
            results.append(SceneResult(decision, Status.PRODUCED, product))
        elif (failure := failures.get(decision["id"])) is not None:
            results.append(SceneResult(decision, Status.FAILED, failure=failure))
        else:
            reason = job_failures.get(decision["batch"]) or run_failure or _unexplained(product, planned_at)
            results.append(SceneResult(decision, Status.MISSING, failure=Failure("missing", reason)))
    return results


def read_failures(files: Mapping[str, Any]) -> dict[str, Failure]:
    """Failure files (key → JSON) by scene; a file that is no such JSON speaks for the scene it is named after."""
    failures = {}
    for key, data in files.items():
        named_after = posixpath.basename(key).removesuffix(".json")
        data = data if isinstance(data, dict) else {}
        reason = str(data.get("reason") or "the script wrote a failure file without a reason")
        failures[str(data.get("scene") or named_after)] = Failure(str(data.get("class") or "bug"), reason)
    return failures


def outcome_of_scenes(results: list[SceneResult]) -> Outcome:
    produced = sum(result.status is Status.PRODUCED for result in results)
    lost = sum(result.status in (Status.FAILED, Status.MISSING) for result in results)
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
    return "its job left neither a product nor a failure file"
