"""IAM statements for S3 that stop at a prefix: reading, listing and writing below one, never a whole bucket."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aws_cdk import Aws
from aws_cdk import aws_iam as iam


@dataclass(frozen=True)
class Location:
    """Objects whose keys begin with `prefix`, as S3 itself reads a prefix: `maps` takes in `maps-old/`.

    `exact`: the one object whose key is `prefix`.
    """

    bucket: str
    prefix: str = ""
    exact: bool = False

    @classmethod
    def parse(cls, uri: str, *, exact: bool = False) -> Location:
        """`s3://bucket/prefix`."""
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        return cls(bucket, prefix, exact)

    def object(self, name: str) -> Location:
        """One object below this prefix."""
        return Location(self.bucket, f"{self.prefix}{name}", exact=True)

    @property
    def pattern(self) -> str:
        return self.prefix if self.exact else f"{self.prefix}*"

    @property
    def bucket_arn(self) -> str:
        return f"arn:{Aws.PARTITION}:s3:::{self.bucket}"

    @property
    def objects_arn(self) -> str:
        return f"{self.bucket_arn}/{self.pattern}"


def read(*locations: Location) -> list[iam.PolicyStatement]:
    """Read the objects of `locations` and list them, and nothing beside.

    One object is listed too: SageMaker finds its inputs by listing.
    """
    listable = (
        iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=[each.bucket_arn],
            conditions={"StringLike": {"s3:prefix": each.pattern}},
        )
        for each in dict.fromkeys(locations)
    )
    return [
        iam.PolicyStatement(actions=["s3:GetObject"], resources=_distinct(each.objects_arn for each in locations)),
        *listable,
    ]


def write(*locations: Location) -> iam.PolicyStatement:
    """Write objects; large ones come in parts, and broken uploads are taken back."""
    return iam.PolicyStatement(
        actions=["s3:PutObject", "s3:AbortMultipartUpload"],
        resources=_distinct(each.objects_arn for each in locations),
    )


def write_expiring(location: Location) -> iam.PolicyStatement:
    """Write objects that bear the tag by which they expire."""
    return iam.PolicyStatement(actions=["s3:PutObject", "s3:PutObjectTagging"], resources=[location.objects_arn])


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
