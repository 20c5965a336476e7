"""What a definition may well mean and more often does not: told where it is checked and deployed, refused nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from geocadence.definition.files import files_to_ship
from geocadence.definition.images import may_change
from geocadence.definition.model import Pipeline
from geocadence.definition.plain import Finding

# Where a container finds which of the job's hosts it is: who looks there shares the work out by that.
RANKS = "/opt/ml/config/resourceconfig.json"


def cautions(pipeline: Pipeline, *, script: Path, root: Path) -> Iterator[Finding]:
    """Of a definition in which nothing is wrong; `script` is the file or folder that it names."""
    processing = pipeline.processing
    if processing.distribution == "FullyReplicated" and processing.instance_count > 1:
        code = (path for _, path in files_to_ship(script, root=root) if path.suffix == ".py")
        if not any(Path(RANKS).name.encode() in path.read_bytes() for path in code):
            yield (
                ("processing", "distribution"),
                f"FullyReplicated gives each of {processing.instance_count} instances all of the input, and "
                f"{processing.script} does not look at {RANKS}: what they write under one name replaces each other in "
                "S3 (have the script take its share by current_host and hosts there; or take ShardedByS3Key, or one "
                "instance)",
            )
    if may_change(processing.image):
        yield (
            ("processing", "image"),
            f"{processing.image} may be another image tomorrow (name its digest, @sha256:…)",
        )
    yield from _inputs_of_the_next_run(pipeline)


def _inputs_of_the_next_run(pipeline: Pipeline) -> Iterator[Finding]:
    """Outputs among the objects that each run takes all of."""
    source = pipeline.source.prefix.uri if pipeline.source.prefix is not None else None
    for name, output in pipeline.processing.outputs.items():
        if source is not None and output.uri is not None and f"{output.uri.rstrip('/')}/".startswith(source):
            yield (
                ("processing", "outputs", name, "uri"),
                f"{output.uri} lies below the source, {source}: the next run takes what this one writes for its input "
                "(write beside it)",
            )
