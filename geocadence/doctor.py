"""What stands between a stage and a run that goes well: looked up, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from geocadence.definition import Definition
from geocadence.definition.images import BUILT, GEOSPATIAL, GEOSPATIAL_REGION, EcrImage
from geocadence.definition.problems import dotted
from geocadence.deployed_definition import noted_differences
from geocadence.quotas import OF_ALL_JOBS, Quota, quota_name, read_quotas
from geocadence.target import Target
from geocadence.undeployed import deploying, not_deployed

# The parameter that `cdk bootstrap` leaves: https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping.html
BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"
_NONE = ("ParameterNotFound", "StateMachineDoesNotExist", "ResourceNotFoundException", "InvalidArn")


@unique
class State(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: State
    told: str


def examine(target: Target, definitions: list[Definition]) -> Iterator[Finding]:
    """Region and account, bootstrap, and for each pipeline its cautions, image, quota, deployment and schedule."""
    where = "the local cloud" if target.is_local else f"account {target.account}"
    yield Finding("target", State.GOOD, f"stage {target.stage} in {target.region} of {where}")
    yield _bootstrap(target)
    quotas, why_not = _quotas(target, definitions)
    for definition in definitions:
        for caution in definition.cautions:
            yield Finding(f"{definition.name}: {dotted(caution.key)}", State.WARNING, caution.sentence)
        yield _image(target, definition)
        yield from _quotas_of(definition, quotas, why_not)
        deployment = _deployment(target, definition)
        yield deployment
        if definition.pipeline.schedule is not None and deployment.state is not State.BAD:
            yield _schedule(target, definition)


def _bootstrap(target: Target) -> Finding:
    try:
        version = target.client("ssm").get_parameter(Name=BOOTSTRAP)["Parameter"]["Value"]
    except (ClientError, BotoCoreError) as error:
        if _code(error) in _NONE:
            command = f".venv/bin/python tools/cdk.py bootstrap aws://{target.account}/{target.region}"
            return Finding("bootstrap", State.BAD, f"the account is not ready for the CDK: run {command}")
        return _unknown("bootstrap", error)
    return Finding("bootstrap", State.GOOD, f"version {version}")


def _quotas(target: Target, definitions: list[Definition]) -> tuple[dict[str, Quota], str]:
    types = {each for definition in definitions for each in definition.pipeline.processing.instance_types}
    try:
        return read_quotas(target.client("service-quotas"), types, region=target.region), ""
    except (ClientError, BotoCoreError) as error:
        return {}, f"can't be read: {error}"


def _quotas_of(definition: Definition, quotas: dict[str, Quota], why_not: str) -> list[Finding]:
    """Of several types one that a job can have is enough: a run is refused where none is, and only then."""
    names = [quota_name(each) for each in definition.pipeline.processing.instance_types]
    found = [_quota(definition, name, quotas, why_not) for name in names]
    if any(each.state is not State.BAD for each in found):
        found = [replace(each, state=State.WARNING) if each.state is State.BAD else each for each in found]
    # Not every account lists it; where quotas can't be read, that is told of the types.
    return [*found, *(_quota(definition, name, quotas, why_not) for name in (OF_ALL_JOBS,) if name in quotas)]


def _quota(definition: Definition, name: str, quotas: dict[str, Quota], why_not: str) -> Finding:
    processing, what = definition.pipeline.processing, f"{definition.name}: quota"
    quota = quotas.get(name)
    if quota is None:
        return Finding(what, State.WARNING, f"“{name}” {why_not or 'is not among those that Service Quotas lists'}")
    limits = definition.pipeline.limits
    # Objects are one job; scenes as many as their batches, of which so many run at a time.
    batches = -(-limits.max_scenes_per_run // limits.scenes_per_job) if definition.pipeline.source.has_scenes else 1
    jobs = min(limits.concurrent_jobs, batches)
    one, most = processing.instance_count, processing.instance_count * jobs
    told = f"“{name}” is {quota.value:g}"
    ask = f": {quota.request(most)}, or {quota.link}"
    if quota.value < one:
        return Finding(what, State.BAD, f"{told}, a job needs {one}{ask}")
    if quota.value < most:
        return Finding(what, State.WARNING, f"{told}, {jobs} jobs at a time need {most}{ask}")
    return Finding(what, State.GOOD, f"{told}, {most} needed at most")


def _image(target: Target, definition: Definition) -> Finding:
    image, what = definition.pipeline.processing.image, f"{definition.name}: image"
    there = (
        GEOSPATIAL_REGION if image == GEOSPATIAL else target.region if image == BUILT else EcrImage.parse(image).region
    )
    if there != target.region:
        told = f"{image} is in {there} only, this is {target.region}: take another image, or --region {there}"
        return Finding(what, State.BAD, told)
    return Finding(what, State.GOOD, image)


def _deployment(target: Target, definition: Definition) -> Finding:
    what = f"{definition.name}: deployment"
    try:
        machine = target.client("stepfunctions").describe_state_machine(
            stateMachineArn=target.state_machine_arn(definition.name)
        )
    except (ClientError, BotoCoreError) as error:
        if _code(error) in _NONE:
            return Finding(what, State.BAD, str(not_deployed(target, definition.name)))
        return _unknown(what, error)
    found = noted_differences(target, definition)
    if found:
        told = f"{machine['name']} departs from the file in {', '.join(found)}; {deploying(target, definition.name)}"
        return Finding(what, State.WARNING, told)
    return Finding(what, State.GOOD, machine["name"])


def _schedule(target: Target, definition: Definition) -> Finding:
    what = f"{definition.name}: schedule"
    try:
        found = target.client("scheduler").get_schedule(Name=f"{target.prefix}{definition.name}")
    except (ClientError, BotoCoreError) as error:
        if _code(error) in _NONE:
            return Finding(what, State.BAD, "there is none, though the definition has one: deploy the pipeline again")
        return _unknown(what, error)
    told = f"{found['ScheduleExpression']} in {found.get('ScheduleExpressionTimezone', 'UTC')}"
    if found.get("State") == "DISABLED":
        return Finding(what, State.WARNING, f"{told}, switched off (schedule.enabled)")
    return Finding(what, State.GOOD, told)


def _unknown(what: str, error: Exception) -> Finding:
    return Finding(what, State.WARNING, f"can't be looked up: {error}")


def _code(error: Exception) -> Any:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else None
