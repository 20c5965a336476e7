"""The kinds of source that a run may have, as definitions, plans and records name them."""

from __future__ import annotations

# Whose runs plan scenes (STAC Items); those of `prefix` and `manifest` hand over bare objects.
OF_SCENES = ("stac", "items")


def has_scenes(kind: str) -> bool:
    """Whether runs over a source of this kind plan scenes."""
    return kind in OF_SCENES
