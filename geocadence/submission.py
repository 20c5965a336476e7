"""One processing job by the SageMaker SDK's ScriptProcessor, with a deployed pipeline's role, buckets, image, inputs.

The job is the one that the state machine would start for the same scenes. What is missing is all that a run has around
its jobs: retries, the report, and the collection, which the next run brings up to date.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from geocadence.close.jobs import has_open_jobs
from geocadence.deployed_function import call
from geocadence.deployed_job import deployed_job, filled
from geocadence.instants import format_instant
from geocadence.layout import job_name_prefix, run_id_of
from geocadence.plan.claims import renew
from geocadence.quotas import refused
from geocadence.target import Target, TargetError

_CODE = "code"
_ENDED = ("Completed", "Failed", "Stopped")
# The SDK reports its use to AWS unless it is told not to.
_SDK_SETTINGS = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}


@dataclass(frozen=True)
class Submission:
    """What a job is made from. `request` is None where there is nothing to do."""

    run_id: str
    planned: int
    request: dict[str, Any] | None


def prepare(target: Target, pipeline: str, execution_input: dict[str, Any]) -> Submission:
    """Plan one job over all that a run would take, and write its batch; TargetError where that can't be.

    Without the SDK nothing is planned either: the plan's claim would keep its scenes from other runs for nothing.

    The deployed functions do it, by the definition that was deployed with the job's request and under their own roles:
    what is planned, and the recipe that is kept with the products, are the job's whatever the files here say, and what
    the pipeline may not read is told whatever its caller may.
    """
    _sdk()
    deployed = deployed_job(target, pipeline)
    started = datetime.now(UTC).replace(microsecond=0)
    # No execution stands behind it, but names are made from one.
    machine = target.state_machine_arn(pipeline).replace(":stateMachine:", ":execution:")
    execution = f"{machine}:submit-{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    run_id = run_id_of(execution, started)
    run = {"run_id": run_id, "execution_arn": execution, "started_at": format_instant(started)}
    plan = call(target, deployed.plan, {**run, "input": execution_input, "recipe": deployed.recipe, "one_job": True})
    if not plan["batches"]:
        return Submission(run_id, 0, None)
    if plan["batches"] > 1:
        raise TargetError(
            f"the deployed pipeline is of another version (it plans {plan['batches']} jobs, not one): deploy it again"
        )
    if deployed.write is not None:
        call(target, deployed.write, {"plan": plan["plan"], "batch": 0, "redrives": 0})
    name = f"{job_name_prefix(pipeline, execution)}0-0-0"
    return Submission(run_id, plan["planned"], filled(deployed.request, name=name, run_id=run_id, plan=plan))


def start_job(
    target: Target,
    pipeline: str,
    submission: Submission,
    *,
    started: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Start the job, whose name is returned; TargetError where another run took its scenes before it showed.

    `started` is told the name as soon as the job is there, and costs: whatever goes wrong afterwards.

    No execution says that a submission lives: its job does, once SageMaker lists it. Until then its claim passes for a
    dead one's, so it is entered anew when it no longer does. It is before the job, too, and jobs are looked for: who
    may not do so learns of it while nothing is paid for, instead of having a job whose scenes other runs take.
    """
    if submission.request is None:
        raise ValueError("there is nothing to do")
    sagemaker, name = target.client("sagemaker"), submission.request["ProcessingJobName"]
    has_open_jobs(sagemaker, name_prefix=name)
    if not renew(target.inputs, pipeline, submission.run_id):
        raise TargetError(
            f"another run took the scenes of {submission.run_id} before its job was started (submit again for what is "
            "left)"
        )
    submit(target, submission.request)
    started(name)
    while not has_open_jobs(sagemaker, name_prefix=name):
        if sagemaker.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"] in _ENDED:
            return name
        sleep(0.2 if target.is_local else 1)
    if not renew(target.inputs, pipeline, submission.run_id):
        sagemaker.stop_processing_job(ProcessingJobName=name)
        raise TargetError(
            f"another run took the scenes of {submission.run_id} before its job showed: job {name} is stopped "
            "(submit again for what is left)"
        )
    return name


def submit(target: Target, request: dict[str, Any]) -> None:
    """Start the job of `request` by ScriptProcessor; TargetError where the SDK is not installed."""
    new_session, script_processor = _sdk()
    session = new_session(
        boto_session=target.session, sagemaker_client=target.client("sagemaker"), sagemaker_config=_SDK_SETTINGS
    )
    app, cluster = request["AppSpecification"], request["ProcessingResources"]["ClusterConfig"]
    *command, _ = app["ContainerEntrypoint"]
    (code,) = (each for each in request["ProcessingInputs"] if each["InputName"] == _CODE)
    processor = script_processor(
        role=request["RoleArn"],
        image_uri=app["ImageUri"],
        command=command,
        instance_count=cluster["InstanceCount"],
        instance_type=cluster.get("InstanceType"),
        instance_preferences=cluster.get("InstancePreferences"),
        volume_size_in_gb=cluster["VolumeSizeInGB"],
        max_runtime_in_seconds=request["StoppingCondition"]["MaxRuntimeInSeconds"],
        env=request["Environment"],
        tags=request["Tags"],
        sagemaker_session=session,
    )
    # ScriptProcessor would have the code lie in /opt/ml/processing/input/code: not as in a run, and in the midst of the
    # input of a script that finds it in /opt/ml/processing/input. It takes the folder as no argument.
    folder = PurePosixPath(code["S3Input"]["LocalPath"])
    processor._CODE_CONTAINER_BASE_PATH, processor._CODE_CONTAINER_INPUT_NAME = f"{folder.parent}/", folder.name
    try:
        _run(processor, request, code=code)
    except ClientError as error:
        told = error.response["Error"]
        sentence = refused(told.get("Message", ""), region=target.region)
        if told["Code"] != "ResourceLimitExceeded" or sentence is None:
            raise
        raise TargetError(sentence) from error


def _sdk() -> tuple[Any, Any]:
    """The SDK's Session and ScriptProcessor; TargetError where it is not installed."""
    try:
        from sagemaker.core.helper.session_helper import Session
        from sagemaker.core.processing import ScriptProcessor
    except ImportError as error:
        raise TargetError(f"the SageMaker SDK is needed to submit a job: run `make sdk` ({error})") from error
    return Session, ScriptProcessor


def _run(processor: Any, request: dict[str, Any], *, code: dict[str, Any]) -> None:
    processor.run(
        code=code["S3Input"]["S3Uri"],
        inputs=[_input(each) for each in request["ProcessingInputs"] if each is not code],
        outputs=[_output(each) for each in request["ProcessingOutputConfig"]["Outputs"]],
        arguments=request["AppSpecification"].get("ContainerArguments"),
        wait=False,
        job_name=request["ProcessingJobName"],
    )


def _input(given: dict[str, Any]) -> Any:
    from sagemaker.core.shapes import ProcessingInput, ProcessingS3Input

    return ProcessingInput(input_name=given["InputName"], s3_input=ProcessingS3Input(**_snake(given["S3Input"])))


def _output(given: dict[str, Any]) -> Any:
    from sagemaker.core.shapes import ProcessingOutput, ProcessingS3Output

    return ProcessingOutput(output_name=given["OutputName"], s3_output=ProcessingS3Output(**_snake(given["S3Output"])))


_NAMES = {
    "S3Uri": "s3_uri",
    "LocalPath": "local_path",
    "S3DataType": "s3_data_type",
    "S3InputMode": "s3_input_mode",
    "S3DataDistributionType": "s3_data_distribution_type",
    "S3UploadMode": "s3_upload_mode",
}


def _snake(members: dict[str, Any]) -> dict[str, Any]:
    return {_NAMES[name]: value for name, value in members.items()}
