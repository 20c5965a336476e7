"""What a pipeline definition may say: the typed model of `pipelines/<name>.yaml`.

Only `name`, `source` and `processing.script` are required. Limits are those of the services that a
value ends up in; each is named beside it.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from geocadence.durations import Duration

Scalar = str | int | float | bool

_S3_URI = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?", re.DOTALL)
_INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")
_ECR_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?"
    r"/(?P<repository>[a-z0-9][a-z0-9._/-]*)(:[A-Za-z0-9_][A-Za-z0-9._-]*|@sha256:[0-9a-f]{64})"
)
NAMED_IMAGES = ("sagemaker-geospatial", "build")


def _s3_uri(value: str) -> str:
    if not _S3_URI.fullmatch(value):
        raise ValueError("is no S3 URI (expected s3://bucket/key)")
    return value


def _instance_type(value: str) -> str:
    if not _INSTANCE_TYPE.fullmatch(value):
        raise ValueError("is no SageMaker instance type (expected e.g. ml.m5.4xlarge)")
    return value


def _image(value: str) -> str:
    if value not in NAMED_IMAGES and not _ECR_IMAGE.fullmatch(value):
        raise ValueError(
            "is neither `sagemaker-geospatial`, nor `build`, nor an ECR image "
            "(expected e.g. 123456789012.dkr.ecr.us-west-2.amazonaws.com/name@sha256:…)"
        )
    return value


S3Uri = Annotated[str, AfterValidator(_s3_uri)]
InstanceType = Annotated[str, AfterValidator(_instance_type)]
Image = Annotated[str, AfterValidator(_image)]


class Part(BaseModel):
    """A mapping of the definition: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Schedule(Part):
    """When runs start: EventBridge Scheduler's cron (six fields) or a fixed rate."""

    cron: str | None = Field(None, description="Six fields as EventBridge Scheduler reads them, e.g. 0 6 ? * MON *")
    rate: Duration | None = Field(None, description="ISO 8601 duration in whole minutes, hours or days, e.g. P7D")
    timezone: str = Field("UTC", description="IANA name; daylight saving is followed")
    flexible_window: Duration | None = Field(None, description="PT1M to PT24H: the run starts somewhere within it")
    enabled: bool = True


class StacSource(Part):
    """New scenes of an area, found in a STAC API."""

    api: str = Field(description="Landing page of a STAC API with item search")
    collection: str
    area: str = Field(description="GeoJSON file, relative to the definition")
    lookback: Duration = Field(Duration.parse("P14D"), description="How far the default window reaches back")
    query: dict[str, dict[str, Any]] = Field({}, description="STAC API query extension, e.g. eo:cloud_cover")


class ItemsSource(Part):
    """Scenes listed in a static ItemCollection."""

    href: str = Field(description="File beside the definition, s3:// or https://")


class PrefixSource(Part):
    """Every object below an S3 prefix, handed to the script as it is."""

    uri: S3Uri


class ManifestSource(Part):
    """The objects that a SageMaker manifest lists, handed to the script as they are."""

    uri: S3Uri


class Source(Part):
    """Where a run's input comes from: exactly one of the four."""

    stac: StacSource | None = None
    items: ItemsSource | None = None
    prefix: PrefixSource | None = None
    manifest: ManifestSource | None = None

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
    """The processing job: CreateProcessingJob's limits."""

    script: str = Field(description="A built-in script's name, or a path to a .py file or folder")
    arguments: dict[str, Scalar | list[Scalar] | None] = Field(
        {}, description="Becomes --key value …; true becomes --key, false and null nothing, a list a,b,c"
    )
    image: Image = "sagemaker-geospatial"
    instance_type: InstanceType = "ml.m5.4xlarge"
    instance_count: int = Field(1, ge=1, le=100)
    volume_size_gb: int = Field(50, ge=1, le=16384)
    distribution: Literal["ShardedByS3Key", "FullyReplicated"] = "ShardedByS3Key"
    upload: Literal["Continuous", "EndOfJob"] = "Continuous"
    max_runtime: Duration = Field(Duration.parse("PT4H"), description="PT1S to P9D")
    environment: dict[str, str] = {}


class Limits(Part):
    """What a run may cost before it is refused."""

    max_scenes_per_run: int = Field(2000, ge=1)
    scenes_per_job: int = Field(500, ge=1)
    concurrent_jobs: int = Field(2, ge=1, le=40)
    max_cost_usd: float | None = Field(None, gt=0)


class Notify(Part):
    """Who hears of a run that did not go well."""

    email: list[str] = []


class Access(Part):
    """What the job may read beyond the pipeline's own input: buckets of its scenes' assets."""

    read: list[S3Uri] = []


class Pipeline(Part):
    """One definition file under `pipelines/`; deploys as one stack."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,29}$")
    description: str = ""
    stages: list[str] | None = Field(None, description="Stages that deploy it; all when left out")
    schedule: Schedule | None = None
    source: Source
    processing: Processing
    access: Access = Access()
    limits: Limits = Limits()
    notify: Notify = Notify()
