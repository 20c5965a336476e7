"""The handlers' surroundings: a real S3 and the environment that the stack gives them."""

from __future__ import annotations

from tests.geocadence.conftest import aws_endpoint, inputs, new_bucket, outputs, s3

__all__ = ["aws_endpoint", "inputs", "new_bucket", "outputs", "s3"]
