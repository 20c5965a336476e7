"""One S3 bucket as the functions use it: JSON in and out, listings, many objects at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from geocadence.long_json import compact, head_of

# As many as botocore's connection pool must hold: see `run_functions.environment`.
PARALLEL = 32
# What a plan's head has room in, but for areas of many corners and many jobs (`run.json`).
_HEAD = 8 << 10
_FAULTS = {403: "access denied", 404: "not there"}
_GONE = {"NoSuchKey", "404", "NotFound"}
# Where an object is not read from before it is restored:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/archived-objects.html
_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")


@dataclass(frozen=True)
class Listed:
    """What a listing says of an object."""

    key: str
    size: int
    modified: datetime
    etag: str
    storage_class: str = "STANDARD"

    @property
    def is_archived(self) -> bool:
        """Whether it can't be read unless it was restored, of which a listing says nothing."""
        return self.storage_class in _ARCHIVES


class Conflict(Exception):
    """The object changed since it was read."""


class TooLarge(Exception):
    """An object has more bytes than whoever reads it can take."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size


class Bucket:
    """A bucket behind a boto3 S3 client."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name

    def uri(self, key: str) -> str:
        return f"s3://{self.name}/{key}"

    def key(self, uri: str) -> str | None:
        """The key of an S3 URI if it is in this bucket."""
        start = f"s3://{self.name}/"
        return uri.removeprefix(start) if uri.startswith(start) else None

    def listing(self, prefix: str, *, after: str = "") -> Iterator[Listed]:
        """The objects below `prefix` in the order of their keys, those `after` a key only."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix, **({"StartAfter": after} if after else {})
        )
        for page in pages:
            for found in page.get("Contents", []):
                storage_class = found.get("StorageClass", "STANDARD")
                yield Listed(found["Key"], found["Size"], found["LastModified"], found["ETag"], storage_class)

    def exists(self, key: str) -> bool:
        return self._listed(key) is not None

    def look_at(self, key: str) -> int | str:
        """An object's size in bytes, or in a word or two why it can't be read."""
        try:
            answer = self._client.head_object(Bucket=self.name, Key=key)
        except ClientError as error:
            # A HEAD has no body, so the status is all that S3 says.
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            return _FAULTS.get(404 if status == 403 and self._is_known_absent(key) else status, str(error))
        is_away = answer.get("StorageClass") in _ARCHIVES or "ArchiveStatus" in answer
        is_back = 'ongoing-request="false"' in answer.get("Restore", "")
        return "archived, not restored" if is_away and not is_back else answer["ContentLength"]

    def look_at_many(self, keys: Iterable[str]) -> dict[str, int | str]:
        keys = list(keys)
        with ThreadPoolExecutor(PARALLEL) as pool:
            return dict(zip(keys, pool.map(self.look_at, keys), strict=True))

    def region(self) -> str | None:
        """Where the bucket lies; None where S3 does not say. It says so even to who may not look inside."""
        try:
            answer = self._client.head_bucket(Bucket=self.name)
        except ClientError as error:
            answer = error.response
        return answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")

    def read(self, key: str) -> bytes | None:
        return self.read_with_etag(key)[0]

    def read_with_etag(self, key: str) -> tuple[bytes | None, str | None]:
        """The object and its ETag, or (None, None) where there is none."""
        answer = self._get(key)
        return (answer["Body"].read(), answer["ETag"]) if answer else (None, None)

    def _get(self, key: str, **more: str) -> dict[str, Any] | None:
        """GetObject's answer; None where there is no object.

        Of one that is not there S3 says so only to who may list the bucket, and AccessDenied to others. Our roles may
        list below their prefixes; that S3 takes the key for the prefix then is documented nowhere, so it is asked.
        """
        try:
            return self._client.get_object(Bucket=self.name, Key=key, **more)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _GONE or (code == "AccessDenied" and self._is_known_absent(key)):
                return None
            raise

    def _is_known_absent(self, key: str) -> bool:
        try:
            return not self.exists(key)
        except ClientError:
            return False

    def modified(self, key: str) -> datetime | None:
        """When the object was written, as listings say it: a GET's answer knows no more than the second."""
        found = self._listed(key)
        return found and found.modified

    def etag(self, key: str) -> str | None:
        """The object's ETag, or None where there is no object."""
        found = self._listed(key)
        return found and found.etag

    def _listed(self, key: str) -> Listed | None:
        return next((found for found in self.listing(key) if found.key == key), None)

    def fetch(self, key: str, path: Path, *, at_most: int | None = None) -> str | None:
        """Write the object into a file without holding it; its ETag, or None where there is no object.

        Raises TooLarge where it has more than `at_most` bytes, of which none is read then.
        """
        answer = self._get(key)
        if answer is None:
            return None
        if at_most is not None and answer["ContentLength"] > at_most:
            answer["Body"].close()
            raise TooLarge(answer["ContentLength"])
        with path.open("wb") as file:
            shutil.copyfileobj(answer["Body"], file, 1 << 20)
        return answer["ETag"]

    def read_start(self, key: str, size: int) -> bytes | None:
        """The first bytes of an object, at most `size`; None where there is no object."""
        answer = self._get(key, Range=f"bytes=0-{size - 1}")
        return answer["Body"].read() if answer else None

    def read_head(self, key: str) -> dict[str, Any] | None:
        """All but the long list of a document that ends in one (`long_json`); None where there is no object."""
        size = _HEAD
        while (start := self.read_start(key, size)) is not None:
            try:
                return head_of(start)
            except ValueError:
                if len(start) < size:
                    raise
            size *= 16
        return None

    def read_json(self, key: str) -> Any:
        """The JSON of an object; None where there is no object or no JSON in it."""
        body = self.read(key)
        try:
            return json.loads(body) if body is not None else None
        except ValueError:
            return None

    def read_many(self, keys: Iterable[str]) -> dict[str, bytes | None]:
        keys = list(keys)
        with ThreadPoolExecutor(PARALLEL) as pool:
            return dict(zip(keys, pool.map(self.read, keys), strict=True))

    def read_json_many(self, keys: Iterable[str]) -> dict[str, Any]:
        keys = list(keys)
        with ThreadPoolExecutor(PARALLEL) as pool:
            return dict(zip(keys, pool.map(self.read_json, keys), strict=True))

    def write(self, key: str, body: bytes, *, content_type: str, tags: str | None = None) -> None:
        tagging = {"Tagging": tags} if tags else {}
        self._client.put_object(Bucket=self.name, Key=key, Body=body, ContentType=content_type, **tagging)

    def write_file(self, key: str, path: Path, *, content_type: str) -> None:
        """A file's content; up to the 5 GB of one request."""
        with path.open("rb") as file:
            self._client.put_object(Bucket=self.name, Key=key, Body=file, ContentType=content_type)

    def write_json(self, key: str, data: Any, *, tags: str | None = None) -> None:
        self.write(key, as_json(data), content_type="application/json", tags=tags)

    def write_json_many(self, objects: Mapping[str, Any], *, tags: str | None = None) -> None:
        """`tags` as a query string: `name=value`."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda entry: self.write_json(*entry, tags=tags), objects.items()))

    def replace_json(self, key: str, data: Any, *, etag: str | None) -> None:
        """Write only if the object is still the one with `etag` (None: still absent), else Conflict."""
        self._replace(key, as_json(data), etag=etag, content_type="application/json")

    def replace_file(self, key: str, path: Path, *, etag: str | None, content_type: str) -> str:
        """The same with a file's content, up to the 5 GB of one request; the ETag of what is there now."""
        with path.open("rb") as file:
            return self._replace(key, file, etag=etag, content_type=content_type)

    def _replace(self, key: str, body: Any, *, etag: str | None, content_type: str) -> str:
        condition = {"IfMatch": etag} if etag is not None else {"IfNoneMatch": "*"}
        try:
            answer = self._client.put_object(
                Bucket=self.name, Key=key, Body=body, ContentType=content_type, **condition
            )
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status in (409, 412) or (status == 404 and etag is not None):
                raise Conflict(key) from error
            raise
        return answer["ETag"]

    def download(self, key: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._client.download_file(self.name, key, str(path))


def as_json(data: Any) -> bytes:
    return compact(data).encode()
