"""What runs that ended without a close left behind: the recipe that their products were made by.

Such a run still stands among the claims, and its plan knows the recipe. A product was made by the last of them that
had planned it by then: none plans a scene while a job of another may still write it. What a run was to commit for
others, and never came to, it hands on with the recipe that it knew.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from geocadence.bucket import Bucket
from geocadence.instants import format_instant, parse_instant
from geocadence.layout import RunLayout
from geocadence.long_json import read_head
from geocadence.plan.claims import Claim
from geocadence.products import Product


@dataclass(frozen=True)
class Attempt:
    """A run's plan to make a product; `planned_at` is S3's clock, as a product's is."""

    planned_at: datetime
    recipe: str


Attempts = Mapping[str, Sequence[Attempt]]


def attempts(inputs: Bucket, pipeline: str, dead: Iterable[Claim]) -> Attempts:
    """By scene, of the runs whose claims these are."""
    found: dict[str, list[Attempt]] = defaultdict(list)
    for claim in dead:
        layout = RunLayout(pipeline, claim.run_id)
        planned_at = inputs.modified(layout.plan)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "plan.json"
            if planned_at is None or inputs.fetch(layout.plan, path) is None:
                continue
            attempt = Attempt(planned_at, read_head(path)["recipe"])
        adopted = inputs.read_json(layout.adopted) or {}
        for scene in inputs.read_json(layout.taken) or ():
            found[scene].append(_handed_on(adopted[scene]) if scene in adopted else attempt)
    return found


def to_hand_on(product: Product, recipe: str) -> list[str]:
    """What the next run has to know of a product that this one is to commit, if it never comes to it."""
    return [format_instant(product.modified), recipe]


def _handed_on(known: list[str]) -> Attempt:
    """As if planned when it was made."""
    return Attempt(parse_instant(known[0]), known[1])


def recipe_left(tried: Sequence[Attempt], product: Product) -> str:
    """The recipe of an uncommitted product; "" where none of these runs made it."""
    before = [attempt for attempt in tried if attempt.planned_at <= product.modified]
    return max(before, key=lambda attempt: attempt.planned_at).recipe if before else ""
