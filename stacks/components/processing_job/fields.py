"""CreateProcessingJob's request as frozen dataclasses: the API's structure and words, in snake case.

Each field carries the API's name and limits (`api(...)`), from which `render` makes the request and
`checks` finds what is wrong. A test walks botocore's service model and fails when a field, a limit or
a choice here differs from it.

Any value may be a JSONata expression (`"{% … %}"`) instead, evaluated when the state runs.
"""

# ruff: noqa: RUF009  `api` is `dataclasses.field`, which ruff would know by that name.

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any

S3_URI = r"(https|s3)://([^/]+)/?(.*)"
KMS_KEY = r"[a-zA-Z0-9:/_-]*"
ROLE_ARN = r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
VPC_ID = r"[-0-9a-zA-Z]+"
EXPERIMENT = r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,119}"
# The service's list of types grows monthly, so the shape is checked and the list is not.
INSTANCE_TYPE = r"ml\.[a-z0-9-]+\.[a-z0-9]+"

DISTRIBUTIONS = ("FullyReplicated", "ShardedByS3Key")
MODES = ("Pipe", "File")


def api(name: str, *, default: Any = MISSING, **limits: Any) -> Any:
    """A field called `name` in the API.

    `limits`: `low` and `high` bound a number, or the length of a text or list; `pattern` and `choices` hold a
    text; `each` and `keys` are such limits for a list's or mapping's values and a mapping's keys.
    """
    return field(default=default, metadata={"api": name, "limits": limits})


@dataclass(frozen=True)
class AppSpecification:
    """The container: its image, and what to run in it."""

    image_uri: str = api("ImageUri", high=255)
    container_entrypoint: Sequence[str] | None = api(
        "ContainerEntrypoint", default=None, low=1, high=100, each={"high": 256}
    )
    container_arguments: Sequence[str] | None = api(
        "ContainerArguments", default=None, low=1, high=100, each={"high": 256}
    )


@dataclass(frozen=True)
class InstancePreference:
    """One instance type that the job may run on."""

    instance_type: str = api("InstanceType", pattern=INSTANCE_TYPE)
    instance_count: int | str | None = api("InstanceCount", default=None, low=1, high=100)


@dataclass(frozen=True)
class ClusterConfig:
    """The instances. Either `instance_type`, or `instance_preferences` in order: the first with capacity is taken."""

    volume_size_in_gb: int | str = api("VolumeSizeInGB", low=1, high=16384)
    instance_type: str | None = api("InstanceType", default=None, pattern=INSTANCE_TYPE)
    instance_count: int | str | None = api("InstanceCount", default=None, low=1, high=100)
    instance_preferences: Sequence[InstancePreference] | None = api("InstancePreferences", default=None, low=1, high=5)
    volume_kms_key_id: str | None = api("VolumeKmsKeyId", default=None, high=2048, pattern=KMS_KEY)


@dataclass(frozen=True)
class ProcessingResources:
    """The resources of the job: its cluster."""

    cluster_config: ClusterConfig = api("ClusterConfig")


@dataclass(frozen=True)
class S3Input:
    """Objects of S3 in the container: those below a prefix, or those that a manifest lists."""

    s3_uri: str = api("S3Uri", high=1024, pattern=S3_URI)
    local_path: str | None = api("LocalPath", default=None, high=256)
    s3_data_type: str = api("S3DataType", default="S3Prefix", choices=("ManifestFile", "S3Prefix"))
    s3_input_mode: str | None = api("S3InputMode", default="File", choices=MODES)
    s3_data_distribution_type: str | None = api("S3DataDistributionType", default=None, choices=DISTRIBUTIONS)
    s3_compression_type: str | None = api("S3CompressionType", default=None, choices=("None", "Gzip"))


@dataclass(frozen=True)
class AthenaDatasetDefinition:
    """The result of an Athena query as an input."""

    catalog: str = api("Catalog", low=1, high=256)
    database: str = api("Database", low=1, high=255)
    query_string: str = api("QueryString", low=1, high=4096)
    output_s3_uri: str = api("OutputS3Uri", high=1024, pattern=S3_URI)
    output_format: str = api("OutputFormat", choices=("PARQUET", "ORC", "AVRO", "JSON", "TEXTFILE"))
    work_group: str | None = api("WorkGroup", default=None, low=1, high=128, pattern=r"[a-zA-Z0-9._-]+")
    kms_key_id: str | None = api("KmsKeyId", default=None, high=2048, pattern=KMS_KEY)
    output_compression: str | None = api("OutputCompression", default=None, choices=("GZIP", "SNAPPY", "ZLIB"))


@dataclass(frozen=True)
class RedshiftDatasetDefinition:
    """The result of a Redshift query as an input."""

    cluster_id: str = api("ClusterId", low=1, high=63)
    database: str = api("Database", low=1, high=64)
    db_user: str = api("DbUser", low=1, high=128)
    query_string: str = api("QueryString", low=1, high=4096)
    cluster_role_arn: str = api("ClusterRoleArn", low=20, high=2048, pattern=ROLE_ARN)
    output_s3_uri: str = api("OutputS3Uri", high=1024, pattern=S3_URI)
    output_format: str = api("OutputFormat", choices=("PARQUET", "CSV"))
    kms_key_id: str | None = api("KmsKeyId", default=None, high=2048, pattern=KMS_KEY)
    output_compression: str | None = api(
        "OutputCompression", default=None, choices=("None", "GZIP", "BZIP2", "ZSTD", "SNAPPY")
    )


@dataclass(frozen=True)
class DatasetDefinition:
    """The result of a query, by Athena or by Redshift, as an input."""

    athena_dataset_definition: AthenaDatasetDefinition | None = api("AthenaDatasetDefinition", default=None)
    redshift_dataset_definition: RedshiftDatasetDefinition | None = api("RedshiftDatasetDefinition", default=None)
    local_path: str | None = api("LocalPath", default=None, high=256)
    data_distribution_type: str | None = api("DataDistributionType", default=None, choices=DISTRIBUTIONS)
    input_mode: str | None = api("InputMode", default=None, choices=MODES)


@dataclass(frozen=True)
class ProcessingInput:
    """A named input: an `s3_input` or a `dataset_definition`."""

    input_name: str = api("InputName")
    s3_input: S3Input | None = api("S3Input", default=None)
    dataset_definition: DatasetDefinition | None = api("DatasetDefinition", default=None)
    app_managed: bool | None = api("AppManaged", default=None)


@dataclass(frozen=True)
class S3Output:
    """A folder of the container that goes to S3, while the job runs or at its end."""

    s3_uri: str = api("S3Uri", high=1024, pattern=S3_URI)
    local_path: str | None = api("LocalPath", default=None, high=256)
    s3_upload_mode: str = api("S3UploadMode", default="EndOfJob", choices=("Continuous", "EndOfJob"))


@dataclass(frozen=True)
class FeatureStoreOutput:
    """A feature group that the application itself writes to."""

    feature_group_name: str = api("FeatureGroupName", low=1, high=64, pattern=r"[a-zA-Z0-9]([_-]*[a-zA-Z0-9]){0,63}")


@dataclass(frozen=True)
class ProcessingOutput:
    """A named output: an `s3_output` or a `feature_store_output`."""

    output_name: str = api("OutputName")
    s3_output: S3Output | None = api("S3Output", default=None)
    feature_store_output: FeatureStoreOutput | None = api("FeatureStoreOutput", default=None)
    app_managed: bool | None = api("AppManaged", default=None)


@dataclass(frozen=True)
class ProcessingOutputConfig:
    """The outputs, and the key that encrypts them (none: the bucket's own default)."""

    outputs: Sequence[ProcessingOutput] = api("Outputs", low=0, high=10)
    kms_key_id: str | None = api("KmsKeyId", default=None, high=2048, pattern=KMS_KEY)


@dataclass(frozen=True)
class VpcConfig:
    """The subnets and security groups that the instances are attached to."""

    security_group_ids: Sequence[str] = api("SecurityGroupIds", low=1, high=5, each={"high": 32, "pattern": VPC_ID})
    subnets: Sequence[str] = api("Subnets", low=1, high=16, each={"high": 32, "pattern": VPC_ID})


@dataclass(frozen=True)
class NetworkConfig:
    """What the instances may talk to."""

    enable_inter_container_traffic_encryption: bool | None = api("EnableInterContainerTrafficEncryption", default=None)
    enable_network_isolation: bool | None = api("EnableNetworkIsolation", default=None)
    vpc_config: VpcConfig | None = api("VpcConfig", default=None)


@dataclass(frozen=True)
class StoppingCondition:
    """How long the job may run: at most 9 days."""

    max_runtime_in_seconds: int | str = api("MaxRuntimeInSeconds", low=1, high=777600)


@dataclass(frozen=True)
class ExperimentConfig:
    """The SageMaker experiment that the job is filed under."""

    experiment_name: str | None = api("ExperimentName", default=None, low=1, high=120, pattern=EXPERIMENT)
    trial_name: str | None = api("TrialName", default=None, low=1, high=120, pattern=EXPERIMENT)
    trial_component_display_name: str | None = api(
        "TrialComponentDisplayName", default=None, low=1, high=120, pattern=EXPERIMENT
    )
    run_name: str | None = api("RunName", default=None, low=1, high=120, pattern=EXPERIMENT)


@dataclass(frozen=True)
class Tag:
    """A tag of the job, for cost allocation and access control."""

    key: str = api("Key", low=1, high=128)
    value: str = api("Value", low=0, high=256)


@dataclass(frozen=True)
class Job:
    """CreateProcessingJob's request, but for the name and the role, which the task gives it."""

    app_specification: AppSpecification = api("AppSpecification")
    processing_resources: ProcessingResources = api("ProcessingResources")
    processing_inputs: Sequence[ProcessingInput] | None = api("ProcessingInputs", default=None, low=0, high=10)
    processing_output_config: ProcessingOutputConfig | None = api("ProcessingOutputConfig", default=None)
    environment: Mapping[str, str] | None = api(
        "Environment",
        default=None,
        low=0,
        high=100,
        each={"high": 256},
        keys={"high": 256, "pattern": r"[a-zA-Z_][a-zA-Z0-9_]*"},
    )
    network_config: NetworkConfig | None = api("NetworkConfig", default=None)
    stopping_condition: StoppingCondition | None = api("StoppingCondition", default=None)
    experiment_config: ExperimentConfig | None = api("ExperimentConfig", default=None)
    tags: Sequence[Tag] | None = api("Tags", default=None, low=0, high=50)


def render(value: Any) -> Any:
    """`value` as the API takes it: fields by their API names, those left out not there."""
    if is_dataclass(value):
        given = ((each.metadata["api"], getattr(value, each.name)) for each in fields(value))
        return {name: render(held) for name, held in given if held is not None}
    if isinstance(value, (list, tuple)):
        return [render(each) for each in value]
    return dict(value) if isinstance(value, Mapping) else value
