"""PlanRun: the Lambda handler that validates the input, discovers, decides and writes the plan.

Needs: the definition (GetObject); `<pipeline>/runs/` of the input bucket (ListBucket, GetObject, PutObject; the slices
below `*/plan/` are tagged); `<pipeline>/` of the output bucket (ListBucket, GetObject); for items, prefix and
manifest sources the named S3 place (ListBucket, GetObject); states:DescribeExecution of the pipeline's executions and
sagemaker:ListProcessingJobs, to tell whether other runs are still at work; pricing:GetProducts where the definition
names no hourly_rate; where it may, the account's quotas for SageMaker.
"""

from __future__ import annotations

import logging
from typing import Any

from geocadence.bucket import Bucket
from geocadence.execution_input import InvalidInput
from geocadence.instants import parse_instant
from geocadence.plan.at_work import is_at_work
from geocadence.plan.planning import Run, plan_run
from geocadence.plan.sources import sources_in_s3
from geocadence.prices import hourly_price
from geocadence.quotas import quota_refusal
from run_functions.environment import Settings, client, log_as_json, now, read_definition

log = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    settings = Settings.read()
    definition = read_definition(settings.definition)
    log_as_json(run_id=event["run_id"], pipeline=definition["name"], stage=settings.stage)
    s3, processing, limits = client("s3"), definition["processing"], definition["limits"]
    if event.get("one_job"):
        # Asked for by `geocadence submit`, which starts one job over everything; a run's own input can't say it.
        limits["scenes_per_job"] = limits["max_scenes_per_run"]
    try:
        result = plan_run(
            Run(
                event["run_id"],
                event["execution_arn"],
                parse_instant(event["started_at"]),
                event.get("input", {}),
                event.get("recipe"),
            ),
            definition=definition,
            inputs=Bucket(s3, settings.input_bucket),
            outputs=Bucket(s3, settings.output_bucket),
            sources=sources_in_s3(
                s3,
                region=settings.region,
                is_at_work=lambda arn: is_at_work(
                    arn, states=client("stepfunctions"), sagemaker=client("sagemaker"), pipeline=definition["name"]
                ),
                price=lambda kind: hourly_price(kind, region=settings.region),
            ),
            quota_refusal=lambda wanted: quota_refusal(
                client("service-quotas"),
                processing.get("instance_preferences") or [processing["instance_type"]],
                wanted=wanted,
                region=settings.region,
            ),
            clock=now,
        )
    except InvalidInput as error:
        log.warning("the run was refused", extra={"why": str(error)})
        raise
    log.info("the plan is written", extra=result)
    return result
