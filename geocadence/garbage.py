"""Python's search for cycles, put off while Items by the hundred thousand pass through: JSON has none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Containers that are there more than at the last search. A page of 100 Items of Sentinel-2 is 35,000; by itself Python
# searches at 700, and half the time of reading such pages went into it. What is left lying is small: of each request
# to S3 botocore's two parsers, half a kilobyte without the answer.
_AT = 1_000_000


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Have Python's cyclic garbage collector run rarely, until the block is left."""
    before = gc.get_threshold()
    gc.set_threshold(_AT, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
