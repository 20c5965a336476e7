"""Bare objects as input: how many an S3 prefix holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def count_objects(uri: str, *, listing: Callable[[str], Iterator[Any]]) -> int:
    """The objects below an S3 prefix; the empty ones whose key ends in / are folders that a console made."""
    return sum(1 for found in listing(uri) if not (found.key.endswith("/") and found.size == 0))
