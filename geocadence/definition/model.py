"""What a pipeline definition may say: the typed model of `pipelines/<name>.yaml`.

Only `name`, `source` and `processing.script` are required. What a single value may be stands in `values`, the job in
`processing`; rules that look beyond one mapping, or at files, stand in `checks`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from geocadence.definition.processing import Processing
from geocadence.definition.values import (
    NAME_PATTERN,
    RESERVED_NAME,
    ApiUrl,
    Cron,
    Email,
    FlexibleWindow,
    Href,
    Lookback,
    Name,
    Part,
    Rate,
    S3Object,
    S3Uri,
    Stage,
    Text,
    Timezone,
)
from geocadence.durations import Duration
from geocadence.plan.batches import MOST_BATCHES


class Schedule(Part):
    """When runs start: EventBridge Scheduler's cron (six fields) or a fixed rate."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["cron"]}, {"required": ["rate"]}]})

    cron: Cron | None = Field(
        None,
        description="Six fields as EventBridge Scheduler reads them: minutes, hours, day of month, month, day of "
        "week, year; one of the two days is ?",
        examples=["0 6 ? * MON *"],
    )
    rate: Rate | None = Field(
        None,
        description="The time between two runs, counted from the deployment: an ISO 8601 duration in whole minutes, "
        "hours or days",
        examples=["P7D"],
    )
    timezone: Timezone = Field(
        "UTC", description="IANA name of the time zone of cron; daylight saving time is followed"
    )
    flexible_window: FlexibleWindow | None = Field(
        None, description="A run starts at some point within this time, PT1M to PT24H; by default, on the minute"
    )
    enabled: bool = Field(True, description="false keeps the schedule, but starts nothing")

    @model_validator(mode="after")
    def _cron_or_rate(self) -> Schedule:
        if (self.cron is None) == (self.rate is None):
            found = "neither" if self.cron is None else "both"
            raise ValueError(f"needs exactly one of cron and rate (found {found})")
        return self


Query = Annotated[
    dict[str, dict[str, Any]],
    Field(
        description="Property filters in the syntax of the STAC API query extension. Scenes beyond a numeric lt, "
        "lte, gt or gte are listed, and rejected with the reason",
        examples=[{"eo:cloud_cover": {"lt": 60}}],
    ),
]
Cql2 = Annotated[
    str | dict[str, Any] | None,
    Field(
        description="A CQL2 filter, as text or as JSON, in addition to query or instead of it; scenes that it "
        "excludes are not listed",
        examples=["\"eo:cloud_cover\" < 60 AND platform = 'sentinel-2b'"],
    ),
]


class StacSource(Part):
    """New scenes of an area, found in a STAC API."""

    api: ApiUrl = Field(
        description="Landing page of a STAC API with item search",
        examples=["https://earth-search.aws.element84.com/v1"],
    )
    collection: Text = Field(description="The collection's id in that API", examples=["sentinel-2-c1-l2a"])
    area: Text = Field(description="GeoJSON file, relative to the definition", examples=["areas/alentejo.geojson"])
    lookback: Lookback = Field(
        Duration.parse("P14D"), description="How far the default window reaches back from the run's scheduled time"
    )
    query: Query = Field({})
    filter: Cql2 = None


class ItemsSource(Part):
    """Scenes listed in a static ItemCollection or in stac-geoparquet."""

    href: Href = Field(
        description="An ItemCollection (JSON, up to 100 MB) or stac-geoparquet (*.parquet): a file beside the "
        "definition, s3:// or https://"
    )
    area: Text | None = Field(
        None,
        description="GeoJSON file, relative to the definition; scenes outside of it are rejected",
        examples=["areas/alentejo.geojson"],
    )
    lookback: Lookback | None = Field(
        None,
        description="How far the default window reaches back from the run's scheduled time; by default, it covers "
        "all that is listed",
    )
    query: Query = Field({})
    filter: Cql2 = None


class PrefixSource(Part):
    """Every object below an S3 prefix, handed to the script as it is.

    Every run takes all of them, and is paid for, even if nothing has changed: objects have no identity that tells what
    is done. So none is skipped, no recipe or ETag of them is remembered (run.json has the run's recipe), and the
    catalogue does not list what was made, which overwrites earlier files of the same names. A schedule makes sense if
    the prefix is refilled between two runs.
    """

    uri: S3Uri = Field(description="The job gets all objects below it", examples=["s3://my-bucket/images/"])


class ManifestSource(Part):
    """The objects that a SageMaker manifest lists, handed to the script as they are.

    As with a prefix, every run takes all of them, and is paid for. Whoever writes the manifest decides what to leave
    out; an empty one means that there is no job.
    """

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
    def scenes(self) -> StacSource | ItemsSource | None:
        """The source of a run that plans scenes (STAC Items), rather than handing over bare objects."""
        return self.stac or self.items

    @property
    def has_scenes(self) -> bool:
        return self.scenes is not None


class Limits(Part):
    """What a run may cost before it is refused."""

    max_scenes_per_run: int = Field(2000, ge=1, description="A run that would take more scenes is refused")
    scenes_per_job: int = Field(
        500,
        ge=1,
        description=f"Scenes per processing job; more scenes make more jobs, up to {MOST_BATCHES} in a run",
    )
    concurrent_jobs: int = Field(2, ge=1, le=40, description="Concurrent jobs of one run")
    concurrent_runs: int = Field(2, ge=1, le=10, description="Concurrent runs of one backfill")
    max_cost_usd: float | None = Field(
        None, gt=0, description="A run that would cost more, or whose price is not known, is refused"
    )


class Notify(Part):
    """Who is told of a run that did not go well."""

    email: list[Email] = Field([], description="E-mail addresses; each receives a request for confirmation first")


class Access(Part):
    """What the job may read beyond the pipeline's own input: the buckets of its scenes' assets."""

    read: list[S3Uri] = Field([], description="S3 prefixes", examples=[["s3://sentinel-cogs/"]])


class Pipeline(Part):
    """One definition file under `pipelines/`; deploys as one stack."""

    name: Name = Field(
        pattern=NAME_PATTERN,
        description="Up to 30 lower-case letters, digits and hyphens, beginning with a letter; not `storage`",
        json_schema_extra={"not": {"const": RESERVED_NAME}},
    )
    description: str = Field("", description="What the pipeline is for, in a sentence")
    stages: list[Stage] | None = Field(None, min_length=1, description="The stages that deploy it; all by default")
    schedule: Schedule | None = Field(None, description="When runs start by themselves; by default, never")
    source: Source
    processing: Processing
    access: Access = Access()
    limits: Limits = Limits()
    notify: Notify = Notify()
