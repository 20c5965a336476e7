"""A SageMaker manifest as input: read, and held against the objects that it names before a job is paid for.

`[{"prefix": "s3://bucket/path/"}, "relative/key", …]`:
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingS3Input.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from geocadence.catalogue.http import CatalogueRefused
from geocadence.catalogue.objects import first_few

_WANTED = 'expected [{"prefix": "s3://bucket/path/"}, "relative/key", …]'


def read_manifest(uri: str, *, read_s3: Callable[[str], bytes | None]) -> list[str]:
    """The URIs of the objects that a manifest names; CatalogueRefused says what is wrong with its form."""
    body = read_s3(uri)
    if body is None:
        raise CatalogueRefused(f"{uri} is not there (its URI must be that of a manifest file)")
    try:
        manifest = json.loads(body)
    except ValueError as error:
        raise CatalogueRefused(f"{uri} is no JSON: {error}") from error
    if not isinstance(manifest, list) or not manifest:
        raise CatalogueRefused(f"{uri} is no manifest ({_WANTED})")
    head, *keys = manifest
    prefix = head.get("prefix") if isinstance(head, dict) else None
    if not isinstance(prefix, str) or not prefix.startswith("s3://"):
        raise CatalogueRefused(f"{uri} does not begin with its prefix ({_WANTED})")
    # Prefix and key are put together as they are: s3://bucket and a.tif would be the bucket `bucketa.tif`.
    if "/" not in prefix.removeprefix("s3://"):
        raise CatalogueRefused(f"{uri} has the prefix {prefix}, without a slash behind the bucket ({_WANTED})")
    seen: dict[str, int] = {}
    for n, key in enumerate(keys, start=1):
        if not isinstance(key, str) or not key:
            raise CatalogueRefused(f"{uri} has no key at position {n}, but {json.dumps(key)[:80]} ({_WANTED})")
        if key.startswith("s3://"):
            raise CatalogueRefused(
                f"{uri} has a whole URI at position {n}, {key[:200]} (keys go on where the prefix, {prefix}, ends: "
                "all objects of a manifest lie in one bucket)"
            )
        if seen.setdefault(key, n) != n:
            raise CatalogueRefused(
                f"{uri} has {key[:200]} at position {seen[key]} and again at {n} (two instances would work on it: take "
                "one of them out)"
            )
    return [prefix + key for key in keys]


def check_objects(
    manifest: str,
    uris: list[str],
    *,
    look: Callable[[Iterable[str]], Mapping[str, int | str]],
    region: str | None,
    region_of: Callable[[str], str | None],
) -> int:
    """The bytes of what the manifest names; CatalogueRefused where the job could not read it.

    Args:
        look: of each of the given URIs its size, or why it can't be read.
        region: the job's.
        region_of: the region of a bucket; None where S3 does not say.
    """
    if not uris:
        return 0
    bucket = uris[0].removeprefix("s3://").partition("/")[0]
    there = region_of(bucket)
    if region and there and there != region:
        raise CatalogueRefused(
            f"{manifest} names objects in {there}, and the job runs in {region} (a job takes its input from its own "
            f"region: copy them, or deploy with -c region={there})"
        )
    seen = look(uris)
    wrong = sorted((uri, why) for uri, why in seen.items() if isinstance(why, str))
    if wrong:
        raise CatalogueRefused(
            f"{manifest} names {len(wrong)} of {len(uris)} objects that the job could not read: "
            f"{first_few(wrong)} (put them there, restore what is archived, take them out of the manifest, or open "
            "them by access.read)"
        )
    return sum(size for size in seen.values() if isinstance(size, int))
