"""What a client must know of a running local cloud."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

# Documentation's own account number: twelve zeros is what other tools use for "no account".
ACCOUNT = "123456789012"
REGION = "us-west-2"
# Where users name the certificates of their company's proxy; the cloud's bundle takes them in.
EXTRA_ROOTS = ("SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


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
            **without_proxy(),
        }

    def save(self) -> None:
        """Write the state file that `status` reads, in one step so that no reader sees half of it."""
        values = {name: _plain(value) for name, value in dataclasses.asdict(self).items()}
        staging = state_file(self.folder).with_suffix(".new")
        staging.write_text(json.dumps(values, indent=2) + "\n")
        staging.replace(state_file(self.folder))


def without_proxy() -> dict[str, str]:
    """Proxy exceptions of this process's environment, and this machine itself among them."""
    listed = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    exceptions = ",".join(dict.fromkeys([*filter(None, listed.split(",")), "127.0.0.1", "localhost"]))
    return {"NO_PROXY": exceptions, "no_proxy": exceptions}


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
