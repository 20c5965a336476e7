"""A run's scenes as the page shows them: counts of all, and as many of each kind as a person looks at.

Scenes are added one by one and forgotten but for that, so that the page of a run of 100,000 scenes opens like another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from geocadence.report.charts import Means, Outlines

# What goes wrong first, then this run's, then the others.
ORDER = ("failed", "missing", "produced", "planned", "skipped")
MOST_LISTED = 500
MOST_REJECTED = 500
MOST_TROUBLES = 30
_MOST_REASONS = 1000  # that are told apart at all
_MOST_NAMED = 12

Scene = Mapping[str, Any]


@dataclass
class Trouble:
    """A reason that one scene or many have no product."""

    kind: str
    reason: str
    advice: str | None
    scenes: list[str] = field(default_factory=list)
    count: int = 0

    @property
    def more(self) -> int:
        return self.count - len(self.scenes)

    def add(self, scene: str) -> None:
        self.count += 1
        if len(self.scenes) < _MOST_NAMED:
            self.scenes.append(scene)


class Digest:
    """What the page needs of the scenes."""

    def __init__(self, scenes: Iterable[Scene], other_failures: Iterable[Mapping[str, Any]] = ()) -> None:
        self.counts: Counter[str] = Counter()
        self.rejected: list[Scene] = []
        self.indices: set[str] = set()
        self.bytes = 0
        self.means, self.outlines = Means(), Outlines()
        self.scenes_of_other_reasons = 0
        self._listed: list[Scene] = []
        self._troubles: dict[tuple[str, str, str | None], Trouble] = {}
        for scene in scenes:
            self._add(scene)
        for other in other_failures:
            self._trouble(other["class"], other["reason"], other.get("advice"), other["scene"])

    @property
    def listed(self) -> list[Scene]:
        """The first MOST_LISTED in the page's order, the newest of each status on top."""
        newest_first = sorted(self._listed, key=lambda scene: scene["datetime"] or "", reverse=True)
        return sorted(newest_first, key=lambda scene: ORDER.index(scene["status"]))[:MOST_LISTED]

    @property
    def not_listed(self) -> dict[str, int]:
        """How many of each status the table leaves out."""
        shown = Counter(scene["status"] for scene in self.listed)
        return {status: left for status in ORDER if (left := self.counts[status] - shown[status])}

    @property
    def troubles(self) -> list[Trouble]:
        """As they came, or where there are many, those with the most scenes."""
        troubles = list(self._troubles.values())
        if len(troubles) > MOST_TROUBLES:
            troubles.sort(key=lambda trouble: -trouble.count)
        return troubles[:MOST_TROUBLES]

    @property
    def in_other_troubles(self) -> int:
        """Scenes whose reason is not among `troubles`."""
        every = sum(trouble.count for trouble in self._troubles.values()) + self.scenes_of_other_reasons
        return every - sum(trouble.count for trouble in self.troubles)

    def _add(self, scene: Scene) -> None:
        status, product = scene["status"], scene.get("product") or {}
        self.counts[status] += 1
        if failure := scene.get("failure"):
            self._trouble(failure["class"], failure["reason"], failure["advice"], scene["id"])
        if status == "rejected":
            if len(self.rejected) < MOST_REJECTED:
                self.rejected.append(scene)
            return
        if status == "produced":
            self.bytes += product.get("bytes", 0)
        self.indices.update(product.get("statistics", ()))
        self.means.add(scene)
        self.outlines.add(scene)
        self._listed.append(scene)
        if len(self._listed) >= 4 * MOST_LISTED:
            self._listed = self.listed

    def _trouble(self, kind: str, reason: str, advice: str | None, scene: str) -> None:
        key = (kind, reason, advice)
        if key not in self._troubles and len(self._troubles) >= _MOST_REASONS:
            self.scenes_of_other_reasons += 1
            return
        self._troubles.setdefault(key, Trouble(kind, reason, advice)).add(scene)


def listed_as_words(counts: Mapping[str, int]) -> str:
    """`{"produced": 99500, "skipped": 3}` → `99,500 produced, 3 skipped`."""
    parts: Sequence[str] = [f"{number:,} {status}" for status, number in counts.items()]
    return ", ".join(parts)
