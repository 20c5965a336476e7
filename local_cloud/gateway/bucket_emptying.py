"""The CDK's custom resource that empties a bucket before it is deleted (`auto_delete_objects=True`).

The CDK's own handler needs the AWS SDK that Lambda's Node.js runtimes carry, which this machine does not
have. This makes the same calls, as the role of the CDK's function, so that a bucket policy which doesn't
let that role empty the bucket fails the deletion here too.
"""

from __future__ import annotations

import uuid
from typing import Any

from botocore.exceptions import ClientError

from local_cloud.gateway.clients import RoleClients

RESOURCE_TYPE = "Custom::S3AutoDeleteObjects"
# The CDK sets it on buckets that may be emptied, and takes it away when it no longer wants that.
TAG = {"Key": "aws-cdk:auto-delete-objects", "Value": "true"}


class BucketEmptying:
    """Called with what CloudFormation tells a custom resource; the resource's physical id."""

    def __init__(self, clients: RoleClients) -> None:
        self._clients = clients

    def __call__(self, request_type: str, properties: dict[str, Any], physical_id: str | None, role_arn: str) -> str:
        if request_type == "Delete":
            s3 = self._clients.client("s3", role_arn, service="lambda.amazonaws.com", session="auto-delete-objects")
            self._empty(s3, properties["BucketName"])
        return physical_id or str(uuid.uuid4())

    def _empty(self, s3: Any, bucket: str) -> None:
        try:
            if TAG not in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]:
                return
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                if found:
                    keys = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in found]
                    s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        except ClientError as problem:
            if problem.response["Error"]["Code"] not in ("NoSuchBucket", "NoSuchTagSet"):
                raise
