"""The image of a job: which there are, where, and who may pull them."""

from __future__ import annotations

import json
from pathlib import Path

import aws_cdk as cdk
import pytest

from geocadence.definition.images import GEOSPATIAL_URI
from stacks.components.container_image import (
    BUILT_PYTHON,
    GEOSPATIAL_PYTHON,
    ContainerImage,
    UnusableImage,
)
from tests.stacks.templates import Synthesis

OURS = "123456789012.dkr.ecr.us-west-2.amazonaws.com/maps"


@pytest.fixture
def stack(tmp_path: Path) -> cdk.Stack:
    return cdk.Stack(cdk.App(outdir=str(tmp_path / "out"), analytics_reporting=False), "Stack")


def test_our_own_image_is_built_at_deployment_from_two_files(synthesis: Synthesis) -> None:
    assets = json.loads((synthesis.folder / "geocadence-dev-built.assets.json").read_text())
    (image,) = assets["dockerImages"].values()
    folder = synthesis.folder / image["source"]["directory"]
    assert sorted(path.name for path in folder.iterdir()) == ["Dockerfile", "requirements.txt"]
    assert image["source"]["platform"] == "linux/amd64"
    (destination,) = image["destinations"].values()
    assert list(assets["dockerImages"]) == [destination["imageTag"]]


@pytest.mark.parametrize(
    ("program", "outputs"), [(None, ["type=docker"]), ("/opt/finch", ["type=docker"]), ("/usr/bin/podman", None)]
)
def test_the_image_is_of_the_format_that_sagemaker_reads(
    stack: cdk.Stack, monkeypatch: pytest.MonkeyPatch, program: str | None, outputs: list[str] | None
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("CDK_DOCKER", raising=False)
    if program:
        monkeypatch.setenv("CDK_DOCKER", program)
    ContainerImage.resolve(stack, "build", region="us-west-2", where="x.yaml")
    stage = stack.node.root.synth()
    (image,) = json.loads(Path(stage.directory, "Stack.assets.json").read_text())["dockerImages"].values()
    assert image["source"].get("dockerOutputs") == outputs


def test_jobs_run_and_pull_the_image_that_is_built(synthesis: Synthesis) -> None:
    stack = synthesis.stack("geocadence-dev-built")
    uri = stack.task["Arguments"]["AppSpecification"]["ImageUri"]
    repository = "cdk-hnb659fds-container-assets-123456789012-us-west-2"
    assert uri.startswith(f"123456789012.dkr.ecr.us-west-2.amazonaws.com/{repository}:")
    role = stack.statements("ExecutionRole")
    (pull,) = (each for each in role if "ecr:BatchGetImage" in each["Action"])
    assert pull["Resource"] == f"arn:aws:ecr:us-west-2:123456789012:repository/{repository}"


def test_nothing_is_built_for_an_aws_on_this_machine(stack: cdk.Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:7821")
    image = ContainerImage.resolve(stack, "build", region="us-west-2", where="x.yaml")
    assert stack.resolve(image.uri)["Fn::Join"][1][1].endswith("/geocadence-not-built:local")
    assert not stack.node.children


def test_each_image_has_its_python(stack: cdk.Stack) -> None:
    pythons = [
        ContainerImage.resolve(stack, image, region="us-west-2", where="x").python
        for image in ("sagemaker-geospatial", "build")
    ]
    assert pythons == [GEOSPATIAL_PYTHON, BUILT_PYTHON]


def test_the_geospatial_image_is_refused_outside_of_its_region(stack: cdk.Stack) -> None:
    with pytest.raises(UnusableImage) as refused:
        ContainerImage.resolve(stack, "sagemaker-geospatial", region="eu-west-1", where="pipelines/x.yaml")
    text = str(refused.value)
    assert text.startswith("pipelines/x.yaml: processing.image: sagemaker-geospatial exists in us-west-2 only")
    assert "-c region=us-west-2" in text
    assert "ECR image" in text


def test_an_image_of_ones_own_runs_anywhere(stack: cdk.Stack) -> None:
    uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/maps@sha256:" + "0" * 64
    assert ContainerImage.resolve(stack, uri, region="eu-west-1", where="x").uri == uri


def test_the_role_may_pull_from_exactly_the_images_repository_in_every_partition(stack: cdk.Stack) -> None:
    digest = "sha256:" + "0" * 64
    for domain, region in (
        ("amazonaws.com.cn", "cn-north-1"),
        ("amazonaws.com", "us-gov-west-1"),
        ("amazonaws.eu", "eusc-de-east-1"),
    ):
        uri = f"210987654321.dkr.ecr.{region}.{domain}/team/maps@{digest}"
        image = ContainerImage.resolve(stack, uri, region=region, where="x")
        pull, login = (each.to_statement_json() for each in image.pull_statements())
        assert stack.resolve(pull["Resource"]) == {
            "Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, f":ecr:{region}:210987654321:repository/team/maps"]]
        }
        assert login == {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}


def test_an_image_of_another_region_is_refused_under_whatever_name(stack: cdk.Stack) -> None:
    for uri in ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/maps:1", GEOSPATIAL_URI):
        with pytest.raises(UnusableImage, match="the jobs run in eu-central-1"):
            ContainerImage.resolve(stack, uri, region="eu-central-1", where="x")
