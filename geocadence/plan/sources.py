"""S3 as a source of scenes and objects, by URI."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from geocadence.bucket import Bucket, Listed
from geocadence.catalogue.http import CatalogueRefused
from geocadence.layout import split_s3_uri
from geocadence.plan.finding import Sources

# The last one: archived, and not restored.
_REFUSED = ("AccessDenied", "NoSuchBucket", "PermanentRedirect", "AllAccessDisabled", "InvalidObjectState")


def sources_in_s3(
    s3: Any,
    *,
    region: str | None,
    is_at_work: Callable[[str], bool],
    price: Callable[[str], float | None] = lambda instance_type: None,
) -> Sources:
    """`region` is the one that the jobs run in."""

    def read(uri: str) -> bytes | None:
        bucket, key = split_s3_uri(uri)
        with _as_refusal(uri):
            return Bucket(s3, bucket).read(key)

    def fetch(uri: str, path: Path, at_most: int) -> bool:
        bucket, key = split_s3_uri(uri)
        with _as_refusal(uri):
            return Bucket(s3, bucket).fetch(key, path, at_most=at_most) is not None

    def listing(uri: str) -> Iterator[Listed]:
        bucket, prefix = split_s3_uri(uri)
        with _as_refusal(uri):
            yield from Bucket(s3, bucket).listing(prefix)

    def look(uris: Iterable[str]) -> dict[str, int | str]:
        by_bucket: dict[str, list[str]] = defaultdict(list)
        for uri in uris:
            bucket, key = split_s3_uri(uri)
            by_bucket[bucket].append(key)
        found = ((Bucket(s3, bucket), Bucket(s3, bucket).look_at_many(keys)) for bucket, keys in by_bucket.items())
        return {bucket.uri(key): seen for bucket, there in found for key, seen in there.items()}

    return Sources(
        read_s3=read,
        fetch_s3=fetch,
        list_s3=listing,
        look_s3=look,
        region_of_bucket=lambda bucket: Bucket(s3, bucket).region(),
        region=region,
        is_at_work=is_at_work,
        price=price,
    )


@contextmanager
def _as_refusal(uri: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        told = error.response["Error"]
        if told["Code"] in _REFUSED:
            why = told.get("Message") or told["Code"]
            raise CatalogueRefused(
                f"{uri} can't be read: {why} (is it right, and readable for this account?)"
            ) from error
        raise
