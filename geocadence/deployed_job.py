"""What a deployed state machine makes a processing job of: its request, with the expressions filled in, and functions.

The machine's definition is the one place that holds the image, the script and the role as they were deployed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from geocadence.definition.arguments import is_evaluated
from geocadence.target import Target, TargetError
from geocadence.undeployed import not_deployed

_MISSING = ("StateMachineDoesNotExist", "InvalidArn")
# The expressions of a job that are a run's to say, as `stacks` writes them.
RUN_ID = "{% $run_id %}"
INSTANCE_COUNT = "{% $plan.instance_count %}"
SOURCE_URI = "{% $plan.input_uri %}"
BATCH_URI = "{% $plan.input_uri & $string($states.input.batch) & '/' %}"


@dataclass(frozen=True)
class DeployedJob:
    """What of a deployed machine makes a job: the Task's arguments, and the functions that plan and write its batch.

    `recipe` is what the job makes products by; None where the machine is of earlier code.
    """

    request: dict[str, Any]
    plan: str
    recipe: str | None
    # None where the source is objects, which are there already.
    write: str | None


def deployed_job(target: Target, pipeline: str) -> DeployedJob:
    """Of the machine of `pipeline`; TargetError where it is not deployed."""
    try:
        machine = target.client("stepfunctions").describe_state_machine(
            stateMachineArn=target.state_machine_arn(pipeline)
        )
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            raise not_deployed(target, pipeline) from error
        raise
    states = json.loads(machine["definition"])["States"]
    of_batch, plan = states["ProcessBatches"]["ItemProcessor"]["States"], states["PlanRun"]["Arguments"]
    return DeployedJob(
        of_batch["ProcessScenes"]["Arguments"],
        plan["FunctionName"],
        plan["Payload"].get("recipe"),
        of_batch["WriteBatch"]["Arguments"]["FunctionName"] if "WriteBatch" in of_batch else None,
    )


def filled(request: Any, *, name: str, run_id: str, plan: dict[str, Any], batch: int = 0) -> Any:
    """`request` as a run would send it, `plan` being PlanRun's result; `name` is the job's."""
    values = {
        RUN_ID: run_id,
        INSTANCE_COUNT: plan["instance_count"],
        SOURCE_URI: plan["input_uri"],
        BATCH_URI: f"{plan['input_uri']}{batch}/",
    }
    return _filled({**request, "ProcessingJobName": name}, values)


def _filled(value: Any, values: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, values) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, values) for each in value]
    if isinstance(value, str) and is_evaluated(value):
        if value not in values:
            raise TargetError(f"the deployed pipeline is of another version (it says {value}): deploy it again")
        return values[value]
    return value
