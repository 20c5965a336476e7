"""What a client must know of a running local cloud."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

# Documentation's own account number: twelve zeros is what other tools use for "no account".
ACCOUNT = "123456789012"
REGION = "us-west-2"


class CloudError(RuntimeError):
    """The local cloud could not be started or stopped; the message says why."""


@dataclass(frozen=True)
class Cloud:
    """A running local cloud: where it answers, whom to trust, which process it is."""

    endpoint: str
    region: str
    account: str
    ca_bundle: Path
    """Public roots and this cloud's own CA, so that downloads from the internet still work."""
    pid: int
    started: float
    """The process's start time as the kernel counts it, which tells a reused pid from ours."""
    log: Path
    folder: Path

    def environment(self) -> dict[str, str]:
        """Environment variables that point every AWS client, and the CDK CLI, at this cloud.

        Meant to be laid over `os.environ`. The user's AWS files are replaced by one that knows only this
        cloud, so that no profile of theirs, however selected, can send anything to a real account.
        """
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_CA_BUNDLE": str(self.ca_bundle),
            "NODE_EXTRA_CA_CERTS": str(self.folder / "tls" / "ca.pem"),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_SESSION_TOKEN": "",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "CDK_DEFAULT_ACCOUNT": self.account,
            "CDK_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": str(self.folder / "aws-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.folder / "aws-config"),
            "AWS_PROFILE": "default",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
        }

    def save(self) -> None:
        """Write the state file that `status` reads, in one step so that no reader sees half of it."""
        values = {name: _plain(value) for name, value in dataclasses.asdict(self).items()}
        staging = state_file(self.folder).with_suffix(".new")
        staging.write_text(json.dumps(values, indent=2) + "\n")
        staging.replace(state_file(self.folder))


def state_file(folder: Path) -> Path:
    return folder / "state.json"


def load(folder: Path) -> Cloud | None:
    """The cloud that `folder`'s state file describes, running or not; None without a readable one."""
    try:
        values = json.loads(state_file(folder).read_text())
        return Cloud(
            endpoint=values["endpoint"],
            region=values["region"],
            account=values["account"],
            ca_bundle=Path(values["ca_bundle"]),
            pid=int(values["pid"]),
            started=float(values["started"]),
            log=Path(values["log"]),
            folder=Path(values["folder"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
