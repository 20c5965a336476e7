"""One deployment of all pipelines: the buckets they share, and a stack for each of them."""

from __future__ import annotations

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from stacks.pipeline_stack import PipelineStack
from stacks.settings import Settings
from stacks.storage_stack import StorageStack


def add_stage(app: cdk.App, settings: Settings) -> None:
    """Put the stage's stacks into `app`; storage comes first, since pipelines know its buckets by name only."""
    storage = StorageStack(app, settings)
    for definition in settings.definitions():
        PipelineStack(app, settings, definition).add_stack_dependency(storage)


def hold_to_aws_solutions(app: cdk.App) -> None:
    """Make the synthesis of `app` fail on any AwsSolutions finding that no code has given a reason for."""
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
