"""Where one pipeline's data lies: its prefixes in the stage's buckets, and what its source reads."""

from __future__ import annotations

from dataclasses import dataclass

from constructs import Construct

from geocadence.definition import Definition
from stacks.components.s3_access import Location
from stacks.names import bucket_name


@dataclass(frozen=True)
class PipelinePlaces:
    """`runs` holds plans and what the steps of a run hand on to each other: `slices` of the plan, `batches` for jobs,
    `results` of batches. `source` is what lies outside and is only read.
    """

    input_bucket: str
    output_bucket: str
    own_input: Location
    runs: Location
    slices: Location
    batches: Location
    results: Location
    output: Location
    source: tuple[Location, ...]
    readable: tuple[Location, ...]

    @classmethod
    def of(cls, scope: Construct, definition: Definition, stage: str) -> PipelinePlaces:
        inputs, outputs = (bucket_name(scope, stage, role) for role in ("input", "output"))
        own = f"{definition.name}/"
        return cls(
            input_bucket=inputs,
            output_bucket=outputs,
            own_input=Location(inputs, own),
            runs=Location(inputs, f"{own}runs/"),
            slices=Location(inputs, f"{own}runs/*/plan/"),
            batches=Location(inputs, f"{own}runs/*/batches/"),
            results=Location(inputs, f"{own}runs/*/results/"),
            output=Location(outputs, own),
            source=tuple(_source(definition)),
            readable=tuple(Location.parse(uri) for uri in definition.pipeline.access.read),
        )


def _source(definition: Definition) -> list[Location]:
    """The S3 locations of the definition's source.

    What a manifest lists is known at run time only: it may name what lies beside it, anything else has to be
    opened by `access.read`.
    """
    source = definition.pipeline.source
    if source.prefix is not None:
        return [Location.parse(source.prefix.uri)]
    if source.manifest is not None:
        manifest = Location.parse(source.manifest.uri, exact=True)
        folder = Location.parse(source.manifest.uri.rpartition("/")[0] + "/")
        # At the root of a bucket, what lies beside it is the whole bucket.
        return [manifest, folder] if folder.prefix else [manifest]
    if source.items is not None and source.items.href.startswith("s3://"):
        return [Location.parse(source.items.href, exact=True)]
    return []
