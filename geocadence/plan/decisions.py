"""The decision on each scene of a run, with its reason."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum, unique
from typing import Any

from geocadence.catalogue.area import Area
from geocadence.committed import Committed
from geocadence.execution_input import InvalidInput, Window
from geocadence.instants import format_instant, parse_instant
from geocadence.plan.fitness import beyond, without_data
from geocadence.plan.identity import NEVER, acquisition_of, baseline_of, changed_at, version
from geocadence.plan.left_behind import Attempt, Attempts, maker
from geocadence.plan.recipe import what_changed
from geocadence.plan.shelf import Place, Shelf
from geocadence.plan.versions import covering, covers
from geocadence.plan.weight import bytes_of
from geocadence.products import Product
from geocadence.scene_ids import MAX_LENGTH, is_safe_id

Item = dict[str, Any]

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
    beyond: str = ""  # the query's threshold that it is beyond of
    replaces: tuple[str, ...] = ()  # committed products of the same acquisition under other ids
    adopted: Product | None = None  # what is in place, where the run's close is to put it into the catalogue
    recipe: str = ""  # by which the product to be adopted was made, where that is known
    left_by: str = ""  # the run that ended without a close, and made what is in place and not in the catalogue
    held_by: str = ""  # the run that is working on it

    @property
    def is_taken(self) -> bool:
        return self.verdict in TAKEN

    @property
    def version(self) -> tuple[int, ...]:
        return version(self.baseline)

    def as_json(self, *, batch: int | None, shelf: Shelf) -> dict[str, Any]:
        """For the plan; `shelf` has the Items, whose footprints would be too much to hold for all."""
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
            **self._adoption(shelf),
            **({"held_by": self.held_by} if self.held_by else {}),
        }

    def _adoption(self, shelf: Shelf) -> dict[str, Any]:
        """What the close has to know of a product that is in place, to put it into the catalogue."""
        if self.adopted is None:
            return {}
        return {"adopted": True, "recipe": self.recipe, "etag": self.adopted.etag, "footprint": _footprint(self, shelf)}


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
    then the first. What is outside of a given window was not asked for and is left out. Being beyond a threshold is
    noted only: an acquisition is judged by its newest version.
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
        if (reason := without_data(item)) is not None:
            rejected.append((n, replace(found, verdict=Verdict.REJECTED, reason=reason)))
            continue
        found = replace(found, beyond=beyond(item, thresholds or {}))
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
        ground = {rival.scene: _footprint(rival, shelf) for rival in rivals}
        stay: list[Decision] = []
        for rival in sorted(rivals, key=_age, reverse=True):
            others = [(known, known.geometry) for known in products if known.scene != rival.scene]
            newer = [(known, lies) for known, lies in others if known.version >= rival.version]
            here = [(better, ground[better.scene]) for better in stay]
            if better := covering(ground[rival.scene], here):
                rejected.append(_outdone_by(rival, better))
            elif there := covering(ground[rival.scene], newer):
                where = f"which is in the catalogue ({_named(there[0].baseline)})"
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
        attempt = _left_by(product, known, left.get(candidate.scene, ()))
        made_by = attempt.recipe if attempt is not None else known.recipe if known is not None else ""
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
        adopted = product if reason in (_ADOPTED, _ADOPTED_ANEW) else None
        decisions.append(
            replace(
                candidate,
                verdict=verdict,
                reason=reason,
                adopted=adopted,
                recipe=made_by,
                left_by="" if attempt is None or _is_as_known(product, known, made_by) else attempt.run_id,
                held_by=holder or "",
            )
        )
    return decisions


def _left_by(product: Product | None, known: Committed | None, tried: Sequence[Attempt]) -> Attempt | None:
    """Whose product is in place, where it is none that the catalogue has. An Item may be what it was, written anew."""
    if product is None or not tried:
        return None
    if known is not None and known.etag == product.etag and known.modified in ("", format_instant(product.modified)):
        return None
    return maker(tried, product)


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
    is_as_known = _is_as_known(product, known, made_by)
    return Verdict.SKIP, "its product is in place" if is_as_known else _ADOPTED_ANEW


def _is_as_known(product: Product | None, known: Committed | None, made_by: str) -> bool:
    return known is not None and product is not None and known.etag == product.etag and known.recipe == made_by


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


def _outdone_by(rival: Decision, better: Sequence[Decision]) -> Decision:
    taken = _listed(better)
    if rival.version != better[0].version:
        this = _shown(rival.baseline) or "none"
        reason = f"superseded by {taken}, of {_named(better[0].baseline)} (this one's is {this})"
    else:
        reason = f"superseded by {taken}, of the same acquisition and processing baseline"
    return replace(rival, verdict=Verdict.REJECTED, reason=reason)


def _listed(those: Sequence[Decision | Committed]) -> str:
    return " and ".join(each.scene for each in those)


def _footprint(candidate: Decision, shelf: Shelf) -> Any:
    return shelf.get(candidate.place).get("geometry") if candidate.place else None


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
