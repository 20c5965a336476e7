"""What the arguments ask for, the same for every scene."""

from __future__ import annotations

from dataclasses import dataclass

from spectral import mask as masks
from spectral.area import Area
from spectral.indices import Index


@dataclass(frozen=True)
class Settings:
    """
    Attributes:
        mask: words as `mask.parse_mask` gives them; none: no mask.
        offset: None: by the policy in `radiometry`.
        resolution: pixel size in units of the scene's CRS; None: that of the finest band.
        area: that products are cut to, where a scene brings no area of its own.
        threads: how many blocks are computed at a time.
        memory: bytes that the script may take; None: as `resources.usual_memory` has it.
    """

    indices: tuple[Index, ...]
    mask: tuple[str, ...] = (masks.DEFAULT,)
    offset: float | None = None
    resolution: float | None = None
    collection: str | None = None
    compression: str = "zstd"
    area: Area | None = None
    threads: int = 2
    memory: int | None = None
