"""PlanRun: the Lambda handler that validates the input, discovers, decides and writes the batches.

Needs: the definition (GetObject); `<pipeline>/runs/` of the input bucket (ListBucket, GetObject, PutObject,
DeleteObject); `<pipeline>/` of the output bucket (ListBucket, GetObject); for items, prefix and
manifest sources the named S3 place (ListBucket, GetObject).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from geocadence.bucket import Bucket, Listed
from geocadence.catalogue.http import CatalogueRefused
from geocadence.execution_input import InvalidInput
from geocadence.instants import parse_instant
from geocadence.layout import split_s3_uri
from geocadence.plan.planning import Run, Sources, plan_run
from run_functions.environment import Settings, client, log_as_json, now, read_definition

log = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    settings = Settings.read()
    definition = read_definition(settings.definition)
    log_as_json(run_id=event["run_id"], pipeline=definition["name"], stage=settings.stage)
    s3 = client("s3")
    try:
        result = plan_run(
            Run(event["run_id"], event["execution_arn"], parse_instant(event["started_at"]), event.get("input", {})),
            definition=definition,
            inputs=Bucket(s3, settings.input_bucket),
            outputs=Bucket(s3, settings.output_bucket),
            sources=sources(s3, region=settings.region),
            clock=now,
        )
    except InvalidInput as error:
        log.warning("the run was refused", extra={"why": str(error)})
        raise
    log.info("the plan is written", extra=result)
    return result


def sources(s3: Any, *, region: str | None) -> Sources:
    """S3 as a source of scenes and objects, by URI."""

    def read(uri: str) -> bytes | None:
        bucket, key = split_s3_uri(uri)
        with _as_refusal(uri):
            return Bucket(s3, bucket).read(key)

    def listing(uri: str) -> Iterator[Listed]:
        bucket, prefix = split_s3_uri(uri)
        with _as_refusal(uri):
            yield from Bucket(s3, bucket).listing(prefix)

    def faults(uris: Iterable[str]) -> dict[str, str]:
        by_bucket: dict[str, list[str]] = defaultdict(list)
        for uri in uris:
            bucket, key = split_s3_uri(uri)
            by_bucket[bucket].append(key)
        found = ((Bucket(s3, bucket), Bucket(s3, bucket).faults(keys)) for bucket, keys in by_bucket.items())
        return {bucket.uri(key): why for bucket, wrong in found for key, why in wrong.items()}

    return Sources(
        read_s3=read,
        list_s3=listing,
        faults_s3=faults,
        region_of_bucket=lambda bucket: Bucket(s3, bucket).region(),
        region=region,
    )


@contextmanager
def _as_refusal(uri: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        told = error.response["Error"]
        if told["Code"] in ("AccessDenied", "NoSuchBucket", "PermanentRedirect", "AllAccessDisabled"):
            why = told.get("Message") or told["Code"]
            raise CatalogueRefused(
                f"{uri} can't be read: {why} (is it right, and readable for this account?)"
            ) from error
        raise
