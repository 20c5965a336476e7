"""The values of a definition's keys: each a type that says in a sentence what is wrong with a text or number.

Limits are those of the services that a value ends up in.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from geocadence.definition.cron import cron_problem
from geocadence.definition.images import BUILT, GEOSPATIAL, EcrImage
from geocadence.definition.timezones import timezone_problem
from geocadence.durations import Duration

# Part of bucket and function names, 63 and 64 characters long. No hyphen: stage `dev` with the pipeline
# `eu-ndvi` must differ from stage `dev-eu` with the pipeline `ndvi`.
STAGE_PATTERN = r"^[a-z][a-z0-9]{0,11}$"
NAME_PATTERN = r"^[a-z][a-z0-9-]{0,29}$"

# The pipeline's stack is geocadence-<stage>-<name>, and geocadence-<stage>-storage has the stage's buckets.
RESERVED_NAME = "storage"

_S3_URI = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?")
_S3_OBJECT = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/(.*[^/])")
# Families come each year, sizes are what they were: of a typo only CreateProcessingJob would tell otherwise.
_INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9-]+\.(medium|large|\d{0,3}xlarge)")
_ENTRY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*\.py")
# What a policy reads as more than itself: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
_NOT_ITSELF_IN_POLICIES = re.compile(r"[*?]|\$\{")
# CreateProcessingJob's own
_LONGEST_URI, _LONGEST_PATH = 1024, 256
_CONTAINER_PATH = re.compile(r"/opt/ml/processing(/(?!\.{1,2}(/|$))[A-Za-z0-9_.-]+)+/?")
_EMAIL = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\".]+(\.[^\s@,;<>\".]+)+")


def is_stage_name(text: str) -> bool:
    """Whether a stage may be called so."""
    return re.fullmatch(STAGE_PATTERN.rstrip("$"), text) is not None


def _matching(pattern: re.Pattern[str], sentence: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(sentence)
        return value

    return AfterValidator(check)


def _name(value: str) -> str:
    if value == RESERVED_NAME:
        raise ValueError("is the stack of the stage's buckets, geocadence-<stage>-storage (take another name)")
    return value


def _image(value: str) -> str:
    if value not in (GEOSPATIAL, BUILT):
        EcrImage.parse(value)
    return value


def _s3(pattern: re.Pattern[str], sentence: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(sentence)
        return _as_it_is(value)

    return AfterValidator(check)


def _as_it_is(uri: str) -> str:
    if (found := _NOT_ITSELF_IN_POLICIES.search(uri)) is not None:
        raise ValueError(
            f"has {found[0]} in it, which S3 takes as it is and the role's policy as a wildcard (end it where keys "
            "begin to differ: all that begin with it are meant; or name the objects in a manifest)"
        )
    return _short(uri, _LONGEST_URI)


def _short(value: str, longest: int) -> str:
    if len(value) > longest:
        raise ValueError(f"is {len(value)} characters long (a job takes at most {longest})")
    return value


def _api(value: str) -> str:
    try:
        url = urlsplit(value)
        valid = url.scheme in ("http", "https") and url.hostname and (url.port is None or url.port > 0)
    except ValueError:
        valid = False
    if not valid or re.search(r"\s", value):
        raise ValueError("is no URL of a STAC API (expected e.g. https://earth-search.aws.element84.com/v1)")
    return value


def _href(value: str) -> str:
    if value.startswith("s3://") and not _S3_OBJECT.fullmatch(value):
        raise ValueError("is no S3 URI of an object (expected s3://bucket/key)")
    if value.startswith("s3://"):
        return _as_it_is(value)
    if "://" in value and not value.startswith("https://"):
        raise ValueError("has an unknown scheme (expected a file beside the definition, s3:// or https://)")
    return value


def _cron(value: str) -> str:
    if (sentence := cron_problem(value)) is not None:
        raise ValueError(sentence)
    return value


def _timezone(value: str) -> str:
    if (sentence := timezone_problem(value)) is not None:
        raise ValueError(sentence)
    return value


def _whole_minutes(value: Duration) -> Duration:
    if value < timedelta(minutes=1) or value % timedelta(minutes=1):
        raise ValueError("is not in whole minutes (expected PT1M or more, without seconds)")
    return value


def _window(value: Duration) -> Duration:
    if not timedelta(minutes=1) <= value <= timedelta(days=1) or value % timedelta(minutes=1):
        raise ValueError("is no flexible window (expected whole minutes from PT1M to PT24H)")
    return value


def _runtime(value: Duration) -> Duration:
    if not timedelta(seconds=1) <= value <= timedelta(seconds=777600):
        raise ValueError("is outside what a processing job may run (expected PT1S to P9D)")
    return value


def _lookback(value: Duration) -> Duration:
    if not timedelta(minutes=1) <= value <= timedelta(days=36525):
        raise ValueError("reaches not at all or absurdly far back (expected PT1M to P36525D)")
    return value


def _mode(value: str) -> str:
    if value == "Pipe":
        raise ValueError(
            "is refused: it streams objects one behind the other through a named pipe, in which no library of rasters, "
            "tables or areas can seek (take File)"
        )
    return value


def _arguments(value: Any) -> Any:
    """Mapping or list; `job_checks` says what is wrong in it: one sentence a key, not one a type."""
    if not isinstance(value, dict | list):
        raise ValueError("is neither a mapping (`key: value` becomes --key value) nor a list (the words, as they are)")
    return value


_SCALARS = [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]
_ARGUMENT_SCHEMA = {
    "anyOf": [*_SCALARS, {"type": "null"}, {"type": "array", "items": {"anyOf": _SCALARS}, "minItems": 1}]
}
_ARGUMENTS_SCHEMA = {
    "anyOf": [
        {"type": "object", "additionalProperties": _ARGUMENT_SCHEMA},
        {"type": "array", "items": {"type": ["string", "number"]}},
    ]
}

Text = Annotated[str, Field(min_length=1)]
S3Uri = Annotated[str, _s3(_S3_URI, "is no S3 URI (expected s3://bucket/key)")]
S3Object = Annotated[str, _s3(_S3_OBJECT, "is no S3 URI of an object (expected s3://bucket/key)")]
InstanceType = Annotated[str, _matching(_INSTANCE_TYPE, "is no SageMaker instance type (expected e.g. ml.m5.4xlarge)")]
ContainerPath = Annotated[
    str,
    _matching(_CONTAINER_PATH, "is no folder below /opt/ml/processing/ (expected e.g. /opt/ml/processing/area)"),
    AfterValidator(lambda value: _short(value, _LONGEST_PATH)),
]
ChannelName = Annotated[
    str, _matching(re.compile(r"[a-z][a-z0-9_-]{0,29}"), "is no name (expected lower-case letters, digits, - and _)")
]
Entry = Annotated[str, _matching(_ENTRY, "is no Python file of the script's folder (expected e.g. main.py)")]
PythonVersion = Annotated[
    str, _matching(re.compile(r"3\.[0-9]{1,2}"), 'is no version of Python in quotes (expected e.g. "3.10")')
]
Email = Annotated[str, _matching(_EMAIL, "is no e-mail address (expected e.g. ops@example.com)")]
Stage = Annotated[
    str,
    _matching(
        re.compile(STAGE_PATTERN),
        "is no stage name (expected up to 12 lower-case letters and digits, a letter first; e.g. dev)",
    ),
]
Arguments = Annotated[Any, BeforeValidator(_arguments), WithJsonSchema(_ARGUMENTS_SCHEMA)]
Cron = Annotated[str, AfterValidator(_cron)]
Rate = Annotated[Duration, AfterValidator(_whole_minutes)]
Timezone = Annotated[str, AfterValidator(_timezone)]
FlexibleWindow = Annotated[Duration, AfterValidator(_window)]
ApiUrl = Annotated[str, AfterValidator(_api)]
Lookback = Annotated[Duration, AfterValidator(_lookback)]
Href = Annotated[Text, AfterValidator(_href)]
Image = Annotated[str, AfterValidator(_image)]
Runtime = Annotated[Duration, AfterValidator(_runtime)]
Name = Annotated[str, AfterValidator(_name)]
InputMode = Annotated[Literal["File", "Pipe"], AfterValidator(_mode)]


class Part(BaseModel):
    """A mapping of the definition: unknown keys are refused, YAML's types are taken as they are."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=False
    )
