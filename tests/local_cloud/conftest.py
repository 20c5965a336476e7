"""One local cloud for the session, and short ways to make in it what a test needs."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

import local_cloud

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[local_cloud.Cloud]:
    """A local cloud of this session's own; retries of state machines wait a twentieth of their time."""
    folder = tmp_path_factory.mktemp("cloud")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.MonkeyPatch.context() as shell:
        shell.setenv("MARK_OF_THE_SHELL", "must not reach functions")
        running = local_cloud.up(folder=folder, port=port, wait_scale=0.05, tied_to=os.getpid())
    yield running
    local_cloud.down(folder)


@dataclass
class Account:
    """The cloud as a customer's administrator sees it, through boto3."""

    cloud: local_cloud.Cloud
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, name: str, **credentials: str) -> Any:
        key = name + json.dumps(credentials, sort_keys=True)
        if key not in self._clients:
            session = boto3.Session(
                aws_access_key_id=credentials.get("key", "test"),
                aws_secret_access_key=credentials.get("secret", "test"),
                aws_session_token=credentials.get("token"),
                region_name=self.cloud.region,
            )
            self._clients[key] = session.client(
                name,
                endpoint_url=self.cloud.endpoint,
                verify=str(self.cloud.ca_bundle),
                config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
            )
        return self._clients[key]

    def role(self, service: str, *statements: dict[str, Any], condition: dict[str, Any] | None = None) -> str:
        """ARN of a new role that `service` may assume, with these statements as its policy."""
        name = unique("role")
        trust: dict[str, Any] = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        if condition:
            trust["Condition"] = condition
        iam = self.client("iam")
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))["Role"]
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=_policy(*statements))
        return role["Arn"]

    def function(self, source: str, *, role: str | None = None, **settings: Any) -> str:
        """ARN of a new Python function whose module `index` is `source`."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("index.py", source)
        created = self.client("lambda").create_function(
            FunctionName=unique("function"),
            Runtime="python3.12",
            Handler="index.handler",
            Role=role or self.role("lambda.amazonaws.com"),
            Code={"ZipFile": packed.getvalue()},
            **settings,
        )
        return created["FunctionArn"]

    def machine(self, role: str, *, start: str | None = None, **states: dict[str, Any]) -> str:
        """ARN of a new JSONata state machine of these states, the first one first."""
        definition = {"QueryLanguage": "JSONata", "StartAt": start or next(iter(states)), "States": states}
        created = self.client("stepfunctions").create_state_machine(
            name=unique("machine"), definition=json.dumps(definition), roleArn=role
        )
        return created["stateMachineArn"]

    def run(self, machine: str, given: Any = None, *, seconds: float = 20) -> dict[str, Any]:
        """The ended execution of `machine`, as DescribeExecution shows it."""
        states = self.client("stepfunctions")
        started = states.start_execution(stateMachineArn=machine, input=json.dumps(given or {}))
        arn = started["executionArn"]
        return wait_for(lambda: _ended(states.describe_execution(executionArn=arn)), seconds=seconds, what=arn)

    def queue(self) -> tuple[str, str]:
        """URL and ARN of a new queue."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=unique("queue"))["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, found["Attributes"]["QueueArn"]

    def messages(self, url: str) -> list[dict[str, Any]]:
        received = self.client("sqs").receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return received.get("Messages", [])


@pytest.fixture(scope="session")
def account(cloud: local_cloud.Cloud) -> Account:
    return Account(cloud)


def allow(action: str | list[str], resource: str | list[str] = "*", **condition: Any) -> dict[str, Any]:
    """A policy statement."""
    statement: dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def unique(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:12]}"


def wait_for(look: Callable[[], Any], *, seconds: float, what: str) -> Any:
    """The first true answer of `look`."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: nothing within {seconds:.0f} s")
        time.sleep(0.1)


def run_in_emulator(script: str, *arguments: str) -> str:
    """Output of a script under the emulator's Python, where the gateway's modules can be imported."""
    python = ROOT / ".local" / "emulator" / "bin" / "python"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [python, "-c", script, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _ended(execution: dict[str, Any]) -> dict[str, Any] | None:
    return execution if execution["status"] != "RUNNING" else None
