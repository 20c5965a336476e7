"""WriteBatch: the Lambda handler that writes the objects of one batch, just before its job reads them.

Needs: the plan's slices, `<pipeline>/runs/*/plan/` of the input bucket (ListBucket, GetObject), the claims,
`<pipeline>/runs/claims.json` (ListBucket, GetObject, PutObject), and the batches, `<pipeline>/runs/*/batches/`
(PutObject, PutObjectTagging).
"""

from __future__ import annotations

from typing import Any

from geocadence.bucket import Bucket
from geocadence.layout import RunLayout, split_s3_uri
from geocadence.plan.batch_objects import write_batch
from run_functions.environment import Settings, client, log_as_json


def handler(event: dict[str, Any], context: Any) -> None:
    settings = Settings.read()
    layout = RunLayout.of_plan(split_s3_uri(event["plan"])[1])
    log_as_json(run_id=layout.run_id, pipeline=layout.pipeline, stage=settings.stage)
    inputs = Bucket(client("s3"), settings.input_bucket)
    write_batch(inputs, layout, event["batch"], is_redriven=event.get("redrives", 0) > 0)
