"""AWS clients that act as a role: how this cloud's services call each other.

A service of AWS that works on a customer's behalf (Step Functions, Scheduler, SageMaker) assumes the
role it was handed and signs ordinary requests with the session's credentials, so that a missing
permission shows where it would on AWS. So do ours: nothing here calls the emulator's functions
directly, everything goes through the HTTPS front door.
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from typing import Any, Protocol

import botocore.session
from botocore.config import Config

CLIENTS_KEPT = 128


class RoleNotAssumable(Exception):
    """The role does not exist, or its trust policy does not admit the service that asks."""


@dataclass(frozen=True)
class Credentials:
    """What STS hands out for a session; `token` is empty for the account's root."""

    access_key: str
    secret_key: str
    token: str = ""


class Sessions(Protocol):
    """Where sessions come from: the emulator's STS, through `emulator_hooks`."""

    def __call__(self, role_arn: str, *, service: str, session: str, source_arn: str | None) -> Credentials: ...


class RoleClients:
    """Credentials and botocore clients of roles, for this cloud's endpoint.

    `service` is the principal that assumes the role (`sagemaker.amazonaws.com`); `source_arn` is the
    resource on whose behalf it does, for trust policies with an `aws:SourceArn` condition.
    Every method raises `RoleNotAssumable` for a role that the service may not assume. `ca` is the endpoint's alone:
    each client reads what it trusts, which takes ten milliseconds for all public roots of the `ca_bundle`.
    """

    def __init__(
        self, *, region: str, account: str, endpoint: str, ca: str, ca_bundle: str, sessions: Sessions
    ) -> None:
        self.region = region
        self.account = account
        self.endpoint = endpoint
        self._ca = ca
        self.ca_bundle = ca_bundle
        self._sessions = sessions
        # One botocore session, for its cache of service models; creating clients from it is not thread-safe.
        self._botocore = botocore.session.Session()
        self._creating = threading.Lock()
        self._made = functools.lru_cache(maxsize=CLIENTS_KEPT)(self._make)

    def environment(
        self, role_arn: str, *, service: str, session: str, source_arn: str | None = None
    ) -> dict[str, str]:
        """Environment variables with which a process acts as the role."""
        credentials = self._sessions(role_arn, service=service, session=session, source_arn=source_arn)
        return {
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            "AWS_SESSION_TOKEN": credentials.token,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_CA_BUNDLE": self.ca_bundle,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, name: str, role_arn: str, *, service: str, session: str, source_arn: str | None = None) -> Any:
        """A botocore client of the AWS service `name` that acts as the role."""
        credentials = self._sessions(role_arn, service=service, session=session, source_arn=source_arn)
        return self._client(name, credentials)

    def _client(self, name: str, credentials: Credentials) -> Any:
        with self._creating:
            return self._made(name, credentials)

    def _make(self, name: str, credentials: Credentials) -> Any:
        return self._botocore.create_client(
            name,
            region_name=self.region,
            endpoint_url=self.endpoint,
            verify=self._ca,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.token or None,
            # A refusal must reach the caller at once and once: Retry is the state machine's business.
            config=Config(
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
                max_pool_connections=32,
                read_timeout=900,
                parameter_validation=True,
            ),
        )
