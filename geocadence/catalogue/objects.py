"""Bare objects as input: how many a prefix holds, of what size, and whether a job can take them from there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from geocadence.catalogue.http import CatalogueRefused

# How many of the objects that a job could not read are named.
_NAMED = 5


def count_objects(
    uri: str, *, listing: Callable[[str], Iterator[Any]], look: Callable[[Iterable[str]], Mapping[str, int | str]]
) -> tuple[int, int]:
    """The objects below an S3 prefix, and their bytes; the empty ones whose key ends in / are a console's folders.

    CatalogueRefused where some are archived, which a job would fail for. `look`: as in `manifest.check_objects`.
    """
    bucket = uri.removeprefix("s3://").partition("/")[0]
    sizes: list[int] = []
    archived: list[str] = []
    for found in listing(uri):
        if found.key.endswith("/") and found.size == 0:
            continue
        sizes.append(found.size)
        if found.is_archived:
            archived.append(f"s3://{bucket}/{found.key}")
    wrong = sorted((each, why) for each, why in look(archived).items() if isinstance(why, str))
    if wrong:
        raise CatalogueRefused(
            f"{uri} holds {len(wrong)} of {len(sizes)} objects that the job could not read: {first_few(wrong)} "
            "(restore them, or have them elsewhere)"
        )
    return len(sizes), sum(sizes)


def first_few(wrong: Sequence[tuple[str, str]]) -> str:
    """The first of these objects, each with what is wrong with it, and how many more there are."""
    named = ", ".join(f"{uri} ({why})" for uri, why in wrong[:_NAMED])
    return named + (f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else "")


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
