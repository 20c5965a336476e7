"""Which candidates make way: for newer versions of their acquisition, and for the query's thresholds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from geocadence.committed import Committed
from geocadence.plan.decision import Decision, Verdict, footprint_of, named, shown
from geocadence.plan.shelf import Shelf
from geocadence.plan.versions import covering, covers


def supersede(
    candidates: Iterable[Decision], *, committed: Mapping[str, Sequence[Committed]], shelf: Shelf
) -> tuple[list[Decision], list[Decision]]:
    """One product an acquisition: the newest baseline, here and in the catalogue (`committed`, by acquisition).

    Only what newer ones cover makes way for them: parts of a split tile are of one acquisition and lie beside each
    other. Of one baseline the one updated last is taken, of a whole and a part of it the whole. A candidate that
    outdoes committed products of other ids replaces them.
    """
    of_one = defaultdict(list)
    for candidate in candidates:
        of_one[candidate.acquisition].append(candidate)
    kept: list[Decision] = []
    rejected: list[Decision] = []
    for acquisition, rivals in of_one.items():
        products = committed.get(acquisition, ())
        if len(rivals) == 1 and all(known.scene == rivals[0].scene for known in products):
            kept += rivals
            continue
        ground = {rival.scene: footprint_of(rival, shelf) for rival in rivals}
        stay: list[Decision] = []
        for rival in sorted(rivals, key=attrgetter("age"), reverse=True):
            others = [(known, known.geometry) for known in products if known.scene != rival.scene]
            newer = [(known, lies) for known, lies in others if known.version >= rival.version]
            here = [(better, ground[better.scene]) for better in stay]
            if better := covering(ground[rival.scene], here):
                rejected.append(_outdone_by(rival, better))
            elif there := covering(ground[rival.scene], newer):
                where = f"which is in the catalogue ({named(there[0].baseline)})"
                reason = f"superseded by {_listed(there)}, {where}"
                rejected.append(replace(rival, verdict=Verdict.REJECTED, reason=reason))
            elif both := covering(ground[rival.scene], [*newer, *here]):
                reason = f"superseded by {_listed(both)}, in the catalogue and here"
                rejected.append(replace(rival, verdict=Verdict.REJECTED, reason=reason))
            else:
                old = [(known, lies) for known, lies in others if known.version <= rival.version]
                replaced = (known.scene for known, lies in old if covers([ground[rival.scene]], lies))
                stay.append(replace(rival, replaces=tuple(replaced)))
        for part in list(stay):
            wholes = [(s, ground[s.scene]) for s in stay if s is not part and s.version == part.version]
            if whole := covering(ground[part.scene], wholes):
                stay.remove(part)
                rejected.append(_outdone_by(part, whole))
        kept += stay
    return kept, rejected


def within_thresholds(
    candidates: Iterable[Decision], *, committed: Mapping[str, Committed]
) -> tuple[list[Decision], list[Decision]]:
    """Thresholds decide on what comes into the catalogue; what is there is kept up to date whatever they say.

    The clouds over an acquisition are what they were, and processing anew makes 61 % of 59 %: a catalogue whose older
    products stayed for that would be one of many baselines.
    """
    kept: list[Decision] = []
    rejected: list[Decision] = []
    for candidate in candidates:
        is_there = candidate.scene in committed or candidate.replaces
        if not candidate.beyond or is_there:
            kept.append(candidate)
        else:
            rejected.append(replace(candidate, verdict=Verdict.REJECTED, reason=candidate.beyond))
    return kept, rejected


def _outdone_by(rival: Decision, better: Sequence[Decision]) -> Decision:
    taken = _listed(better)
    if rival.version != better[0].version:
        this = shown(rival.baseline) or "none"
        reason = f"superseded by {taken}, of {named(better[0].baseline)} (this one's is {this})"
    else:
        reason = f"superseded by {taken}, of the same acquisition and processing baseline"
    return replace(rival, verdict=Verdict.REJECTED, reason=reason)


def _listed(those: Sequence[Decision | Committed]) -> str:
    return " and ".join(each.scene for each in those)
