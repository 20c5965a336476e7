"""The decision on each scene of a run, with its reason."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum, unique
from typing import Any

from geocadence.catalogue.area import Area
from geocadence.execution_input import InvalidInput
from geocadence.instants import format_instant, parse_instant
from geocadence.products import Product
from geocadence.scene_ids import MAX_LENGTH, is_safe_id

Item = dict[str, Any]


@unique
class Verdict(StrEnum):
    NEW = "new"
    SKIP = "skip"
    RECOMPUTE = "recompute"
    REJECTED = "rejected"


TAKEN = (Verdict.NEW, Verdict.RECOMPUTE)


@dataclass(frozen=True)
class Decision:
    """What a run does with one scene, and why."""

    scene: str
    verdict: Verdict
    reason: str
    instant: datetime | None = None
    item: Item = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_taken(self) -> bool:
        return self.verdict in TAKEN

    def as_json(self, *, batch: int | None) -> dict[str, Any]:
        return {
            "id": self.scene,
            "decision": self.verdict.value,
            "reason": self.reason,
            "datetime": format_instant(self.instant) if self.instant else None,
            "batch": batch,
            "bbox": self.item.get("bbox"),
        }


def reject_unfit(items: Iterable[Item]) -> tuple[list[Decision], list[Decision]]:
    """Candidates (still `new`, in the catalogue's order) and those rejected for what they are.

    Catalogues list one acquisition twice, above all after a reprocessing: of several Items with one id
    the one with the newest processing baseline stays, then the one updated last, then the first.
    """
    judged = [(item, _unfit(item)) for item in items]
    kept: dict[str, int] = {}
    for n, (item, reason) in enumerate(judged):
        if reason is None and (item["id"] not in kept or _age(item) > _age(judged[kept[item["id"]]][0])):
            kept[item["id"]] = n
    candidates: list[Decision] = []
    rejected: list[Decision] = []
    for n, (item, unfit) in enumerate(judged):
        scene = item.get("id")
        reason = unfit
        if reason is None and n != kept[scene]:
            reason = _outdone(item, judged[kept[scene]][0])
        if reason is not None:
            rejected.append(Decision(_shown(scene), Verdict.REJECTED, reason))
        else:
            candidates.append(Decision(scene, Verdict.NEW, "no product yet", parse_instant(_datetime(item)), item))
    return candidates, rejected


def reject_outside(candidates: Iterable[Decision], area: Area) -> tuple[list[Decision], list[Decision]]:
    """APIs may search by the footprint's box, or not know `intersects` at all."""
    inside, outside = [], []
    for candidate in candidates:
        if area.intersects(candidate.item):
            inside.append(candidate)
        else:
            outside.append(replace(candidate, verdict=Verdict.REJECTED, reason="its footprint does not touch the area"))
    return inside, outside


def keep_named(
    candidates: list[Decision], rejected: list[Decision], *, scenes: Iterable[str], where: str
) -> tuple[list[Decision], list[Decision]]:
    """Only the decisions on `scenes`; InvalidInput names those that are not there at all."""
    wanted = list(scenes)
    known = {decision.scene for decision in (*candidates, *rejected)}
    if unknown := [scene for scene in wanted if scene not in known]:
        named = ", ".join(unknown[:10]) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
        raise InvalidInput(f"`scenes` names what {where} does not have: {named} (check the ids and the window).")
    keep = set(wanted)
    return [d for d in candidates if d.scene in keep], [d for d in rejected if d.scene in keep]


def decide(candidates: Iterable[Decision], *, products: Mapping[str, Product], recompute: bool) -> list[Decision]:
    """`new`, `skip` or `recompute` by what is already committed."""
    decisions = []
    for candidate in candidates:
        product = products.get(candidate.scene)
        verdict, reason = Verdict.NEW, "no product yet"
        if product is not None and not product.is_complete:
            reason = f"its product is incomplete: {product.faults[0]}"
        elif product is not None and recompute:
            verdict, reason = Verdict.RECOMPUTE, "recompute was asked for"
        elif product is not None:
            verdict, reason = Verdict.SKIP, "its product is in place"
        decisions.append(Decision(candidate.scene, verdict, reason, candidate.instant, candidate.item))
    return decisions


def counts(decisions: Iterable[Decision]) -> dict[str, int]:
    """How many of each verdict, zeros included."""
    found = Counter(decision.verdict for decision in decisions)
    return {verdict.value: found[verdict] for verdict in Verdict}


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


def _age(item: Item) -> tuple[tuple[int, ...], datetime]:
    return _version(_baseline(item)), _changed(item)


def _baseline(item: Item) -> str:
    properties = item["properties"]
    return str(properties.get("s2:processing_baseline") or properties.get("processing:version") or "")


def _version(text: str) -> tuple[int, ...]:
    """`05.10` as (5, 10), which is above (5, 9); trailing zeros don't count."""
    numbers = [int(digits) for digits in re.findall(r"[0-9]{1,18}", text)]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _changed(item: Item) -> datetime:
    for name in ("updated", "s2:generation_time", "created"):
        try:
            return parse_instant(item["properties"].get(name) or "")
        except (ValueError, TypeError, AttributeError):
            continue
    return datetime.min.replace(tzinfo=UTC)


def _outdone(item: Item, kept: Item) -> str:
    """Why `kept` is taken in the place of `item`, which has the same id."""
    if _version(_baseline(item)) != _version(_baseline(kept)):
        older = _shown(_baseline(item)) or "none"
        taken = f"the one of processing baseline {_shown(_baseline(kept))} is taken (this one's is {older})"
    elif _changed(item) != _changed(kept):
        taken = f"the one updated last, {format_instant(_changed(kept))}, is taken"
    else:
        taken = "the first is taken"
    return f"the catalogue listed it more than once; {taken}"


def _datetime(item: Item) -> str:
    properties = item.get("properties")
    text = properties.get("datetime") if isinstance(properties, dict) else None
    if not isinstance(text, str):
        raise ValueError("is missing")
    return text


def _shown(scene: Any) -> str:
    text = scene if isinstance(scene, str) else json.dumps(scene)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= 200 else text[:197] + "…"
