"""What runs that ended without a close left behind: the recipe that their products were made by.

Such a run still stands among the claims, as one that has ended, and its plan knows the recipe. A product was made by
the last of them that had planned it by then: none plans a scene while a job of another may still write it. A run is
named no longer when one has looked at all of its scenes and the catalogue has what it made. Of too many the first are
forgotten; what was written over committed products since then, and by none that is known, is of no known recipe.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from geocadence.bucket import Bucket
from geocadence.layout import RunLayout
from geocadence.plan.claims import Claim
from geocadence.products import Product

# Each costs every plan three requests, and of those that nobody looks at again none would ever go.
MOST_REMEMBERED = 20


@dataclass(frozen=True)
class Attempt:
    """A run's plan to make a product; `planned_at` is S3's clock, as a product's is."""

    planned_at: datetime
    recipe: str
    run_id: str


Attempts = Mapping[str, Sequence[Attempt]]


@dataclass(frozen=True)
class LeftBehind:
    """What is known of ended runs: the attempts at the scenes that are looked at, and who has others as well."""

    attempts: Attempts
    elsewhere: frozenset[str]  # ids of runs


def look_behind(inputs: Bucket, pipeline: str, dead: Iterable[Claim], *, looked_at: Collection[str]) -> LeftBehind:
    """Of the runs whose claims these are; `looked_at` are the ids and acquisitions of scenes."""
    attempts: dict[str, list[Attempt]] = defaultdict(list)
    elsewhere = set()
    for claim in dead:
        layout = RunLayout(pipeline, claim.run_id)
        planned_at, head = inputs.modified(layout.plan), inputs.read_head(layout.plan)
        if planned_at is None or head is None:
            continue
        attempt = Attempt(planned_at, head["recipe"], claim.run_id)
        for name in inputs.read_json(layout.taken) or ():
            if name in looked_at:
                attempts[name].append(attempt)
            else:
                elsewhere.add(claim.run_id)
    return LeftBehind(attempts, frozenset(elsewhere))


def maker(tried: Sequence[Attempt], product: Product) -> Attempt | None:
    """Which of these runs made an uncommitted product, if any did."""
    before = [attempt for attempt in tried if attempt.planned_at <= product.modified]
    return max(before, key=lambda attempt: attempt.planned_at, default=None)


def to_remember(dead: Iterable[Claim], needed: Collection[str], *, forgot: str) -> tuple[list[Claim], str]:
    """The claims of the runs that have to be named on, given their ids; of too many the latest.

    And since when others may have left what nobody can tell of any more; `forgot` is what was known of that.
    """
    named = sorted((claim for claim in dead if claim.run_id in needed), key=lambda claim: claim.planned_at)
    gone = [claim.planned_at for claim in named[:-MOST_REMEMBERED]]
    return named[-MOST_REMEMBERED:], min(each for each in (forgot, *gone) if each) if forgot or gone else ""
