"""Names that can be computed from stage, account and region, so that nobody has to look them up."""

from __future__ import annotations

import hashlib
from typing import Literal

import aws_cdk as cdk
from constructs import Construct

PREFIX = "geocadence"


def storage_stack_name(stage: str) -> str:
    """The stack of a stage's buckets."""
    return f"{PREFIX}-{stage}-storage"


def pipeline_name(stage: str, pipeline: str) -> str:
    """The pipeline's stack, state machine and schedule; functions add `-plan`, `-close` and the like."""
    return f"{PREFIX}-{stage}-{pipeline}"


def backfill_name(stage: str, pipeline: str) -> str:
    """The state machine of a pipeline's backfills: `_`, since a pipeline may be called `ndvi-backfill` itself."""
    return f"{pipeline_name(stage, pipeline)}_backfill"


def bucket_name(scope: Construct, stage: str, role: Literal["input", "output", "logs"]) -> str:
    stack = cdk.Stack.of(scope)
    return f"{PREFIX}-{stage}-{role}-{stack.account}-{stack.region}"


def job_prefix(stage: str, pipeline: str) -> str:
    """What the names of a pipeline's jobs begin with; job names are one space an account and region.

    The hash keeps pipelines and stages off each other's jobs, since policies name jobs by this prefix.
    """
    return f"{pipeline}-{hashlib.sha256(pipeline_name(stage, pipeline).encode()).hexdigest()[:6]}"
