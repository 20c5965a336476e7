"""How much work a scene is, as far as its Item says: the bytes of its assets."""

from __future__ import annotations

from typing import Any


def bytes_of(item: dict[str, Any]) -> int | None:
    """The sizes of the assets that say theirs (`file:size`), together; None where none does."""
    sizes = [asset.get("file:size") for asset in item["assets"].values() if isinstance(asset, dict)]
    known = [size for size in sizes if isinstance(size, int) and not isinstance(size, bool) and size > 0]
    return sum(known) or None
