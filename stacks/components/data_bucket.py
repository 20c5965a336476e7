"""A private bucket: TLS only, no public access, encrypted, no ACLs, emptied with its stack or outliving it.

Encryption is SSE-S3. A KMS key of our own would cost a call for each of a run's thousands of small objects and
a key policy for each reader, and protect against nobody new: who may read the bucket may read its objects.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct


class DataBucket(s3.Bucket):
    """`keep`: the bucket outlives its stack (production). Otherwise it goes, with what is in it."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        keep: bool,
        versioned: bool = True,
        access_logs: s3.IBucket | None = None,
        lifecycle_rules: Sequence[s3.LifecycleRule] = (),
    ) -> None:
        super().__init__(
            scope,
            id,
            bucket_name=name,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=versioned,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix=f"{id.lower()}/" if access_logs else None,
            lifecycle_rules=[_housekeeping(versioned=versioned), *lifecycle_rules],
            removal_policy=RemovalPolicy.RETAIN if keep else RemovalPolicy.DESTROY,
            auto_delete_objects=not keep,
        )


def _housekeeping(*, versioned: bool) -> s3.LifecycleRule:
    """What is invisible and billed: parts of broken uploads, old versions, markers of deleted objects."""
    return s3.LifecycleRule(
        id="housekeeping",
        abort_incomplete_multipart_upload_after=Duration.days(7),
        noncurrent_version_expiration=Duration.days(30) if versioned else None,
        expired_object_delete_marker=True if versioned else None,
    )
