"""Brings a job's S3 inputs onto one instance: which objects, which share of them, and where they land."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import CALL_ERRORS, JobFailure
from .s3 import below, describe_error, parse_uri

DOWNLOADS_AT_ONCE = 4
CHUNK = 1024 * 1024


@dataclass(frozen=True)
class InputObject:
    """An object of an input; `relative` is where it lands below the input's LocalPath."""

    bucket: str
    key: str
    relative: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def is_folder(self) -> bool:
        """Consoles mark empty folders with an object whose key ends in a slash."""
        return self.key.endswith("/")


def list_objects(s3: Any, s3_input: dict[str, Any]) -> list[InputObject]:
    """All objects of an input, sorted by key. Raises JobFailure when there are none."""
    find = _in_manifest if s3_input["S3DataType"] == "ManifestFile" else _under_prefix
    try:
        return sorted(find(s3, s3_input["S3Uri"]), key=lambda found: found.key)
    except CALL_ERRORS as error:
        raise _download_failed(s3_input["S3Uri"], error) from error


def share(objects: list[InputObject], *, distribution: str, host: int, hosts: int) -> list[InputObject]:
    """What instance `host` (from 0) of `hosts` gets.

    ShardedByS3Key promises about 1/n of the objects and not which; dealing them out in key order
    spreads neighbours, which tend to be alike in size. With fewer objects than hosts some get none.
    """
    if distribution == "FullyReplicated":
        return objects
    folders = [entry for entry in objects if entry.is_folder]
    return folders + [entry for entry in objects if not entry.is_folder][host::hosts]


def download(s3: Any, objects: list[InputObject], *, folder: Path, cancelled: Callable[[], bool]) -> None:
    """Write the objects below `folder`, several at once. Raises JobFailure for the first that fails."""
    folder.mkdir(parents=True, exist_ok=True)

    def fetch(entry: InputObject) -> None:
        if not cancelled():
            _fetch(s3, entry, folder)

    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE, thread_name_prefix="download") as pool:
        try:
            for done in [pool.submit(fetch, entry) for entry in objects]:
                done.result()
        except JobFailure:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch(s3: Any, entry: InputObject, folder: Path) -> None:
    target = below(folder, entry.relative)
    if target is None:
        raise JobFailure(f"ClientError: Data download failed:{entry.uri} would leave its LocalPath.")
    try:
        if entry.is_folder:
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        body = s3.get_object(Bucket=entry.bucket, Key=entry.key)["Body"]
        with target.open("wb") as file:
            shutil.copyfileobj(body, file, CHUNK)
    except CALL_ERRORS as error:
        raise _download_failed(entry.uri, error) from error


def _under_prefix(s3: Any, uri: str) -> Iterator[InputObject]:
    """A prefix is a string, not a folder: `s3://b/images` matches `images/a.tif` and `images2/a.tif`.

    A "folder" given without its slash loses its name: AWS's own examples pass `s3://bucket/prefix` and
    look for their files directly in LocalPath, as they pass a script's full key and find it there by its
    base name (aws/amazon-sagemaker-examples, tf-2-workflow: glob('/opt/ml/processing/input/*.npy')).
    Where the prefix ends amid a name, nothing is documented; what follows the last slash is kept.
    """
    bucket, prefix = parse_uri(uri)
    after_slash = prefix.rpartition("/")[2]
    found = False
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            found = True
            rest = entry["Key"][len(prefix) :]
            relative = rest if rest.startswith("/") else after_slash + rest
            yield InputObject(bucket, entry["Key"], relative.lstrip("/"))
    if not found:
        # AWS's words, as users quote them: "S3 key: s3://… matched no files on s3".
        raise JobFailure(f"ClientError: S3 key: {uri} matched no files on s3")


def _in_manifest(s3: Any, uri: str) -> Iterator[InputObject]:
    """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html"""
    bucket, key = parse_uri(uri)
    content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    try:
        first, *names = json.loads(content)
        prefix = first["prefix"]
        if not (isinstance(prefix, str) and prefix.startswith("s3://") and all(isinstance(n, str) for n in names)):
            raise ValueError
    except (ValueError, TypeError, KeyError) as error:
        raise JobFailure(
            f'ClientError: Manifest file {uri} is malformed: it must be [{{"prefix": "s3://bucket/path/"}}, '
            '"relative/key", …].'
        ) from error
    for name in names:
        # The key is the two strings put together, as AWS's example has it: no slash is supplied.
        their_bucket, their_key = parse_uri(prefix + name)
        yield InputObject(their_bucket, their_key, name.lstrip("/"))


def _download_failed(uri: str, error: Exception) -> JobFailure:
    return JobFailure(f"ClientError: Data download failed:Failed to download data. {uri}: {describe_error(error)}")
