"""What is not there, as S3 says it to roles that may list below their prefixes only; and what changed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from geocadence.bucket import Bucket, Conflict

KEY = "maps/runs/claims.json"


@pytest.fixture
def denied() -> Iterator[tuple[Bucket, Stubber]]:
    """A bucket whose every GetObject is refused; what a listing says is up to the test."""
    client = boto3.client("s3", region_name="us-west-2", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_client_error("get_object", "AccessDenied", http_status_code=403)
        yield Bucket(client, "bucket"), stub
        stub.assert_no_pending_responses()


def test_an_object_that_is_denied_and_not_listed_is_not_there(denied: tuple[Bucket, Stubber], tmp_path: Path) -> None:
    bucket, stub = denied
    stub.add_response("list_objects_v2", {"Contents": []}, {"Bucket": "bucket", "Prefix": KEY})
    assert bucket.read_with_etag(KEY) == (None, None)
    stub.add_client_error("get_object", "AccessDenied", http_status_code=403)
    stub.add_response("list_objects_v2", {"Contents": []}, {"Bucket": "bucket", "Prefix": KEY})
    assert bucket.fetch(KEY, tmp_path / "claims") is None


def test_a_look_at_what_is_denied_tells_the_two_apart() -> None:
    client = boto3.client("s3", region_name="us-west-2", aws_access_key_id="x", aws_secret_access_key="x")
    there = {"Key": KEY, "Size": 1, "LastModified": datetime(2026, 1, 1, tzinfo=UTC), "ETag": '"1"'}
    for listed, told in (([], "not there"), ([there], "access denied")):
        with Stubber(client) as stub:
            stub.add_client_error("head_object", "403", http_status_code=403)
            stub.add_response("list_objects_v2", {"Contents": listed}, {"Bucket": "bucket", "Prefix": KEY})
            assert Bucket(client, "bucket").look_at(KEY) == told


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, 7),
        ({"StorageClass": "GLACIER_IR"}, 7),
        ({"StorageClass": "GLACIER"}, "archived, not restored"),
        ({"StorageClass": "DEEP_ARCHIVE", "Restore": 'ongoing-request="true"'}, "archived, not restored"),
        ({"StorageClass": "GLACIER", "Restore": 'ongoing-request="false", expiry-date="Fri, 21 Dec 2029"'}, 7),
        ({"StorageClass": "INTELLIGENT_TIERING"}, 7),
        ({"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "ARCHIVE_ACCESS"}, "archived, not restored"),
    ],
)
def test_what_is_archived_can_not_be_read_before_it_is_restored(said: dict[str, str], told: int | str) -> None:
    """A HEAD finds it, and a GET is refused: InvalidObjectState."""
    client = boto3.client("s3", region_name="us-west-2", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_response("head_object", {"ContentLength": 7, **said}, {"Bucket": "bucket", "Key": KEY})
        assert Bucket(client, "bucket").look_at(KEY) == told


def test_a_listing_tells_what_is_archived() -> None:
    client = boto3.client("s3", region_name="us-west-2", aws_access_key_id="x", aws_secret_access_key="x")
    there = {"Key": KEY, "Size": 1, "LastModified": datetime(2026, 1, 1, tzinfo=UTC), "ETag": '"1"'}
    classes = ("STANDARD", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE")
    with Stubber(client) as stub:
        contents = [there, *(there | {"StorageClass": each} for each in classes)]
        stub.add_response("list_objects_v2", {"Contents": contents}, {"Bucket": "bucket", "Prefix": ""})
        assert [found.is_archived for found in Bucket(client, "bucket").listing("")] == [False] * 3 + [True] * 2


def test_one_that_is_listed_may_not_be_read(denied: tuple[Bucket, Stubber]) -> None:
    bucket, stub = denied
    there = {"Key": KEY, "Size": 1, "LastModified": datetime(2026, 1, 1, tzinfo=UTC), "ETag": '"1"'}
    stub.add_response("list_objects_v2", {"Contents": [there]}, {"Bucket": "bucket", "Prefix": KEY})
    with pytest.raises(ClientError, match=r"AccessDenied.*GetObject"):
        bucket.read(KEY)


def test_where_nothing_may_be_listed_nothing_is_said_to_be_gone(denied: tuple[Bucket, Stubber]) -> None:
    bucket, stub = denied
    stub.add_client_error("list_objects_v2", "AccessDenied", http_status_code=403)
    with pytest.raises(ClientError, match=r"AccessDenied.*GetObject"):
        bucket.read(KEY)


@pytest.mark.parametrize(
    ("code", "status"), [("PreconditionFailed", 412), ("ConditionalRequestConflict", 409), ("NoSuchKey", 404)]
)
def test_who_writes_over_what_has_changed_meets_a_conflict(code: str, status: int) -> None:
    """S3 says 409 where another write is under way, 404 where the object went, and leaves it to us to look again.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    client = boto3.client("s3", region_name="us-west-2", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_client_error("put_object", code, http_status_code=status)
        with pytest.raises(Conflict):
            Bucket(client, "bucket").replace_json(KEY, {}, etag='"1"')


def test_who_may_not_write_meets_no_conflict() -> None:
    client = boto3.client("s3", region_name="us-west-2", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        for code, status, etag in (("AccessDenied", 403, '"1"'), ("NoSuchBucket", 404, None)):
            stub.add_client_error("put_object", code, http_status_code=status)
            with pytest.raises(ClientError, match=code):
                Bucket(client, "bucket").replace_json(KEY, {}, etag=etag)
