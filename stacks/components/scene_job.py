"""The processing job of one batch, as a definition describes it: container paths, input, output, arguments."""

from __future__ import annotations

from typing import Any

from geocadence.definition import Definition, render_arguments
from geocadence.definition.channels import CODE, input_folder, output_folder
from stacks.components import processing_job as pj
from stacks.components.channels import Channels, output_uri
from stacks.components.container_image import ContainerImage
from stacks.components.pipeline_places import PipelinePlaces
from stacks.components.script_asset import ScriptAsset

# Variables and input of the state machine that the job is run by.
RUN_ID = "{% $run_id %}"
INSTANCE_COUNT = "{% $plan.instance_count %}"
BATCH = "$states.input.batch"
BATCH_URI = f"{{% $plan.input_uri & $string({BATCH}) & '/' %}}"
SOURCE_URI = "{% $plan.input_uri %}"


def scene_job(
    definition: Definition,
    *,
    stage: str,
    script: ScriptAsset,
    image: ContainerImage,
    places: PipelinePlaces,
    channels: Channels,
) -> pj.Job:
    """The job. Instances and input are the plan's to say; the rest is fixed when the stack is deployed."""
    processing, source = definition.pipeline.processing, definition.pipeline.source
    return pj.Job(
        app_specification=pj.AppSpecification(
            image_uri=image.uri,
            container_entrypoint=["python3", f"{CODE}/{script.file_name}"],
            container_arguments=render_arguments(processing.arguments) or None,
        ),
        processing_resources=pj.ProcessingResources(
            pj.ClusterConfig(
                volume_size_in_gb=processing.volume_size_gb,
                **_instances(processing.instance_preferences, processing.instance_type),
                instance_count=INSTANCE_COUNT,
            )
        ),
        processing_inputs=[
            pj.ProcessingInput(
                "code", s3_input=pj.S3Input(script.uri, CODE, s3_data_distribution_type="FullyReplicated")
            ),
            pj.ProcessingInput(
                "input_data",
                s3_input=pj.S3Input(
                    BATCH_URI if source.has_scenes else SOURCE_URI,
                    input_folder(processing),
                    s3_data_type="ManifestFile" if source.kind == "manifest" else "S3Prefix",
                    s3_data_distribution_type=processing.distribution,
                ),
            ),
            *channels.inputs,
        ],
        processing_output_config=pj.ProcessingOutputConfig(
            [
                pj.ProcessingOutput(
                    "output_data",
                    s3_output=pj.S3Output(
                        output_uri(f"s3://{places.output.bucket}/{places.output.prefix}"),
                        output_folder(processing),
                        s3_upload_mode=processing.upload_mode,
                    ),
                ),
                *channels.outputs,
            ]
        ),
        environment={
            **processing.environment,
            "GEOCADENCE_PIPELINE": definition.name,
            "GEOCADENCE_RUN_ID": RUN_ID,
        },
        stopping_condition=pj.StoppingCondition(int(processing.max_runtime.total_seconds())),
        tags=[
            pj.Tag("geocadence:stage", stage),
            pj.Tag("geocadence:pipeline", definition.name),
            pj.Tag("geocadence:run", RUN_ID),
        ],
    )


def _instances(preferences: list[str] | None, instance_type: str) -> dict[str, Any]:
    if preferences is None:
        return {"instance_type": instance_type}
    return {"instance_preferences": [pj.InstancePreference(each) for each in preferences]}
