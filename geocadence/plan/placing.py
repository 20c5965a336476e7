"""Where committed scenes lie of which earlier code kept their products' geometry only: where they are listed now.

A script may say of the parts of a split tile what it likes, the raster's bounds for instance, by which each of them
would take the others' place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from geocadence.committed import Committed
from geocadence.plan.decision import Decision, footprint_of
from geocadence.plan.shelf import Shelf


def place(rows: list[Committed], candidates: list[Decision], shelf: Shelf) -> tuple[list[Committed], list[Decision]]:
    """The rows placed by the candidates of their ids, which are to tell the close as well; as far as others share their
    acquisition."""
    unplaced = _that_others_share([row for row in rows if not row.is_placed], rows, candidates)
    if not unplaced:
        return rows, candidates
    footprints = {d.scene: footprint_of(d, shelf) for d in candidates if d.scene in unplaced}
    return (
        [row.placed(footprints.get(row.scene)) if row.scene in unplaced else row for row in rows],
        [replace(d, places=True) if d.scene in unplaced else d for d in candidates],
    )


def _that_others_share(
    some: Sequence[Committed], rows: Sequence[Committed], candidates: Sequence[Decision]
) -> set[str]:
    """The ids of those rows that are not alone of their acquisition."""
    scenes: dict[str, set[str]] = defaultdict(set)
    wanted = {row.acquisition for row in some}
    for each in (*rows, *candidates):
        if each.acquisition in wanted:
            scenes[each.acquisition].add(each.scene)
    return {row.scene for row in some if len(scenes[row.acquisition]) > 1}
