"""Which of several versions of one acquisition stand: all but those that newer ones cover.

What tells versions of one product from parts of a split tile, which lie beside each other, is the ground: a version
makes way for others that cover nine tenths of it together. So nothing leaves the catalogue for one that lies elsewhere,
and of a tile that is split otherwise than before not before all parts are there. Footprints that can't be read decide
nothing: then the newer version is taken to cover the older.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from geocadence.catalogue.area import share_covered
from geocadence.committed import Committed

_COVERED = 0.9

Known = TypeVar("Known")


def covers(newer: Sequence[Any], older: Any) -> bool:
    """Whether footprints (GeoJSON) cover another one together."""
    share = share_covered(older, by=newer)
    return share is None or share >= _COVERED


def covering(footprint: Any, others: Sequence[tuple[Known, Any]]) -> list[Known]:
    """Whoever of `others`, each with its footprint, covers one: the first that does alone, else all, else nobody."""
    for other, its_own in others:
        if covers([its_own], footprint):
            return [other]
    together = len(others) > 1 and covers([its_own for _, its_own in others], footprint)
    return [other for other, _ in others] if together else []


def leaving(products: Iterable[Committed]) -> set[str]:
    """The ids of those that make way for others among them. Of one version the larger stands, then the last id.

    Where a product lies may be more than its scene does (the raster's bounds, for a part of a split tile). So whose
    scene is not placed makes way for others, by that, and others don't for it.
    """
    of_one: dict[str, list[Committed]] = defaultdict(list)
    for product in products:
        of_one[product.acquisition].append(product)
    gone: set[str] = set()
    for versions in of_one.values():
        stay: list[Any] = []
        for product in sorted(versions, key=_standing, reverse=True):
            ground = product.geometry if len(versions) > 1 else None
            if stay and covers(stay, ground):
                gone.add(product.scene)
            elif product.is_placed:
                stay.append(ground)
    return gone


def _standing(product: Committed) -> tuple[Any, ...]:
    return product.version, product.is_placed, product.area, product.scene
