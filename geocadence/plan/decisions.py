"""The decision on each scene of a run, with its reason."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum, unique
from typing import Any

from geocadence.catalogue.area import Area, overlap
from geocadence.committed import Committed
from geocadence.execution_input import InvalidInput, Window
from geocadence.instants import format_instant, parse_instant
from geocadence.plan.fitness import against
from geocadence.plan.identity import NEVER, acquisition_of, baseline_of, changed_at, version
from geocadence.plan.left_behind import Attempt, Attempts, recipe_left
from geocadence.plan.recipe import what_changed
from geocadence.plan.shelf import Place, Shelf
from geocadence.plan.weight import bytes_of
from geocadence.products import Product
from geocadence.scene_ids import MAX_LENGTH, is_safe_id

Item = dict[str, Any]

# Two Items of one acquisition that share so much of the smaller one's footprint are one; parts of a split tile hardly
# touch.
_SAME_GROUND = 0.5
_ADOPTED = "its product is in place (and not in the catalogue yet)"
_ADOPTED_ANEW = "its product is in place (and newer than what the catalogue says of it)"


@unique
class Verdict(StrEnum):
    NEW = "new"
    SKIP = "skip"
    RECOMPUTE = "recompute"
    REJECTED = "rejected"


TAKEN = (Verdict.NEW, Verdict.RECOMPUTE)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a run does with one scene, and why. The Item itself is on the shelf."""

    scene: str
    verdict: Verdict
    reason: str
    instant: datetime | None = None
    place: Place | None = None
    bbox: Any = None
    acquisition: str = ""
    baseline: str = ""
    changed: datetime | None = None
    bytes: int | None = None
    replaces: tuple[str, ...] = ()  # committed products of the same acquisition under other ids
    is_adopted: bool = False  # its product is in place, and the run's close puts it into the catalogue
    recipe: str = ""  # by which the product to be adopted was made, where that is known
    held_by: str = ""  # the run that is working on it

    @property
    def is_taken(self) -> bool:
        return self.verdict in TAKEN

    @property
    def version(self) -> tuple[int, ...]:
        return version(self.baseline)

    def as_json(self, *, batch: int | None) -> dict[str, Any]:
        known = {"acquisition": self.acquisition, "baseline": self.baseline, "bytes": self.bytes}
        return {
            "id": self.scene,
            "decision": self.verdict.value,
            "reason": self.reason,
            "datetime": format_instant(self.instant) if self.instant else None,
            "batch": batch,
            "bbox": self.bbox,
            **(known if self.acquisition else {}),
            **({"replaces": list(self.replaces)} if self.replaces else {}),
            **({"adopted": True, "recipe": self.recipe} if self.is_adopted else {}),
            **({"held_by": self.held_by} if self.held_by else {}),
        }


def take_in(
    items: Iterable[Item],
    *,
    shelf: Shelf,
    area: Area | None = None,
    window: Window | None = None,
    thresholds: Mapping[str, Mapping[str, float]] | None = None,
) -> tuple[list[Decision], list[Decision]]:
    """Candidates (still `new`, in the catalogue's order) and those rejected for what they are.

    Of several Items with one id the one with the newest processing baseline stays, then the one updated last,
    then the first. What is outside of a given window was not asked for and is left out.
    """
    kept: dict[str, Decision] = {}
    rejected: list[tuple[int, Decision]] = []
    order: dict[str, int] = {}
    for n, item in enumerate(items):
        reason = _unfit(item)
        if reason is None and area is not None and not area.intersects(item):
            reason = "its footprint does not touch the area"
        if reason is not None:
            rejected.append((n, Decision(_shown(item.get("id")), Verdict.REJECTED, reason)))
            continue
        found = _candidate(item)
        if window is not None and found.instant is not None and not window.holds(found.instant):
            continue
        if (reason := against(item, thresholds or {})) is not None:
            rejected.append((n, replace(found, verdict=Verdict.REJECTED, reason=reason)))
            continue
        before = kept.get(found.scene)
        if before is None or _age(found) > _age(before):
            if before is not None:
                rejected.append((order[found.scene], _outdone(before, found)))
            kept[found.scene] = replace(found, place=shelf.put(item))
            order[found.scene] = n
        else:
            rejected.append((n, _outdone(found, before)))
    rejected.sort(key=lambda entry: entry[0])
    return list(kept.values()), [decision for _, decision in rejected]


def keep_named(
    candidates: list[Decision], rejected: list[Decision], *, scenes: Iterable[str], where: str
) -> tuple[list[Decision], list[Decision]]:
    """Only the decisions on `scenes`; one that is not there is rejected, as catalogues take scenes back.

    Raises InvalidInput, which names them, where none is there at all.
    """
    wanted = list(scenes)
    known = {decision.scene for decision in (*candidates, *rejected)}
    unknown = [scene for scene in wanted if scene not in known]
    if len(unknown) == len(wanted):
        named = ", ".join(unknown[:10]) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
        raise InvalidInput(f"`scenes` names what {where} does not have: {named} (check the ids and the window).")
    keep = set(wanted)
    gone = [Decision(scene, Verdict.REJECTED, f"{where} does not have it (any more)") for scene in unknown]
    return [d for d in candidates if d.scene in keep], [*(d for d in rejected if d.scene in keep), *gone]


def supersede(
    candidates: Iterable[Decision], *, committed: Mapping[str, Sequence[Committed]], shelf: Shelf
) -> tuple[list[Decision], list[Decision]]:
    """One product an acquisition: the newest baseline, here and in the catalogue (`committed`, by acquisition).

    Parts of a split tile are of one acquisition and lie beside each other: each stays. A candidate that outdoes
    committed products of other ids replaces them.
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
        stay: list[Decision] = []
        for rival in sorted(rivals, key=_age, reverse=True):
            better = next((s for s in stay if _is_one(rival, s, shelf)), None)
            if better is not None:
                rejected.append(replace(rival, verdict=Verdict.REJECTED, reason=_superseded(rival, better)))
                continue
            others = [known for known in products if known.scene != rival.scene]
            newer = next((k for k in others if _outdoes(k, rival) and _covers(k, rival, shelf)), None)
            if newer is not None:
                reason = f"superseded by {newer.scene}, which is in the catalogue ({_named(newer.baseline)})"
                rejected.append(replace(rival, verdict=Verdict.REJECTED, reason=reason))
                continue
            old = tuple(k.scene for k in others if k.version < rival.version or _covers(k, rival, shelf))
            stay.append(replace(rival, replaces=old))
        kept += stay
    return kept, rejected


def decide(
    candidates: Iterable[Decision],
    *,
    products: Mapping[str, Product],
    committed: Mapping[str, Committed],
    held: Mapping[str, str],
    left: Attempts,
    recipe: str,
    recompute: bool,
) -> list[Decision]:
    """`new`, `skip` or `recompute`: by what is there, by what, and by who else is at work (`held`: scene → run)."""
    decisions = []
    for candidate in candidates:
        product, known = products.get(candidate.scene), committed.get(candidate.scene)
        made_by = _made_by(product, known, left.get(candidate.scene, ()))
        holder = held.get(candidate.scene) or held.get(candidate.acquisition)
        verdict, reason = _verdict(
            candidate,
            product,
            known,
            holder,
            made_by=made_by,
            recipe=recipe,
            recompute=recompute,
        )
        is_adopted = reason in (_ADOPTED, _ADOPTED_ANEW)
        decisions.append(
            replace(
                candidate, verdict=verdict, reason=reason, is_adopted=is_adopted, recipe=made_by, held_by=holder or ""
            )
        )
    return decisions


def _made_by(product: Product | None, known: Committed | None, tried: Sequence[Attempt]) -> str:
    """The recipe of what is there now, "" where nobody knows it: an attempt's, or the one that was committed."""
    left = recipe_left(tried, product) if product is not None else ""
    return left or (known.recipe if known is not None else "")


def _verdict(
    candidate: Decision,
    product: Product | None,
    known: Committed | None,
    holder: str | None,
    *,
    made_by: str,
    recipe: str,
    recompute: bool,
) -> tuple[Verdict, str]:
    if holder is not None:
        return Verdict.SKIP, f"run {holder} is working on it"
    if product is None:
        if candidate.replaces:
            return Verdict.NEW, f"replaces {', '.join(candidate.replaces)}, made from an older processing baseline"
        return Verdict.NEW, "no product yet" if known is None else "its product is gone"
    if not product.is_complete:
        return Verdict.NEW, f"its product is incomplete: {product.faults[0]}"
    if recompute:
        return Verdict.RECOMPUTE, "recompute was asked for"
    if made_by and made_by != recipe:
        changed = what_changed(made_by, recipe)
        return Verdict.RECOMPUTE, f"the recipe changed since its product was made: another {changed}"
    if known is None:
        doubt = _doubt(candidate, product)
        return (Verdict.RECOMPUTE, doubt) if doubt else (Verdict.SKIP, _ADOPTED)
    if reason := _outdated(candidate, product.baseline or known.baseline):
        return Verdict.RECOMPUTE, reason
    is_as_known = known.etag == product.etag and known.recipe == made_by
    return Verdict.SKIP, "its product is in place" if is_as_known else _ADOPTED_ANEW


def _doubt(candidate: Decision, product: Product) -> str | None:
    """Why a product that no run has committed may be of another version of its scene than the catalogue lists now.

    An aborted run leaves such products, and so does one that was replaced, whose files stay in the bucket.
    """
    if reason := _outdated(candidate, product.baseline):
        return reason
    if candidate.changed is not None and candidate.changed > product.modified:
        return "the catalogue changed the scene since its product was made, which no run has committed"
    if candidate.replaces and not product.baseline and candidate.changed in (None, NEVER):
        return f"replaces {', '.join(candidate.replaces)}, and nothing says what its product was made from"
    return None


def _outdated(candidate: Decision, made_from: str) -> str | None:
    if made_from and version(made_from) < candidate.version:
        return f"{_named(candidate.baseline)} is there, its product was made from {_shown(made_from)}"
    return None


def counts(decisions: Iterable[Decision]) -> dict[str, int]:
    """How many of each verdict, zeros included."""
    found = Counter(decision.verdict for decision in decisions)
    return {verdict.value: found[verdict] for verdict in Verdict}


def _candidate(item: Item) -> Decision:
    instant = parse_instant(_datetime(item))
    return Decision(
        item["id"],
        Verdict.NEW,
        "no product yet",
        instant,
        bbox=item.get("bbox"),
        acquisition=acquisition_of(item, instant),
        baseline=baseline_of(item),
        changed=changed_at(item),
        bytes=bytes_of(item),
    )


def _unfit(item: Item) -> str | None:
    scene = item.get("id")
    if not isinstance(scene, str) or not is_safe_id(scene):
        return (
            f"its id can be no folder's name (expected 1 to {MAX_LENGTH} letters, digits, dots, underscores "
            "and hyphens, the first a letter or digit)"
        )
    if not isinstance(item.get("assets"), dict) or not item["assets"]:
        return "it has no assets"
    try:
        parse_instant(_datetime(item))
    except ValueError as error:
        return f"its datetime {error}"
    return None


def _age(decision: Decision) -> tuple[Any, ...]:
    return decision.version, decision.changed


def _outdone(older: Decision, kept: Decision) -> Decision:
    """Why `kept` is taken in the place of `older`, which has the same id."""
    if older.version != kept.version:
        this = _shown(older.baseline) or "none"
        taken = f"the one of {_named(kept.baseline)} is taken (this one's is {this})"
    elif older.changed != kept.changed:
        taken = f"the one updated last, {format_instant(kept.changed)}, is taken" if kept.changed else ""
    else:
        taken = "the first is taken"
    return Decision(older.scene, Verdict.REJECTED, f"the catalogue listed it more than once; {taken}")


def _superseded(rival: Decision, better: Decision) -> str:
    if rival.version != better.version:
        this = _shown(rival.baseline) or "none"
        return f"superseded by {better.scene}, of {_named(better.baseline)} (this one's is {this})"
    return f"superseded by {better.scene}, of the same acquisition and processing baseline"


def _is_one(rival: Decision, better: Decision, shelf: Shelf) -> bool:
    if rival.version != better.version:
        return True
    footprints = [shelf.get(each.place).get("geometry") if each.place else None for each in (rival, better)]
    shared = overlap(*footprints)
    return shared is None or shared >= _SAME_GROUND


def _outdoes(known: Committed, rival: Decision) -> bool:
    return known.version >= rival.version


def _covers(known: Committed, rival: Decision, shelf: Shelf) -> bool:
    """Whether a committed product and a candidate are of the same ground; of another version, they are."""
    if known.version != rival.version:
        return True
    geometry = shelf.get(rival.place).get("geometry") if rival.place else None
    shared = overlap(known.geometry, geometry)
    return shared is None or shared >= _SAME_GROUND


def _named(baseline: str) -> str:
    return f"processing baseline {_shown(baseline)}" if baseline else "an unknown processing baseline"


def _datetime(item: Item) -> str:
    """Its start where the Item has a span instead, as composites have, and as scripts file its product."""
    properties = item.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    text = properties.get("datetime")
    if text is None and properties.get("end_datetime") is not None:
        text = properties.get("start_datetime")
    if not isinstance(text, str):
        raise ValueError("is missing")
    return text


def _shown(scene: Any) -> str:
    text = scene if isinstance(scene, str) else json.dumps(scene)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= 200 else text[:197] + "…"
