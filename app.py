"""The CDK app: settings in, stacks out, held against AwsSolutions on the way."""

from __future__ import annotations

import sys

import aws_cdk as cdk

from geocadence.definition import DefinitionErrors
from stacks.components.processing_job import InvalidJob
from stacks.refused import Refused
from stacks.settings import Settings
from stacks.stage import add_stage, hold_to_aws_solutions


def main() -> None:
    app = cdk.App()
    try:
        add_stage(app, Settings.from_context(app.node))
    except (DefinitionErrors, InvalidJob, Refused) as error:
        sys.exit(str(error))
    hold_to_aws_solutions(app)
    app.synth()


if __name__ == "__main__":
    main()
