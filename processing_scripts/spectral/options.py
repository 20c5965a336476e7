"""The command line's options as settings: what each may be, and what the libraries here lack of them."""

from __future__ import annotations

import math
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from spectral import codecs, llvm
from spectral.area import Area
from spectral.cog import has_compression
from spectral.indices import parse_constants, parse_indices
from spectral.mask import parse_mask
from spectral.progress import Progress
from spectral.resources import SMALLEST_MEMORY
from spectral.settings import Settings


def settings_of(given: Namespace) -> Settings:
    """What the options ask for.

    Args:
        given: as `cli.parser` has them. With `check` the options are looked at and not the files that they name: those
            are the job's.

    Raises:
        ValueError: one can't be; the message names it, and what would be right.
    """
    offset = _offset(given.offset)
    indices = tuple(parse_indices(given.indices, parse_constants(given.constants)))
    if given.dtype == "float32":
        indices = tuple(replace(index, packed=False) for index in indices)
    mask = parse_mask(given.mask)
    if given.resolution is not None and not 0 < given.resolution < math.inf:
        raise ValueError(f"--resolution {given.resolution:g} is no pixel size: expected for example 20")
    if not given.check:
        _check_folders(given.input, given.output)
    if given.threads < 1:
        raise ValueError(f"--threads {given.threads} is below 1")
    if given.memory is not None and given.memory << 20 < SMALLEST_MEMORY:
        least = SMALLEST_MEMORY >> 20
        raise ValueError(f"--memory {given.memory} is below {least} (MB), without which nothing can be computed")
    return Settings(
        indices=indices,
        mask=mask,
        offset=offset,
        resolution=given.resolution,
        collection=given.collection or None,
        compression=given.compress,
        area=Area.read(given.area) if given.area and not given.check else None,
        threads=given.threads,
        memory=None if given.memory is None else given.memory << 20,
    )


def as_can_be(settings: Settings, progress: Progress) -> Settings:
    """The settings with what the libraries here can do, which is said where it is less."""
    compression = settings.compression if has_compression(settings.compression) else "deflate"
    if compression != settings.compression:
        reason = f"this GDAL has no {settings.compression}: using deflate"
        progress.note("fallback", level="warning", reason=reason)
    if not codecs.FAST:
        progress.note("fallback", level="warning", reason="imagecodecs doesn't load: the same pixels, more slowly")
    if not llvm.FAST:
        progress.note("fallback", level="warning", reason=f"{llvm.REASON}: the same pixels, more slowly")
    return replace(settings, compression=compression)


def _check_folders(scenes: Path, products: Path) -> None:
    """
    Raises:
        ValueError: there are no scenes, products would lie among them, or they among products, which are not looked at.
    """
    if not scenes.is_dir():
        raise ValueError(f"--input {scenes} is no folder")
    if scenes.resolve() == products.resolve():
        raise ValueError(f"--input and --output are both {scenes}: the next run would take products for scenes")
    if products.resolve() in scenes.resolve().parents:
        raise ValueError(
            f"--input {scenes} lies below --output {products}, where nothing is taken for a scene: expected a folder "
            "beside it, or one below the input"
        )


def _offset(text: str) -> float | None:
    if text == "auto":
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not -1 <= value <= 1:
        raise ValueError(f"--offset {text} is neither auto nor a reflectance between -1 and 1, such as -0.1 or 0")
    return value
