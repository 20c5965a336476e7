"""The functions of a pipeline's state machines: they plan a run, look after its batches, close it, cut up backfills."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Size, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from geocadence.definition import Definition
from stacks.components.acknowledged import grant
from stacks.components.channels import named
from stacks.components.function_asset import function_code, function_libraries
from stacks.components.pipeline_places import PipelinePlaces
from stacks.components.processing_job import job_name_pattern
from stacks.components.run_function import RUNTIME, RunFunction
from stacks.components.s3_access import Location, read, write, write_expiring
from stacks.names import backfill_name, job_prefix

# MB that give a function one whole processor; 100,000 scenes take less than a third of it as memory
# (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
_WHOLE_PROCESSOR = 1769


class RunFunctions(Construct):
    """`plan` reads the source, `close` writes catalogue and report.

    In between, where the source has scenes, `write` writes a batch's objects for its job, and `reconcile` looks at what
    the job left; both know slices of the plan only. There `backfill` cuts a span into the windows of runs.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        stage: str,
        definition: Definition,
        places: PipelinePlaces,
        log_retention: logs.RetentionDays,
    ) -> None:
        super().__init__(scope, id)
        with tempfile.TemporaryDirectory() as staging:
            path = Path(staging) / f"{definition.name}.json"
            path.write_text(json.dumps(definition.resolved(), indent=1, sort_keys=True))
            asset = assets.Asset(self, "Definition", path=str(path))
        libraries = lambda_.LayerVersion(
            self,
            "Libraries",
            description="What requirements/functions.txt holds",
            code=lambda_.Code.from_asset(str(function_libraries())),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[lambda_.Architecture.X86_64],
            removal_policy=RemovalPolicy.DESTROY,
        )
        self._name = name
        self._common: dict[str, Any] = {
            "code": function_code(),
            "libraries": libraries,
            "environment": {
                "DEFINITION": asset.s3_object_url,
                "INPUT_BUCKET": places.input_bucket,
                "OUTPUT_BUCKET": places.output_bucket,
                "STAGE": stage,
            },
            "log_retention": log_retention,
            "timeout": Duration.minutes(15),
        }
        itself = Location(asset.s3_bucket_name, asset.s3_object_key, exact=True)
        self.plan = self._plan(definition, places, itself)
        self.write = self.reconcile = self.backfill = None
        if definition.pipeline.source.has_scenes:
            self.write = self._write(definition, places)
            self.reconcile = self._reconcile(definition, places)
            self.backfill = self._backfill(definition, backfill_name(stage, definition.name))
        self.close = self._close(definition, places, itself, jobs=job_prefix(stage, definition.name))

    def _function(self, id: str, module: str, description: str, *, memory: int, **departures: Any) -> RunFunction:
        """The handler of a module of `run_functions`; `departures` from what all have in common."""
        return RunFunction(
            self,
            id,
            name=f"{self._name}-{id.lower()}",
            handler=f"run_functions.{module}.handler",
            description=description,
            memory=memory,
            **self._common | departures,
        )

    def _plan(self, definition: Definition, places: PipelinePlaces, itself: Location) -> RunFunction:
        plan = self._function(
            "Plan",
            "plan_run",
            f"Plans a run of {definition.name}: which scenes, in which batches",
            memory=_WHOLE_PROCESSOR,
            # Items are kept aside there, and a table of them is read from there.
            scratch=Size.gibibytes(4),
        )
        grant(
            plan.own_role,
            *read(itself, places.runs, places.output, *places.source, *_looked_at(definition, places)),
            write(places.runs),
            write_expiring(places.slices),
            because="Scenes and runs are named at run time, all below the pipeline's own prefixes and its source.",
        )
        grant(
            plan.own_role,
            iam.PolicyStatement(
                actions=["servicequotas:ListServiceQuotas", "servicequotas:ListAWSDefaultServiceQuotas"],
                resources=["*"],
            ),
            because="Listing quotas knows no resources; it lets a run end before it begins where they are too low.",
        )
        grant(
            plan.own_role,
            *_see_runs(self, self._name),
            because="Executions are named by whoever starts them; sagemaker:ListProcessingJobs knows no resources.",
        )
        if definition.pipeline.processing.hourly_rate is None:
            grant(
                plan.own_role,
                iam.PolicyStatement(actions=["pricing:GetProducts"], resources=["*"]),
                because="AWS's public price list knows no resources.",
            )
        return plan

    def _write(self, definition: Definition, places: PipelinePlaces) -> RunFunction:
        claims = places.runs.object("claims.json")
        write_batch = self._function(
            "Write", "write_batch", f"Writes a batch of {definition.name} for its job", memory=1024
        )
        grant(
            write_batch.own_role,
            *read(places.slices, claims),
            write(claims),
            write_expiring(places.batches),
            because="Scenes and runs are named at run time, all below the pipeline's own prefixes.",
        )
        return write_batch

    def _reconcile(self, definition: Definition, places: PipelinePlaces) -> RunFunction:
        reconcile = self._function(
            "Reconcile", "reconcile_batch", f"Looks at what a job of {definition.name} left", memory=1024
        )
        grant(
            reconcile.own_role,
            *read(places.slices, places.output),
            write_expiring(places.results),
            because="Scenes and runs are named at run time, all below the pipeline's own prefixes.",
        )
        return reconcile

    def _backfill(self, definition: Definition, machine: str) -> RunFunction:
        backfill = self._function(
            "Backfill",
            "plan_backfill",
            f"Cuts a backfill of {definition.name} into windows",
            memory=256,
            environment={},
            timeout=Duration.minutes(1),
        )
        grant(
            backfill.own_role,
            *_see_backfills(self, machine),
            because="Executions are named by whoever starts them; what each was asked for its input tells.",
        )
        return backfill

    def _close(self, definition: Definition, places: PipelinePlaces, itself: Location, *, jobs: str) -> RunFunction:
        close = self._function(
            "Close",
            "close_run",
            f"Closes a run of {definition.name}: catalogue, report",
            memory=_WHOLE_PROCESSOR,
            # What is merged lies on disk.
            scratch=Size.gibibytes(4),
        )
        grant(
            close.own_role,
            *read(itself, places.runs, places.output),
            # Catalogue and reports; scenes' products are the jobs' to write.
            write(
                places.output.object("collection.json"),
                places.output.object("items.parquet"),
                # Its claim is taken back.
                places.runs.object("claims.json"),
                Location(places.output.bucket, f"{places.output.prefix}runs/"),
            ),
            because="Scenes and runs are named at run time, all below the pipeline's own prefixes.",
        )
        grant(
            close.own_role,
            *_see_jobs(self, jobs),
            because="The pipeline's jobs are named at run time; sagemaker:ListProcessingJobs knows no resources.",
        )
        return close


def _looked_at(definition: Definition, places: PipelinePlaces) -> tuple[Location, ...]:
    """What is looked at before a job is: its further inputs, and what manifests may name, all that it may read."""
    inputs = definition.pipeline.processing.inputs.values()
    lists = definition.pipeline.source.manifest is not None or any(i.data_type == "ManifestFile" for i in inputs)
    listed = (places.own_input, *places.readable) if lists else ()
    return (*(place for given in inputs for place in named(given)), *listed)


def _see_runs(scope: Construct, name: str) -> list[iam.PolicyStatement]:
    executions = Stack.of(scope).format_arn(
        service="states", resource="execution", resource_name=f"{name}:*", arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
    return [
        iam.PolicyStatement(actions=["states:DescribeExecution"], resources=[executions]),
        iam.PolicyStatement(actions=["sagemaker:ListProcessingJobs"], resources=["*"]),
    ]


def _see_backfills(scope: Construct, name: str) -> list[iam.PolicyStatement]:
    machine, executions = (
        Stack.of(scope).format_arn(
            service="states", resource=resource, resource_name=found, arn_format=ArnFormat.COLON_RESOURCE_NAME
        )
        for resource, found in (("stateMachine", name), ("execution", f"{name}:*"))
    )
    return [
        iam.PolicyStatement(actions=["states:ListExecutions"], resources=[machine]),
        iam.PolicyStatement(actions=["states:DescribeExecution"], resources=[executions]),
    ]


def _see_jobs(scope: Construct, prefix: str) -> list[iam.PolicyStatement]:
    jobs = Stack.of(scope).format_arn(
        service="sagemaker", resource="processing-job", resource_name=job_name_pattern(prefix)
    )
    return [
        iam.PolicyStatement(actions=["sagemaker:DescribeProcessingJob"], resources=[jobs]),
        iam.PolicyStatement(actions=["sagemaker:ListProcessingJobs"], resources=["*"]),
    ]
