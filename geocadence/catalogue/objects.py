"""Bare objects as input: how many an S3 prefix holds, or a SageMaker manifest names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from geocadence.catalogue.http import CatalogueRefused


def count_objects(uri: str, *, listing: Callable[[str], Iterator[Any]]) -> int:
    """The objects below an S3 prefix; the empty ones whose key ends in / are folders that a console made."""
    return sum(1 for found in listing(uri) if not (found.key.endswith("/") and found.size == 0))


def count_manifest(uri: str, *, read_s3: Callable[[str], bytes | None]) -> int:
    """The objects that a manifest names; CatalogueRefused says what is wrong with it.

    `[{"prefix": "s3://bucket/path/"}, "relative/key", …]`:
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingS3Input.html
    """
    body = read_s3(uri)
    if body is None:
        raise CatalogueRefused(f"{uri} is not there (source.manifest.uri must name a manifest file)")
    try:
        manifest = json.loads(body)
    except ValueError as error:
        raise CatalogueRefused(f"{uri} is no JSON: {error}") from error
    wanted = 'expected [{"prefix": "s3://bucket/path/"}, "relative/key", …]'
    if not isinstance(manifest, list) or not manifest:
        raise CatalogueRefused(f"{uri} is no manifest ({wanted})")
    head, *keys = manifest
    prefix = head.get("prefix") if isinstance(head, dict) else None
    if not isinstance(prefix, str) or not prefix.startswith("s3://"):
        raise CatalogueRefused(f"{uri} does not begin with its prefix ({wanted})")
    for n, key in enumerate(keys, start=1):
        if not isinstance(key, str) or not key:
            raise CatalogueRefused(f"{uri} has no key at position {n}, but {json.dumps(key)[:80]} ({wanted})")
    return len(keys)
