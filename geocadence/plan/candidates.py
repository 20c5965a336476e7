"""Which of the Items that a source gives a run can take at all: fit, in the area, in the window, each once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from geocadence.catalogue.area import Area
from geocadence.execution_input import InvalidInput, Window
from geocadence.instants import format_instant, parse_instant
from geocadence.plan.decision import Decision, Verdict, named, shown
from geocadence.plan.fitness import beyond, left_out, without_data
from geocadence.plan.identity import acquisition_of, baseline_of, changed_at
from geocadence.plan.shelf import Shelf
from geocadence.plan.weight import bytes_of
from geocadence.scene_ids import SAFE_ID, is_safe_id

Item = dict[str, Any]


def take_in(
    items: Iterable[Item],
    *,
    shelf: Shelf,
    area: Area | None = None,
    window: Window | None = None,
    collection: str | None = None,
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
        reason = _unfit(item) or _stray(item, collection)
        if reason is None and area is not None and not area.intersects(item):
            reason = "its footprint does not touch the area"
        if reason is not None:
            rejected.append((n, Decision(shown(item.get("id")), Verdict.REJECTED, reason)))
            continue
        found = _candidate(item)
        if window is not None and found.instant is not None and not window.holds(found.instant, until=_end(item)):
            continue
        if (reason := without_data(item)) is not None:
            rejected.append((n, replace(found, verdict=Verdict.REJECTED, reason=reason)))
            continue
        found = replace(found, beyond=beyond(item, thresholds or {}))
        before = kept.get(found.scene)
        if before is None or found.age > before.age:
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
        listed = ", ".join(unknown[:10]) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
        raise InvalidInput(f"`scenes` names what {where} does not have: {listed} (check the ids and the window).")
    keep = set(wanted)
    gone = [Decision(scene, Verdict.REJECTED, f"{where} does not have it (any more)") for scene in unknown]
    return [d for d in candidates if d.scene in keep], [*(d for d in rejected if d.scene in keep), *gone]


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
        lacking=left_out(item),
    )


def _where(item: Item) -> str:
    links = item.get("links")
    found = (link.get("href") for link in links or () if isinstance(link, dict) and link.get("rel") == "self")
    href = next(found, None) if isinstance(links, list) else None
    return f" ({shown(href)})" if href else ""


def _unfit(item: Item) -> str | None:
    scene = item.get("id")
    if not isinstance(scene, str) or not is_safe_id(scene):
        return f"its id can be no folder's name (expected {SAFE_ID})"
    if not isinstance(item.get("assets"), dict) or not item["assets"]:
        if lost := left_out(item):
            return f"the table that lists it has no columns for its {lost} assets, which its Item has{_where(item)}"
        return "it has no assets"
    try:
        parse_instant(_datetime(item))
    except ValueError as error:
        return f"its datetime {error}"
    return None


def _stray(item: Item, collection: str | None) -> str | None:
    """Why an Item is none of the collection that was searched, which some APIs ignore; one may not say its own."""
    found = item.get("collection")
    if collection is None or found is None or found == collection:
        return None
    return f"it is of the collection {shown(found)}, not of {collection}"


def _outdone(older: Decision, kept: Decision) -> Decision:
    """Why `kept` is taken in the place of `older`, which has the same id."""
    if older.version != kept.version:
        this = shown(older.baseline) or "none"
        taken = f"the one of {named(kept.baseline)} is taken (this one's is {this})"
    elif older.changed != kept.changed:
        taken = f"the one updated last, {format_instant(kept.changed)}, is taken" if kept.changed else ""
    else:
        taken = "the first is taken"
    return Decision(older.scene, Verdict.REJECTED, f"the catalogue listed it more than once; {taken}")


def _end(item: Item) -> datetime | None:
    """Of a span; None where the Item has a datetime, or no end that can be read."""
    properties = item["properties"]
    try:
        return parse_instant(properties["end_datetime"]) if properties.get("datetime") is None else None
    except (ValueError, TypeError):
        return None


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
