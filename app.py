"""The CDK app: settings in, stacks out, held against AwsSolutions on the way."""

from __future__ import annotations

import sys

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from stacks.components.container_image import UnusableImage
from stacks.pipeline_stack import PipelineStack
from stacks.settings import DefinitionErrors, InvalidSettings, Settings
from stacks.storage_stack import StorageStack


def build(app: cdk.App, settings: Settings) -> None:
    """Put the stage's stacks into `app`; its synthesis fails on a finding that nobody has explained."""
    storage = StorageStack(app, settings)
    for definition in settings.definitions():
        PipelineStack(app, settings, definition).add_stack_dependency(storage)
    cdk.Tags.of(app).add("geocadence:stage", settings.stage)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))


def main() -> None:
    app = cdk.App()
    try:
        build(app, Settings.from_context(app.node))
    except (DefinitionErrors, InvalidSettings, UnusableImage) as error:
        sys.exit(str(error))
    app.synth()


if __name__ == "__main__":
    main()
