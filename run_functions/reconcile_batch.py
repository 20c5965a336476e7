"""ReconcileBatch: the Lambda handler that looks at what a batch's job left, however it ended.

Needs: the plan's slices, `<pipeline>/runs/*/plan/` of the input bucket (ListBucket, GetObject); `<pipeline>/` of the
output bucket (ListBucket, GetObject); the results, `<pipeline>/runs/*/results/` of the input bucket (PutObject,
PutObjectTagging).
"""

from __future__ import annotations

from typing import Any

from geocadence.bucket import Bucket
from geocadence.close.batch import reconcile_batch, write_result
from geocadence.layout import RunLayout, split_s3_uri
from run_functions.environment import Settings, client, log_as_json


def handler(event: dict[str, Any], context: Any) -> None:
    settings = Settings.read()
    layout = RunLayout.of_plan(split_s3_uri(event["plan"])[1])
    log_as_json(run_id=layout.run_id, pipeline=layout.pipeline, stage=settings.stage)
    s3, batch = client("s3"), event["batch"]
    inputs, outputs = Bucket(s3, settings.input_bucket), Bucket(s3, settings.output_bucket)
    result = reconcile_batch(inputs, outputs, layout, batch, region=settings.region, failure=event["failure"])
    write_result(inputs, layout, batch, result)
