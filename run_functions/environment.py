"""What the functions find around them: settings, S3, the pipeline's definition, JSON logs."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.config import Config

from geocadence.bucket import PARALLEL, Bucket
from geocadence.layout import split_s3_uri
from geocadence.sessions import new_session

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@dataclass(frozen=True)
class Settings:
    """The functions' environment variables."""

    definition: str
    input_bucket: str
    output_bucket: str
    stage: str
    region: str | None

    @classmethod
    def read(cls) -> Settings:
        return cls(
            definition=os.environ["DEFINITION"],
            input_bucket=os.environ["INPUT_BUCKET"],
            output_bucket=os.environ["OUTPUT_BUCKET"],
            stage=os.environ["STAGE"],
            region=os.environ.get("AWS_REGION"),
        )


@cache
def client(service: str) -> Any:
    """One client a process: Lambda keeps them for later calls."""
    retries = {"mode": "adaptive", "max_attempts": 8}
    return new_session().client(service, config=Config(max_pool_connections=PARALLEL, retries=retries))


def read_definition(uri: str) -> dict[str, Any]:
    """The resolved definition, read anew for each run: a warm process may outlive a deployment."""
    bucket, key = split_s3_uri(uri)
    definition = Bucket(client("s3"), bucket).read_json(key)
    if not isinstance(definition, dict):
        raise RuntimeError(f"{uri} holds no pipeline definition; deploy the pipeline again")
    return definition


def now() -> datetime:
    """This instant, in UTC."""
    return datetime.now(UTC)


class JsonLines(logging.Formatter):
    """One JSON object a line, for CloudWatch Logs Insights; `extra` becomes keys."""

    def __init__(self, **context: str) -> None:
        super().__init__()
        self._context = context

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._context,
            **{key: value for key, value in vars(record).items() if key not in _STANDARD},
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def log_as_json(**context: str) -> None:
    """Everything logged from now on is a JSON line with `context` in it."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
    for handler in root.handlers:
        handler.setFormatter(JsonLines(**context))
    root.setLevel(logging.INFO)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    logging.getLogger("pystac_client").setLevel(logging.WARNING)
