"""The buckets of a stage, shared by its pipelines: what goes in, what comes out, and who asked for it."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.components.acknowledged import acknowledge
from stacks.components.data_bucket import DataBucket
from stacks.names import bucket_name, storage_stack_name
from stacks.settings import Settings

# A batch's objects bear this tag, so that they can expire although every pipeline has a prefix of its own:
# a lifecycle rule takes no wildcards.
EXPIRES = ("geocadence-expires", "batch")


class StorageStack(cdk.Stack):
    """Input and output are versioned: a product that a faulty script overwrote can be had back for 30 days."""

    def __init__(self, scope: Construct, settings: Settings) -> None:
        super().__init__(
            scope,
            storage_stack_name(settings.stage),
            env=settings.environment,
            description=f"Geocadence: the buckets of stage {settings.stage}",
            termination_protection=settings.is_production,
        )
        logs = DataBucket(
            self,
            "Logs",
            name=bucket_name(self, settings.stage, "logs"),
            keep=settings.is_production,
            versioned=False,
            lifecycle_rules=[s3.LifecycleRule(id="access-logs", expiration=cdk.Duration.days(90))],
        )
        acknowledge(
            logs, "S1", because="This bucket takes the access logs; logging its own access would feed on itself."
        )
        input_bucket = DataBucket(
            self,
            "Input",
            name=bucket_name(self, settings.stage, "input"),
            keep=settings.is_production,
            access_logs=logs,
            lifecycle_rules=[
                s3.LifecycleRule(id="batches", tag_filters=dict([EXPIRES]), expiration=cdk.Duration.days(90))
            ],
        )
        output_bucket = DataBucket(
            self,
            "Output",
            name=bucket_name(self, settings.stage, "output"),
            keep=settings.is_production,
            access_logs=logs,
        )
        cdk.Tags.of(self).add("geocadence:stage", settings.stage)
        for name, bucket in {"InputBucket": input_bucket, "OutputBucket": output_bucket, "LogBucket": logs}.items():
            cdk.CfnOutput(self, name, value=bucket.bucket_name)
