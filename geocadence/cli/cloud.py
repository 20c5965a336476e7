"""`local` and the choice of target: AWS, or the local cloud, which is imported only where it is asked for."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from geocadence.cli.screen import Screen
from geocadence.definition import LOCAL_STAGE, is_stage_name
from geocadence.target import NO_LOCAL_CLOUD, Target, TargetError


def target(options: argparse.Namespace) -> Target:
    """The stage that the options name."""
    stage = options.stage or (LOCAL_STAGE if options.local else "dev")
    if not is_stage_name(stage):
        raise TargetError(f"{stage} is no stage name (expected up to 12 lower-case letters and digits, e.g. dev)")
    if not options.local:
        return Target.on_aws(stage=stage, region=options.region)
    import local_cloud

    return Target.on_local_cloud(local_cloud.status(), stage=stage)


def local(options: argparse.Namespace, screen: Screen) -> int:
    import local_cloud

    if options.action == "down":
        was_running = local_cloud.down()
        if screen.as_json:
            screen.facts({"running": False, "stopped": was_running})
        else:
            screen.say("the local cloud is stopped" if was_running else "the local cloud was not running")
        return 0
    try:
        found = local_cloud.up() if options.action == "up" else local_cloud.status()
    except local_cloud.CloudError as error:
        return screen.fail(str(error))
    _tell(found, screen)
    return 0 if found is not None else 1


def _tell(found: Any, screen: Screen) -> None:
    if screen.as_json:
        facts = {"endpoint": found.endpoint, "environment": found.environment()} if found is not None else {}
        screen.facts({"running": found is not None, **facts})
    elif found is None:
        screen.say(NO_LOCAL_CLOUD)
    else:
        # Only the exports go to stdout, so that `eval "$(geocadence local up)"` points a shell at the cloud.
        screen.err.print(f"the local cloud runs at {found.endpoint}; for the AWS CLI and other tools:", markup=False)
        for name, value in found.environment().items():
            screen.say(f"export {name}={shlex.quote(value)}")
