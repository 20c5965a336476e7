"""What CreateProcessingJob accepts beyond the service model, and the defaults that it fills in."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import PurePosixPath
from typing import Any

from .errors import invalid
from .s3 import parse_uri

PROCESSING = PurePosixPath("/opt/ml/processing")
# https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html shows one day.
DEFAULT_RUNTIME = 86400


def check_semantics(request: dict[str, Any], *, account: str) -> None:
    """Refuse what the model admits and the service does not, or what cannot be done on this machine."""
    # Wording: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-python-sdk-troubleshooting.html
    if request["RoleArn"].split(":")[4] != account:
        raise invalid("RoleArn: Cross-account pass role is not allowed.")
    _check_cluster(request["ProcessingResources"]["ClusterConfig"])
    if not request["AppSpecification"].get("ContainerEntrypoint"):
        raise invalid(
            "AppSpecification.ContainerEntrypoint is missing: the local cloud records the image but does not "
            "pull it, so it cannot know the image's own entry point. Name the command to run."
        )
    inputs = request.get("ProcessingInputs", [])
    outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    _check_unique("input", [entry["InputName"] for entry in inputs])
    _check_unique("output", [entry["OutputName"] for entry in outputs])
    for entry in inputs:
        _check_input(entry)
    for entry in outputs:
        _check_output(entry)


def with_defaults(request: dict[str, Any]) -> dict[str, Any]:
    """The request as DescribeProcessingJob and the container's configuration show it."""
    job = copy.deepcopy(request)
    job.pop("Tags", None)
    job.setdefault("StoppingCondition", {"MaxRuntimeInSeconds": DEFAULT_RUNTIME})
    cluster = job["ProcessingResources"]["ClusterConfig"]
    if not any("InstanceCount" in each for each in cluster.get("InstancePreferences", [])):
        cluster.setdefault("InstanceCount", 1)
    for entry in job.get("ProcessingInputs", []):
        entry.setdefault("AppManaged", False)
        if s3_input := entry.get("S3Input"):
            s3_input.setdefault("S3InputMode", "File")
            s3_input.setdefault("S3DataDistributionType", "FullyReplicated")
            s3_input.setdefault("S3CompressionType", "None")
    for entry in job.get("ProcessingOutputConfig", {}).get("Outputs", []):
        entry.setdefault("AppManaged", False)
    return job


def container_configuration(job: dict[str, Any]) -> dict[str, Any]:
    """What `/opt/ml/config/processingjobconfig.json` says of a described job: AWS's example names these
    parts and has null for what was left out, so scripts look them up without asking.

    https://docs.aws.amazon.com/sagemaker/latest/dg/byoc-config.html
    """
    app, outputs = job["AppSpecification"], job.get("ProcessingOutputConfig", {})
    cluster = job["ProcessingResources"]["ClusterConfig"]
    return {
        "ProcessingJobArn": job["ProcessingJobArn"],
        "ProcessingJobName": job["ProcessingJobName"],
        "AppSpecification": {"ContainerEntrypoint": None, "ContainerArguments": None, **app},
        "Environment": job.get("Environment", {}),
        "ProcessingInputs": job.get("ProcessingInputs", []),
        "ProcessingOutputConfig": {"Outputs": [], "KmsKeyId": None, **outputs},
        "ProcessingResources": {"ClusterConfig": {"VolumeKmsKeyId": None, **cluster}},
        "NetworkConfig": job.get("NetworkConfig"),
        "RoleArn": job["RoleArn"],
        "StoppingCondition": job["StoppingCondition"],
    }


def choices(job: dict[str, Any]) -> list[tuple[str, int]]:
    """Type and number of the instances that a job may run on, in its own order, `with_defaults` having completed it."""
    cluster = job["ProcessingResources"]["ClusterConfig"]
    if "InstancePreferences" not in cluster:
        return [(cluster["InstanceType"], cluster["InstanceCount"])]
    preferences = cluster["InstancePreferences"]
    return [(each["InstanceType"], each.get("InstanceCount", cluster.get("InstanceCount", 1))) for each in preferences]


def _check_cluster(cluster: dict[str, Any]) -> None:
    for name in ("SelectedInstanceType", "SelectedInstanceCount"):
        if name in cluster:
            raise invalid(f"ProcessingResources.ClusterConfig.{name} is read-only: leave it out of the request.")
    if ("InstanceType" in cluster) == ("InstancePreferences" in cluster):
        raise invalid("ProcessingResources.ClusterConfig needs exactly one of InstanceType and InstancePreferences.")


def _check_unique(what: str, names: list[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise invalid(f"The processing {what} name '{name}' is used {count} times: names must be unique in a job.")


def _check_input(entry: dict[str, Any]) -> None:
    name = entry["InputName"]
    if "DatasetDefinition" in entry:
        raise invalid(f"Processing input '{name}': the local cloud has no Athena and no Redshift; use an S3Input.")
    if "S3Input" not in entry:
        raise invalid(f"Processing input '{name}' needs an S3Input.")
    s3_input = entry["S3Input"]
    _check_uri("input", name, s3_input["S3Uri"])
    if s3_input.get("S3InputMode") == "Pipe":
        raise invalid(f"Processing input '{name}': the local cloud does not stream; S3InputMode must be File.")
    # "Gzip can only be used when Pipe mode is specified as the S3InputMode" (service model, S3CompressionType).
    if s3_input.get("S3CompressionType") == "Gzip":
        raise invalid(f"Processing input '{name}': S3CompressionType Gzip needs S3InputMode Pipe, but it is File.")
    if not entry.get("AppManaged"):
        _check_local_path("input", name, s3_input.get("LocalPath"))


def _check_output(entry: dict[str, Any]) -> None:
    name = entry["OutputName"]
    if entry.get("AppManaged"):
        return
    if "FeatureStoreOutput" in entry:
        raise invalid(f"Processing output '{name}': FeatureStoreOutput is only supported with AppManaged.")
    if "S3Output" not in entry:
        raise invalid(f"Processing output '{name}' needs an S3Output.")
    _check_uri("output", name, entry["S3Output"]["S3Uri"])
    _check_local_path("output", name, entry["S3Output"].get("LocalPath"))


def _check_uri(what: str, name: str, uri: str) -> None:
    if not uri.startswith("s3://"):
        raise invalid(f"Processing {what} '{name}': S3Uri '{uri}' must begin with s3:// in the local cloud.")
    parse_uri(uri)


def _check_local_path(what: str, name: str, local_path: str | None) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/byoc-input-and-output.html"""
    if local_path is None:
        raise invalid(f"Processing {what} '{name}': LocalPath is required when AppManaged is False.")
    path = PurePosixPath(local_path)
    # A path that climbs out would write beside the instance's folder, on the user's own disk.
    if ".." in path.parts or not path.is_relative_to(PROCESSING):
        raise invalid(f"Processing {what} '{name}': LocalPath '{local_path}' must begin with {PROCESSING}/.")
