"""A SageMaker Processing job as a step of a state machine: the construct that the CDK lacks (aws-cdk#9537).

    job = Job(
        app_specification=AppSpecification(image_uri="123456789012.dkr.ecr.eu-west-1.amazonaws.com/maps:2"),
        processing_resources=ProcessingResources(
            ClusterConfig(volume_size_in_gb=30, instance_type="ml.m5.xlarge", instance_count="{% $plan.instances %}")
        ),
        processing_inputs=[
            ProcessingInput("scenes", s3_input=S3Input("s3://scenes/today/", "/opt/ml/processing/input_data"))
        ],
        stopping_condition=StoppingCondition(max_runtime_in_seconds=3600),
    )
    step = ProcessingJobRun(stack, "MakeMaps", job=job, role=execution_role, name_prefix="maps")
    sfn.StateMachine(stack, "Machine", query_language=sfn.QueryLanguage.JSONATA,
                     definition_body=sfn.DefinitionBody.from_chainable(step.next(sfn.Succeed(stack, "Done"))))

`ProcessingJobTask` is the bare Task: one attempt, which succeeds or throws. `ProcessingJobRun` puts around it
what a Task's own Retry can't do: it reads what went wrong, tries again what heals by waiting (no capacity,
throttling, an internal error) and ends everything else with a reason that a person can act on.

What they do for you:

- Every field that CreateProcessingJob has, typed and in the API's own words (`fields`). Values are held against
  the service's limits when the construct is made, all problems in one error (`checks`); JSONata expressions
  (`{% … %}`) and CDK tokens are left for the run.
- The machine's role gets exactly what `.sync` needs, scoped to this task's job names, as soon as the task becomes
  part of a machine (`permissions`). The job's own role, and what it may read and write, stays yours.
- Job names that are valid and unique for every execution name, Map item, retry and redrive (`names`).

The package needs aws-cdk-lib and JSONata machines, nothing else: copy the folder.
"""

from .checks import InvalidJob
from .fields import (
    AppSpecification,
    AthenaDatasetDefinition,
    ClusterConfig,
    DatasetDefinition,
    ExperimentConfig,
    FeatureStoreOutput,
    InstancePreference,
    Job,
    NetworkConfig,
    ProcessingInput,
    ProcessingOutput,
    ProcessingOutputConfig,
    ProcessingResources,
    RedshiftDatasetDefinition,
    S3Input,
    S3Output,
    StoppingCondition,
    Tag,
    VpcConfig,
)
from .names import job_name, job_name_pattern
from .permissions import sync_statements
from .run import ProcessingJobRun
from .task import ProcessingJobTask

__all__ = [
    "AppSpecification",
    "AthenaDatasetDefinition",
    "ClusterConfig",
    "DatasetDefinition",
    "ExperimentConfig",
    "FeatureStoreOutput",
    "InstancePreference",
    "InvalidJob",
    "Job",
    "NetworkConfig",
    "ProcessingInput",
    "ProcessingJobRun",
    "ProcessingJobTask",
    "ProcessingOutput",
    "ProcessingOutputConfig",
    "ProcessingResources",
    "RedshiftDatasetDefinition",
    "S3Input",
    "S3Output",
    "StoppingCondition",
    "Tag",
    "VpcConfig",
    "job_name",
    "job_name_pattern",
    "sync_statements",
]
