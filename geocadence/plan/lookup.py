"""What is done, what was left behind and who else is at work, looked up; and each candidate decided on by that."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from geocadence.bucket import Bucket
from geocadence.close.left_rows import products_left
from geocadence.committed import Committed, read_committed
from geocadence.instants import parse_instant
from geocadence.plan.claims import Claim, OtherRuns, held_scenes
from geocadence.plan.decision import Decision
from geocadence.plan.decisions import decide
from geocadence.plan.left_behind import look_behind, to_remember
from geocadence.plan.placing import place
from geocadence.plan.recipe import recipe_of
from geocadence.plan.shelf import Shelf
from geocadence.plan.superseding import supersede, within_thresholds
from geocadence.plan.versions import leaving
from geocadence.products import find_products


@dataclass(frozen=True)
class LookedUp:
    """What was decided, and what the run is to say of the catalogue and of other runs.

    Attributes:
        decisions: in the order of time.
        turned_away: decisions on what makes way for others.
        is_unsettled: the catalogue has an older version beside the newer ones that cover it.
        ended: runs that ended without a close, to be named on.
        forgot: when the first was planned of those that are not; "" for none.
    """

    decisions: list[Decision]
    turned_away: list[Decision]
    is_unsettled: bool
    ended: list[Claim]
    forgot: str


def look_up(
    candidates: list[Decision],
    definition: dict[str, Any],
    *,
    recompute: bool | datetime,
    recipe: str,
    others: OtherRuns,
    inputs: Bucket,
    outputs: Bucket,
    shelf: Shelf,
) -> LookedUp:
    """Decide on the candidates, by the catalogue, the products, and the claims of other runs.

    Args:
        candidates: as the source lists them.
        recipe: what the run makes products by.
        others: of the same pipeline.
    """
    pipeline = definition["name"]
    rows = read_committed(
        outputs,
        pipeline,
        scenes={d.scene for d in candidates},
        acquisitions={d.acquisition for d in candidates},
    )
    rows, candidates = place(rows, candidates, shelf)
    by_acquisition: dict[str, list[Committed]] = defaultdict(list)
    for row in rows:
        by_acquisition[row.acquisition].append(row)
    committed = {row.scene: row for row in rows}
    candidates, superseded = supersede(candidates, committed=by_acquisition, shelf=shelf)
    candidates, beyond = within_thresholds(candidates, committed=committed)
    wanted = [(d.scene, d.instant) for d in candidates if d.instant is not None]
    names = {name for d in candidates for name in (d.scene, d.acquisition)}
    left = look_behind(inputs, pipeline, others.dead, looked_at=names)
    new = {scene for scene, _ in wanted if scene not in committed}
    tried_by = {attempt.run_id for scene in new for attempt in left.attempts.get(scene, ())}
    known = products_left(inputs, pipeline, (c for c in others.dead if c.run_id in tried_by), scenes=new) | committed
    decisions = decide(
        candidates,
        products=find_products(outputs, pipeline=pipeline, scenes=wanted, known=known, keeps_items=False),
        committed=committed,
        held=held_scenes(inputs, pipeline, others.live),
        left=left.attempts,
        forgot=parse_instant(others.forgot) if others.forgot else None,
        recipe=recipe,
        is_outdated=recipe != recipe_of(definition),
        recompute=recompute,
    )
    ended, forgot = to_remember(others.dead, left.elsewhere | {d.left_by for d in decisions}, forgot=others.forgot)
    return LookedUp(
        sorted(decisions, key=lambda d: (d.instant, d.scene)),
        superseded + beyond,
        is_unsettled=bool(leaving(rows)),
        ended=ended,
        forgot=forgot,
    )
