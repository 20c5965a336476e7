"""What a run does with one scene, and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Any

from geocadence.instants import format_instant
from geocadence.plan.identity import version
from geocadence.plan.shelf import Place, Shelf
from geocadence.products import Product


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
    lacking: int = 0  # assets that it has and the table that lists it does not
    beyond: str = ""  # the query's threshold that it is beyond of
    replaces: tuple[str, ...] = ()  # committed products of the same acquisition under other ids
    adopted: Product | None = None  # what is in place, where the run's close is to put it into the catalogue
    recipe: str = ""  # by which the product to be adopted was made, where that is known
    left_by: str = ""  # the run that ended without a close, and made what is in place and not in the catalogue
    held_by: str = ""  # the run that is working on it
    places: bool = False  # its footprint is to be told, as the catalogue's row of it knows none

    @property
    def is_taken(self) -> bool:
        return self.verdict in TAKEN

    @property
    def version(self) -> tuple[int, ...]:
        return version(self.baseline)

    @property
    def age(self) -> tuple[Any, ...]:
        """What is larger is newer."""
        return self.version, self.changed

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
            **({"footprint": footprint_of(self, shelf)} if self.places else {}),
            **({"held_by": self.held_by} if self.held_by else {}),
        }

    def _adoption(self, shelf: Shelf) -> dict[str, Any]:
        """What the close has to know of a product that is in place, to put it into the catalogue."""
        if self.adopted is None:
            return {}
        return {
            "adopted": True,
            "recipe": self.recipe,
            "etag": self.adopted.etag,
            "footprint": footprint_of(self, shelf),
            "left_by": self.left_by,
        }


def counts(decisions: Iterable[Decision]) -> dict[str, int]:
    """How many of each verdict, zeros included."""
    found = Counter(decision.verdict for decision in decisions)
    return {verdict.value: found[verdict] for verdict in Verdict}


def footprint_of(candidate: Decision, shelf: Shelf) -> Any:
    """The scene's, as GeoJSON."""
    return shelf.footprint(candidate.place) if candidate.place else None


def named(baseline: str) -> str:
    """The baseline in words."""
    return f"processing baseline {shown(baseline)}" if baseline else "an unknown processing baseline"


def shown(scene: Any) -> str:
    """Whatever an Item has, fit for a sentence."""
    text = scene if isinstance(scene, str) else json.dumps(scene)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= 200 else text[:197] + "…"
