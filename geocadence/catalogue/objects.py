"""Bare objects as input: how many a prefix holds, of what size, and whether a job can take them from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from geocadence.catalogue.http import CatalogueRefused


def count_objects(uri: str, *, listing: Callable[[str], Iterator[Any]]) -> tuple[int, int]:
    """The objects below an S3 prefix, and their bytes; the empty ones whose key ends in / are a console's folders."""
    sizes = [found.size for found in listing(uri) if not (found.key.endswith("/") and found.size == 0)]
    return len(sizes), sum(sizes)


def check_region(uri: str, *, region: str | None, region_of: Callable[[str], str | None]) -> None:
    """CatalogueRefused where `uri` lies in another region than the job's, `region`.

    Listing it would work from anywhere, so that the job alone would fail.
    """
    there = region_of(uri.removeprefix("s3://").partition("/")[0])
    if region and there and there != region:
        raise CatalogueRefused(
            f"{uri} lies in {there}, and the job runs in {region} (a job takes its input from its own region: copy it, "
            f"or deploy with -c region={there})"
        )
