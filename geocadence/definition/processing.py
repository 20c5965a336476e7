"""The processing job that a definition asks for: its script, its image, its instances, its inputs and outputs."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from geocadence.definition.values import (
    Arguments,
    ChannelName,
    ContainerPath,
    Entry,
    Image,
    InputMode,
    InstanceType,
    Part,
    PythonVersion,
    Runtime,
    S3Uri,
    Text,
)
from geocadence.durations import Duration


class ExtraInput(Part):
    """Objects that a job gets in addition to its scenes or objects, such as the areas of a statistic."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["uri"]}, {"required": ["file"]}]})

    uri: S3Uri | None = Field(
        None, description="An object, a prefix or a manifest", examples=["s3://my-bucket/areas/parishes.geojson"]
    )
    file: Text | None = Field(
        None,
        description="A file beside the definition, deployed with it; it keeps its name in the container",
        examples=["areas/parishes.geojson"],
    )
    path: ContainerPath | None = Field(
        None, description="Its folder in the container; by default, /opt/ml/processing/<name>"
    )
    data_type: Literal["S3Prefix", "ManifestFile"] = Field(
        "S3Prefix", description="Whether uri is a prefix (or one object), or a manifest of objects"
    )
    distribution: Literal["ShardedByS3Key", "FullyReplicated"] = Field(
        "FullyReplicated", description="Whether each instance gets all of it, or only its share"
    )
    mode: InputMode = Field(
        "File", description="File: objects are copied to the instance's disk before the script starts"
    )

    @model_validator(mode="after")
    def _uri_or_file(self) -> ExtraInput:
        if (self.uri is None) == (self.file is None):
            raise ValueError(f"needs exactly one of uri and file (found {'neither' if self.uri is None else 'both'})")
        if self.file is not None and self.data_type == "ManifestFile":
            raise ValueError("is a file, which can't be a ManifestFile (name a manifest by its uri)")
        return self


class ExtraOutput(Part):
    """A folder that is uploaded to S3 in addition to the products."""

    path: ContainerPath | None = Field(
        None, description="The folder in the container; by default, /opt/ml/processing/<name>"
    )
    uri: S3Uri | None = Field(None, description="Where it goes; by default, s3://<output bucket>/<pipeline>/<name>/")
    upload: Literal["Continuous", "EndOfJob"] = Field(
        "EndOfJob", description="Whether its files appear in S3 while the job runs, or at its end"
    )


class Processing(Part):
    """The processing job: what runs, on how many instances of which type, for how long."""

    script: Text = Field(
        description="A built-in script's name, or a path to a .py file or to a folder",
        examples=["spectral_index", "scripts/my_script.py"],
    )
    entry: Entry = Field("__main__.py", description="The file that is run, if the script is a folder")
    requirements: Text | None = Field(
        None,
        description="A requirements file: the packages travel with the script, as wheels for Linux on x86_64",
        examples=["scripts/requirements.txt"],
    )
    provided: list[Text] = Field(
        [],
        description="Packages of the image that must not travel, although requirements depend on them",
        examples=[["numpy", "rasterio"]],
    )
    python: PythonVersion | None = Field(
        None,
        description="The Python version of the image, for which the requirements are resolved; by default 3.10, and "
        "3.11 for build",
        examples=["3.12"],
    )
    arguments: Arguments = Field(
        {},
        description="Each becomes --key value on the script's command line; a list becomes a,b,c; true becomes the "
        "flag alone; false and null become nothing. A list instead of a mapping is the command line of your own "
        "script, word by word",
        examples=[{"indices": ["NDVI"]}, ["areas.geojson", "2026-01-01", "-v"]],
    )
    image: Image = Field(
        "sagemaker-geospatial",
        description="sagemaker-geospatial (us-west-2), build (container/Dockerfile, built at deployment), or the "
        "URI of an ECR image",
    )
    instance_type: InstanceType = Field("ml.m5.4xlarge", description="A SageMaker instance type")
    instance_preferences: list[InstanceType] | None = Field(
        None,
        min_length=1,
        max_length=5,
        description="Instead of instance_type: up to five types, of which SageMaker takes the first that has "
        "capacity (new in 2026: if Step Functions does not support it yet, the deployment says so)",
        examples=[["ml.m5.4xlarge", "ml.m6i.4xlarge"]],
    )
    hourly_rate: float | None = Field(
        None,
        gt=0,
        description="The price of one instance per hour, in USD; by default, it is looked up in AWS's Price List API",
    )
    instance_count: int = Field(1, ge=1, le=100, description="Instances of one job, 1 to 100")
    volume_size_gb: int = Field(50, ge=1, le=16384, description="Disk of each instance")
    distribution: Literal["ShardedByS3Key", "FullyReplicated"] = Field(
        "ShardedByS3Key",
        description="Whether each instance gets its share of the input, or all of it (spectral_index then runs on "
        "one instance only: each would make every product)",
    )
    scene_format: Literal["stac-item", "search-result"] = Field(
        "stac-item",
        description="The form in which the script gets a scene of stac or items: as a STAC Item, or as SageMaker "
        "geospatial's SearchRasterDataCollection returns it (Id, Assets.red.Href)",
    )
    products: Literal["items", "files"] | None = Field(
        None,
        description="What the script leaves of a scene. items: a STAC Item, written last; files: only files, whose "
        "paths contain the scene's id, and which get their Item once the script has ended with 0. By default items, "
        "and files with search-result",
        examples=["files"],
    )
    upload: Literal["Continuous", "EndOfJob"] | None = Field(
        None,
        description="Whether products appear in S3 while the job runs, or at its end. By default Continuous, and "
        "EndOfJob with products: files",
    )
    max_runtime: Runtime = Field(
        Duration.parse("PT4H"), description="The time after which a job is stopped, PT1S to P9D"
    )
    input_path: ContainerPath | None = Field(
        None,
        description="The folder in the container where a script of your own finds its scenes or objects; by "
        "default, /opt/ml/processing/input_data",
        examples=["/opt/ml/processing/input"],
    )
    output_path: ContainerPath | None = Field(
        None,
        description="The folder in the container where a script of your own leaves its products; by default, "
        "/opt/ml/processing/output_data",
        examples=["/opt/ml/processing/output"],
    )
    environment: dict[str, str] = Field(
        {},
        description="Environment variables of the script, including those that control the requests of GDAL and the "
        "AWS SDKs (`AWS_NO_SIGN_REQUEST`, `AWS_REQUEST_PAYER`, …), but neither credentials nor `AWS_REGION`",
    )
    inputs: dict[ChannelName, ExtraInput] = Field(
        {}, description="Additional inputs, by name", examples=[{"area": {"file": "areas/parishes.geojson"}}]
    )
    outputs: dict[ChannelName, ExtraOutput] = Field(
        {}, description="Additional outputs, by name", examples=[{"statistics": {"upload": "EndOfJob"}}]
    )

    @property
    def makes_items(self) -> bool:
        """Whether the job writes STAC Items for the files that the script leaves."""
        return (self.products or ("files" if self.scene_format == "search-result" else "items")) == "files"

    @property
    def upload_mode(self) -> Literal["Continuous", "EndOfJob"]:
        return self.upload or ("EndOfJob" if self.makes_items else "Continuous")

    @property
    def instance_types(self) -> list[str]:
        """The types that a job may run on, the first that has capacity being taken."""
        return self.instance_preferences or [self.instance_type]
