"""What people need of their own for `submit`, `status` and `logs`: what docs/scripts.md says, which is enough."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

import boto3
import pytest

from tests.end_to_end.conftest import ROOT, Deployed, geocadence

PIPELINE = "e2e-listed"


def named(verb: str) -> set[str]:
    """The actions in the verb's row of the table."""
    (row,) = re.findall(rf"^\| `{verb}[^`]*` \|(.*)\|$", (ROOT / "docs/scripts.md").read_text(), re.MULTILINE)
    return set(re.findall(r"`([a-z0-9]+:[A-Z]\w+)`", row))


class Statements(list):
    """Of a user's policy, which is what it holds at any time."""

    def __init__(self, iam: Any, user: str) -> None:
        super().__init__()
        self._iam, self._user = iam, user

    def allow(self, action: str, resources: str | list[str]) -> None:
        self.append({"Effect": "Allow", "Action": action, "Resource": resources})
        document = json.dumps({"Version": "2012-10-17", "Statement": self})
        self._iam.put_user_policy(UserName=self._user, PolicyName="own", PolicyDocument=document)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Statements:
    """The command line is a person's, who may do what is put in here."""
    iam, user = boto3.client("iam"), f"person-{secrets.token_hex(4)}"
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    return Statements(iam, user)


def allow(person: Statements, deployed: Deployed, verb: str, *, but: str = "") -> None:
    """What the table names for `verb`, as narrow as it says."""
    for action in sorted(named(verb) - {but}):
        person.allow(action, resources(deployed, verb, action))


def resources(deployed: Deployed, verb: str, action: str) -> str | list[str]:
    here = f"{deployed.cloud.region}:{deployed.cloud.account}"
    if action.startswith("s3:"):
        if verb == "submit":
            return f"arn:aws:s3:::{deployed.input_bucket}/{PIPELINE}/runs/claims.json"
        buckets = [deployed.input_bucket, *([deployed.output_bucket] if verb == "status" else [])]
        return [f"arn:aws:s3:::{bucket}{'' if action == 's3:ListBucket' else '/*'}" for bucket in buckets]
    if action == "lambda:InvokeFunction":
        return [f"arn:aws:lambda:{here}:function:geocadence-local-{PIPELINE}-{name}" for name in ("plan", "write")]
    if action == "states:DescribeStateMachine":
        return deployed.machine(PIPELINE)
    if action == "iam:PassRole":
        return f"arn:aws:iam::{deployed.cloud.account}:role/geocadence-local-{PIPELINE}-*"
    return "*"


def test_what_the_docs_name_is_enough(deployed: Deployed, person: Statements) -> None:
    allow(person, deployed, "submit")
    submitted = geocadence("submit", PIPELINE)
    assert submitted.returncode == 0, submitted.stderr
    assert "can't be read" not in submitted.stderr
    assert '"event": "job"' in submitted.stderr
    run_id, job = re.match(rf"run (\S+) of {PIPELINE}: job (\S+),", submitted.stderr).groups()
    # Told at once, not only to those who do not wait.
    assert f"geocadence status {run_id}" in submitted.stderr.splitlines()[1]

    for verb, expected in (("status", "completed"), ("logs", '"event": "ended"')):
        person.clear()
        allow(person, deployed, verb)
        for name in (run_id, job):
            told = geocadence(verb, name)
            assert told.returncode == 0, told.stderr
            assert expected in told.stdout


@pytest.mark.parametrize("missing", ["s3:GetObject", "s3:PutObject", "sagemaker:ListProcessingJobs"])
def test_who_may_not_hold_the_scenes_starts_no_job(deployed: Deployed, person: Statements, missing: str) -> None:
    before = {job["ProcessingJobName"] for job in deployed.jobs(PIPELINE)}
    allow(person, deployed, "submit", but=missing)
    submitted = geocadence("submit", PIPELINE, "--no-wait")
    assert submitted.returncode == 1
    assert missing in submitted.stderr
    assert {job["ProcessingJobName"] for job in deployed.jobs(PIPELINE)} == before
