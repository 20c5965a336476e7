"""Sessions: listings of S3 are read fast, and every other time as botocore reads it."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.utils import parse_timestamp

from geocadence.sessions import new_session, read_timestamp
from geocadence.target import Target
from run_functions.environment import client

LISTING = (
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>1</Size><ETag>e</ETag>"
    "<LastModified>2026-11-26T10:00:00.123Z</LastModified></Contents></ListBucketResult>"
)
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-west-2"}


@pytest.mark.parametrize(
    "value", ["2026-11-26T10:00:00.000Z", "2026-11-26T10:00:00Z", "2026-11-26T11:00:00+01:00", "2026-11-26"]
)
def test_times_of_iso_8601_are_what_they_say(value: str) -> None:
    assert read_timestamp(value) == parse_timestamp(value)


@pytest.mark.parametrize("value", ["Thu, 26 Nov 2026 10:00:00 GMT", 1795687200, 1795687200.0, "1795687200"])
def test_times_of_headers_and_json_are_read_as_ever(value: Any) -> None:
    assert read_timestamp(value) == datetime(2026, 11, 26, 10, tzinfo=UTC)


def the_functions(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_DEFAULT_REGION", KEYS["region_name"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    client.cache_clear()
    made = client("s3")
    client.cache_clear()
    return made


def the_command_lines(monkeypatch: pytest.MonkeyPatch) -> Any:
    session = new_session(**KEYS)
    return Target("dev", KEYS["region_name"], "123456789012", is_local=False, session=session).client("s3")


@pytest.mark.parametrize("make", [the_functions, the_command_lines])
def test_listings_are_not_read_by_dateutil(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = make(monkeypatch)
    monkeypatch.setattr("dateutil.parser.parse", lambda *_, **__: pytest.fail("dateutil reads a time"))

    def answer(request: Any, **_: Any) -> AWSResponse:
        body = io.BytesIO(LISTING.encode())
        body.stream = lambda **_: iter([LISTING.encode()])  # type: ignore[attr-defined]
        return AWSResponse(request.url, 200, {}, body)

    s3.meta.events.register("before-send.s3", answer)

    (found,) = s3.list_objects_v2(Bucket="out")["Contents"]
    assert found["LastModified"] == datetime(2026, 11, 26, 10, 0, 0, 123000, tzinfo=UTC)
