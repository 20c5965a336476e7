"""What a pipeline definition may say: the typed model of `pipelines/<name>.yaml`.

Only `name`, `source` and `processing.script` are required. Limits are those of the services that a
value ends up in. Rules that look beyond one mapping, or at files, stand in `checks`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from geocadence.definition.cron import cron_problem
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
_INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")
_ENTRY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*\.py")
_ECR_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?"
    r"/(?P<repository>[a-z0-9][a-z0-9._/-]*)(:[A-Za-z0-9_][A-Za-z0-9._-]*|@sha256:[0-9a-f]{64})"
)
_EMAIL = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\".]+(\.[^\s@,;<>\".]+)+")
NAMED_IMAGES = ("sagemaker-geospatial",)


def is_stage_name(text: str) -> bool:
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
    if value == "build":
        raise ValueError(
            "is refused: building an image is not there yet: name an ECR image "
            "(e.g. 123456789012.dkr.ecr.us-west-2.amazonaws.com/name@sha256:…)"
        )
    if value not in NAMED_IMAGES and not _ECR_IMAGE.fullmatch(value):
        raise ValueError(
            "is neither `sagemaker-geospatial` nor an ECR image "
            "(expected e.g. 123456789012.dkr.ecr.us-west-2.amazonaws.com/name@sha256:…)"
        )
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
    if "://" in value and not value.startswith(("s3://", "https://")):
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


def _argument(value: Any) -> Any:
    return value  # `checks` says what is wrong with arguments: one sentence a key, not one a type


_SCALARS = [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]
_ARGUMENT_SCHEMA = {
    "anyOf": [*_SCALARS, {"type": "null"}, {"type": "array", "items": {"anyOf": _SCALARS}, "minItems": 1}]
}

Text = Annotated[str, Field(min_length=1)]
S3Uri = Annotated[str, _matching(_S3_URI, "is no S3 URI (expected s3://bucket/key)")]
S3Object = Annotated[str, _matching(_S3_OBJECT, "is no S3 URI of an object (expected s3://bucket/key)")]
InstanceType = Annotated[str, _matching(_INSTANCE_TYPE, "is no SageMaker instance type (expected e.g. ml.m5.4xlarge)")]
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
Argument = Annotated[Any, BeforeValidator(_argument), WithJsonSchema(_ARGUMENT_SCHEMA)]


class Part(BaseModel):
    """A mapping of the definition: unknown keys are refused, YAML's types are taken as they are."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=False
    )


class Schedule(Part):
    """When runs start: EventBridge Scheduler's cron (six fields) or a fixed rate."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["cron"]}, {"required": ["rate"]}]})

    cron: Annotated[str, AfterValidator(_cron)] | None = Field(
        None,
        description="Six fields as EventBridge Scheduler reads them: minutes, hours, day of month, month, "
        "day of week, year; one of the two days is ?",
        examples=["0 6 ? * MON *"],
    )
    rate: Annotated[Duration, AfterValidator(_whole_minutes)] | None = Field(
        None,
        description="Every so often, beginning with the deployment: "
        "an ISO 8601 duration in whole minutes, hours or days",
        examples=["P7D"],
    )
    timezone: Annotated[str, AfterValidator(_timezone)] = Field(
        "UTC", description="IANA name of the time zone that cron is read in; daylight saving is followed"
    )
    flexible_window: Annotated[Duration, AfterValidator(_window)] | None = Field(
        None, description="The run starts somewhere within this time, PT1M to PT24H; on the minute when left out"
    )
    enabled: bool = Field(True, description="false keeps the schedule but starts nothing")

    @model_validator(mode="after")
    def _cron_or_rate(self) -> Schedule:
        if (self.cron is None) == (self.rate is None):
            found = "neither" if self.cron is None else "both"
            raise ValueError(f"needs exactly one of cron and rate (found {found})")
        return self


class StacSource(Part):
    """New scenes of an area, found in a STAC API."""

    api: Annotated[str, AfterValidator(_api)] = Field(
        description="Landing page of a STAC API with item search",
        examples=["https://earth-search.aws.element84.com/v1"],
    )
    collection: Text = Field(description="The collection's id in that API", examples=["sentinel-2-c1-l2a"])
    area: Text = Field(description="GeoJSON file, relative to the definition", examples=["areas/alentejo.geojson"])
    lookback: Annotated[Duration, AfterValidator(_lookback)] = Field(
        Duration.parse("P14D"), description="How far the default window reaches back from the run's scheduled time"
    )
    query: dict[str, dict[str, Any]] = Field(
        {}, description="Property filters of the API's query extension", examples=[{"eo:cloud_cover": {"lt": 60}}]
    )
    filter: str | dict[str, Any] | None = Field(
        None,
        description="A CQL2 filter, as text or as JSON, beside query or in its place",
        examples=["\"eo:cloud_cover\" < 60 AND platform = 'sentinel-2b'"],
    )


class ItemsSource(Part):
    """Scenes listed in a static ItemCollection or in stac-geoparquet."""

    href: Annotated[Text, AfterValidator(_href)] = Field(
        description="An ItemCollection or stac-geoparquet (*.parquet): a file beside the definition, s3:// or https://"
    )


class PrefixSource(Part):
    """Every object below an S3 prefix, handed to the script as it is."""

    uri: S3Uri = Field(description="The objects below it are what the job gets", examples=["s3://my-bucket/images/"])


class ManifestSource(Part):
    """The objects that a SageMaker manifest lists, handed to the script as they are."""

    uri: S3Object = Field(description="A manifest file", examples=["s3://my-bucket/manifest.json"])


class Source(Part):
    """Where a run's input comes from: exactly one of the four."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    stac: StacSource | None = Field(None, description="New scenes of an area, found in a STAC API")
    items: ItemsSource | None = Field(None, description="Scenes listed in a static ItemCollection")
    prefix: PrefixSource | None = Field(None, description="Every object below an S3 prefix")
    manifest: ManifestSource | None = Field(None, description="The objects that a SageMaker manifest lists")

    @model_validator(mode="after")
    def _exactly_one(self) -> Source:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            raise ValueError(f"needs exactly one of stac, items, prefix, manifest (found {found})")
        return self

    @property
    def kind(self) -> Literal["stac", "items", "prefix", "manifest"]:
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def has_scenes(self) -> bool:
        """Whether the run plans scenes (STAC Items), rather than handing over bare objects."""
        return self.kind in ("stac", "items")


class Processing(Part):
    """The processing job: what runs, on how many of which machines, for how long."""

    script: Text = Field(
        description="A built-in script's name, or a path to a .py file or to a folder",
        examples=["spectral_index", "scripts/my_script.py"],
    )
    entry: Annotated[str, _matching(_ENTRY, "is no Python file of the script's folder (expected e.g. main.py)")] = (
        Field("__main__.py", description="The file that is run, where the script is a folder")
    )
    requirements: Text | None = Field(
        None,
        description="A requirements file: what it names travels with the script, as wheels for Linux on x86_64",
        examples=["scripts/requirements.txt"],
    )
    provided: list[Text] = Field(
        [],
        description="Packages that the image has, which must not travel although requirements depend on them",
        examples=[["numpy", "rasterio"]],
    )
    python: PythonVersion | None = Field(
        None,
        description="The image's Python, for which the libraries of requirements travel; "
        "3.10 when left out, and 3.11 in an image built here",
        examples=["3.12"],
    )
    arguments: dict[str, Argument] = Field(
        {},
        description="Becomes --key value on the script's command line; a list a,b,c; true the flag alone; "
        "false and null nothing",
    )
    image: Annotated[str, AfterValidator(_image)] = Field(
        "sagemaker-geospatial", description="sagemaker-geospatial (us-west-2), or an ECR image's URI"
    )
    instance_type: InstanceType = Field("ml.m5.4xlarge", description="A SageMaker instance type")
    instance_count: int = Field(1, ge=1, le=100, description="Instances of one job, 1 to 100")
    volume_size_gb: int = Field(50, ge=1, le=16384, description="Disk of each instance")
    distribution: Literal["ShardedByS3Key", "FullyReplicated"] = Field(
        "ShardedByS3Key",
        description="Whether each instance gets its share of the input, or all of it "
        "(spectral_index then runs on one instance only: each would make every product)",
    )
    upload: Literal["Continuous", "EndOfJob"] = Field(
        "Continuous", description="Whether products appear in S3 while the job runs, or at its end"
    )
    max_runtime: Annotated[Duration, AfterValidator(_runtime)] = Field(
        Duration.parse("PT4H"), description="When a job is stopped, PT1S to P9D"
    )
    environment: dict[str, str] = Field({}, description="Environment variables of the script")


class Limits(Part):
    """What a run may cost before it is refused."""

    max_scenes_per_run: int = Field(2000, ge=1, description="A run that finds more scenes is refused")
    scenes_per_job: int = Field(500, ge=1, description="Scenes of one processing job; more scenes make more jobs")
    concurrent_jobs: int = Field(2, ge=1, le=40, description="Jobs of one run at the same time")
    max_cost_usd: float | None = Field(
        None, gt=0, description="Checked for its form only: runs are not estimated yet, so nothing is refused by it"
    )


class Notify(Part):
    """Who hears of a run that did not go well."""

    email: list[Email] = Field([], description="Each gets a mail to confirm first")


class Access(Part):
    """What the job may read beyond the pipeline's own input: buckets of its scenes' assets."""

    read: list[S3Uri] = Field([], description="S3 prefixes", examples=[["s3://sentinel-cogs/"]])


class Pipeline(Part):
    """One definition file under `pipelines/`; deploys as one stack."""

    name: Annotated[str, AfterValidator(_name)] = Field(
        pattern=NAME_PATTERN,
        description="Up to 30 lower-case letters, digits and -, a letter first; not storage",
        json_schema_extra={"not": {"const": RESERVED_NAME}},
    )
    description: str = Field("", description="What the pipeline is for, in a sentence")
    stages: list[Stage] | None = Field(None, min_length=1, description="Stages that deploy it; all when left out")
    schedule: Schedule | None = Field(None, description="When runs start by themselves; never when left out")
    source: Source
    processing: Processing
    access: Access = Access()
    limits: Limits = Limits()
    notify: Notify = Notify()
