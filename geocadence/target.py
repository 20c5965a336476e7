"""Where a command goes to: one stage in one account and region, or on the local cloud.

Names are computed, as docs/architecture.md says, so nothing is looked up but the account.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from geocadence.bucket import PARALLEL, Bucket
from geocadence.sessions import new_session

NO_LOCAL_CLOUD = "the local cloud is not running; start it with `.venv/bin/geocadence local up`"
DEFAULT_REGION = "us-west-2"
_OF_BACKFILLS = "_backfill"


class TargetError(Exception):
    """The target can't be reached or lacks what was asked for; the text says what to do."""


class LocalCloud(Protocol):
    """What `local_cloud.status()` gives."""

    region: str
    account: str

    def environment(self) -> dict[str, str]: ...


@dataclass
class Target:
    """A stage and the AWS clients that reach it."""

    stage: str
    region: str
    account: str
    is_local: bool
    session: boto3.Session = field(repr=False)
    settings: dict[str, Any] = field(default_factory=dict, repr=False)
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def on_aws(cls, *, stage: str = "dev", region: str | None = None) -> Target:
        """The stage in the account of the credentials that this machine has."""
        try:
            session = new_session(region_name=region or DEFAULT_REGION)
            account = session.client("sts").get_caller_identity()["Account"]
        except (BotoCoreError, ClientError) as error:
            raise TargetError(
                f"no AWS account to work in: {error} (sign in, e.g. by `aws sso login` or AWS_PROFILE; "
                "or take --local for the local cloud)"
            ) from error
        return cls(stage, session.region_name, account, is_local=False, session=session)

    @classmethod
    def on_local_cloud(cls, cloud: LocalCloud | None, *, stage: str = "local") -> Target:
        """The stage on a running local cloud; nothing of the user's AWS set-up is read."""
        if cloud is None:
            raise TargetError(NO_LOCAL_CLOUD)
        environment = cloud.environment()
        core = botocore.session.Session()
        core.set_config_variable("config_file", environment["AWS_CONFIG_FILE"])
        core.set_config_variable("credentials_file", environment["AWS_SHARED_CREDENTIALS_FILE"])
        core.set_config_variable("profile", environment["AWS_PROFILE"])
        session = new_session(
            core,
            region_name=cloud.region,
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )
        settings = {
            "endpoint_url": environment["AWS_ENDPOINT_URL"],
            "verify": str(Path(environment["AWS_CA_BUNDLE"])),
        }
        return cls(stage, cloud.region, cloud.account, is_local=True, session=session, settings=settings)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            config = Config(max_pool_connections=PARALLEL, retries={"mode": "standard", "max_attempts": 8})
            self._clients[service] = self.session.client(service, config=config, **self.settings)
        return self._clients[service]

    def patient_client(self, service: str, *, seconds: float) -> Any:
        """A client that waits so long for an answer, and does not ask again for one that is late."""
        config = Config(read_timeout=seconds, retries={"total_max_attempts": 1}, tcp_keepalive=True)
        return self.session.client(service, config=config, **self.settings)

    @property
    def prefix(self) -> str:
        """What the names of the stage's state machines begin with."""
        return f"geocadence-{self.stage}-"

    def state_machine_arn(self, pipeline: str) -> str:
        return f"arn:{self._partition}:states:{self.region}:{self.account}:stateMachine:{self.prefix}{pipeline}"

    def backfill_machine_arn(self, pipeline: str) -> str:
        return self.state_machine_arn(pipeline) + _OF_BACKFILLS

    def pipeline_of(self, execution_arn: str) -> str:
        """The pipeline whose state machine, of runs or of backfills, an execution belongs to."""
        return execution_arn.split(":")[6].removeprefix(self.prefix).removesuffix(_OF_BACKFILLS)

    def is_backfill(self, execution_arn: str) -> bool:
        return execution_arn.split(":")[6:7] == [f"{self.prefix}{self.pipeline_of(execution_arn)}{_OF_BACKFILLS}"]

    @property
    def inputs(self) -> Bucket:
        return self._bucket("input")

    @property
    def outputs(self) -> Bucket:
        return self._bucket("output")

    def _bucket(self, kind: str) -> Bucket:
        return Bucket(self.client("s3"), f"{self.prefix}{kind}-{self.account}-{self.region}")

    def state_machines(self) -> dict[str, str]:
        """The stage's pipelines, as they are deployed: name → the ARN of the state machine of its runs."""
        return {name: arn for name, arn in self._machines().items() if not name.endswith(_OF_BACKFILLS)}

    def backfill_machines(self) -> dict[str, str]:
        """The pipelines that can be filled back: name → the ARN of the state machine of its backfills."""
        found = self._machines().items()
        return {name.removesuffix(_OF_BACKFILLS): arn for name, arn in found if name.endswith(_OF_BACKFILLS)}

    def _machines(self) -> dict[str, str]:
        pages = self.client("stepfunctions").get_paginator("list_state_machines").paginate()
        found = {machine["name"]: machine["stateMachineArn"] for page in pages for machine in page["stateMachines"]}
        return {
            name.removeprefix(self.prefix): arn for name, arn in sorted(found.items()) if name.startswith(self.prefix)
        }

    @property
    def place(self) -> str:
        """The target in words."""
        if self.is_local:
            return "the local cloud"
        return f"stage {self.stage} in {self.region} of account {self.account}"

    @property
    def flags(self) -> str:
        """The options that bring another command to the same target."""
        if self.is_local:
            return " --local"
        stage = f" --stage {self.stage}" if self.stage != "dev" else ""
        return stage + (f" --region {self.region}" if self.region != DEFAULT_REGION else "")

    @property
    def _partition(self) -> str:
        return self.session.get_partition_for_region(self.region)
