"""One pipeline: its jobs' role, its functions, its state machine, and the schedule that starts it."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from constructs import Construct

from geocadence.definition import Definition
from geocadence.definition.problems import dotted
from geocadence.plan.recipe import recipe_of
from stacks.components.backfill_machine import BackfillMachine
from stacks.components.channels import Channels, names_of_files, products_of_files
from stacks.components.container_image import ContainerImage
from stacks.components.execution_role import ExecutionRole
from stacks.components.notices import Notices
from stacks.components.pipeline_places import PipelinePlaces
from stacks.components.processing_job import ProcessingJobRun
from stacks.components.run_expressions import BATCH_AS_WRITTEN
from stacks.components.run_functions import RunFunctions
from stacks.components.run_machine import BATCH_FAILED_OUTPUTS, BATCH_OUTPUTS, RunMachine
from stacks.components.run_schedule import RunSchedule
from stacks.components.scene_job import BATCH, scene_job
from stacks.components.script_asset import ScriptAsset
from stacks.names import backfill_name, job_prefix, pipeline_name
from stacks.settings import Settings


class PipelineStack(cdk.Stack):
    """Everything of a pipeline but its data, which stays in the stage's buckets when this stack goes."""

    def __init__(self, scope: Construct, settings: Settings, definition: Definition) -> None:
        pipeline, name = definition.pipeline, pipeline_name(settings.stage, definition.name)
        super().__init__(
            scope,
            name,
            env=settings.environment,
            description=f"Geocadence: {pipeline.description or pipeline.name}"[:1024],
        )
        for caution in definition.cautions:
            cdk.Annotations.of(self).add_warning_v2(f"geocadence:{dotted(caution.key)}", str(caution))
        places = PipelinePlaces.of(self, definition, settings.stage)
        log_retention = logs.RetentionDays.ONE_YEAR if settings.is_production else logs.RetentionDays.ONE_MONTH
        image = ContainerImage.resolve(
            self, pipeline.processing.image, region=settings.region, where=str(definition.path)
        )
        script = ScriptAsset(
            self,
            "Script",
            script=definition.script_path,
            entry=pipeline.processing.entry,
            requirements=definition.requirements_path,
            provided=tuple(pipeline.processing.provided),
            python=pipeline.processing.python or image.python,
            files=names_of_files(definition),
            products=products_of_files(definition),
        )
        jobs = job_prefix(settings.stage, definition.name)
        channels = Channels(self, "Channels", definition=definition, places=places)
        role = ExecutionRole(
            self,
            "ExecutionRole",
            pipeline=definition.name,
            job_prefix=jobs,
            places=places,
            channels=channels,
            script=script,
            image=image,
        )
        job = scene_job(definition, stage=settings.stage, script=script, image=image, places=places, channels=channels)
        functions = RunFunctions(
            self,
            "Functions",
            name=name,
            stage=settings.stage,
            definition=definition,
            places=places,
            log_retention=log_retention,
        )
        machine = RunMachine(
            self,
            "Machine",
            name=name,
            recipe=recipe_of(definition.resolved()),
            plan=functions.plan,
            write=functions.write,
            reconcile=functions.reconcile,
            close=functions.close,
            process=ProcessingJobRun(
                self,
                "ProcessScenes",
                job=job,
                role=role,
                name_prefix=jobs,
                item=BATCH_AS_WRITTEN if pipeline.source.has_scenes else BATCH,
                outputs=BATCH_OUTPUTS,
                failed_outputs=BATCH_FAILED_OUTPUTS,
            ),
            concurrent_jobs=pipeline.limits.concurrent_jobs,
            notices=Notices(self, "Notices", name=name, emails=pipeline.notify.email)
            if pipeline.notify.email
            else None,
            log_retention=log_retention,
        )
        if functions.backfill is not None:
            BackfillMachine(
                self,
                "Backfill",
                name=backfill_name(settings.stage, definition.name),
                cut=functions.backfill,
                runs=machine,
                runs_name=name,
                concurrent_runs=pipeline.limits.concurrent_runs,
                log_retention=log_retention,
            )
        if pipeline.schedule is not None:
            RunSchedule(self, "Schedule", name=name, schedule=pipeline.schedule, machine=machine)
        outputs = {
            "StateMachineArn": machine.state_machine_arn,
            "InputBucket": places.input_bucket,
            "OutputBucket": places.output_bucket,
            "ExecutionRoleArn": role.role_arn,
        }
        for key, value in outputs.items():
            cdk.CfnOutput(self, key, value=value)
        cdk.Tags.of(self).add("geocadence:stage", settings.stage)
        cdk.Tags.of(self).add("geocadence:pipeline", definition.name)
