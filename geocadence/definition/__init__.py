"""Pipeline definitions: read, checked and resolved, before anything is synthesized.

    definition = load_pipeline(Path("pipelines/ndvi-weekly.yaml"))
    definition.pipeline.processing.instance_count
    definition.resolved()  # what the Lambda functions read

Everything wrong, in all files, is said at once by `DefinitionErrors`.
"""

from geocadence.definition.arguments import render_arguments
from geocadence.definition.loading import Definition, definition_schema, load_pipeline, load_pipelines
from geocadence.definition.model import Pipeline
from geocadence.definition.problems import DefinitionErrors
from geocadence.definition.source_checks import LOCAL_STAGE
from geocadence.definition.values import is_stage_name

__all__ = [
    "LOCAL_STAGE",
    "Definition",
    "DefinitionErrors",
    "Pipeline",
    "definition_schema",
    "is_stage_name",
    "load_pipeline",
    "load_pipelines",
    "render_arguments",
]
