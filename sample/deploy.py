"""Bootstrap the local cloud and deploy to it, with the real CDK CLI."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

from local_cloud import Cloud
from tools.cdk import ROOT, cdk


class DeployFailed(Exception):
    """The CDK CLI ended with an error; the message holds what it printed last."""


def bootstrap(cloud: Cloud, *, log: Path) -> bool:
    """Make the account ready for CDK; False when it already was."""
    if _is_bootstrapped():
        return False
    # Away from cdk.json: with an app at hand the CLI synthesizes it first, for nothing.
    _run(cloud, ["bootstrap", f"aws://{cloud.account}/{cloud.region}"], log=log, cwd=cloud.folder)
    return True


def deploy(cloud: Cloud, *, context: dict[str, str], log: Path) -> None:
    """Synthesize the app with `context` and deploy all of its stacks."""
    settings = [argument for key, value in context.items() for argument in ("-c", f"{key}={value}")]
    output = log.with_name("cdk.out")
    _run(cloud, ["deploy", "--all", "--require-approval", "never", "--output", str(output), *settings], log=log)


def _run(cloud: Cloud, arguments: list[str], *, log: Path, cwd: Path = ROOT) -> None:
    with log.open("ab") as stream:
        start = stream.tell()
        environment = os.environ | cloud.environment()
        code = cdk(arguments, environment=environment, cwd=cwd, stdout=stream, stderr=subprocess.STDOUT)
    if code:
        said = log.read_bytes()[start:].decode(errors="replace").strip().splitlines()
        raise DeployFailed(
            "\n".join([f"cdk {arguments[0]} failed; all it said is in {log}. Its last lines:", *said[-25:]])
        )


def _is_bootstrapped() -> bool:
    try:
        stack = boto3.client("cloudformation").describe_stacks(StackName="CDKToolkit")["Stacks"][0]
    except ClientError:
        return False
    return stack["StackStatus"].endswith("_COMPLETE")
