"""Which container image a job runs, and what its role needs to pull it."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import Aws
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_iam as iam
from constructs import Construct

from geocadence.definition.images import (
    BUILD_CONTEXT,
    BUILT,
    GEOSPATIAL,
    GEOSPATIAL_REGION,
    GEOSPATIAL_URI,
    EcrImage,
)
from stacks.components.uv import deploys_to_this_machine
from stacks.refused import Refused

# Its notebooks' metadata say so; AWS publishes no list.
GEOSPATIAL_PYTHON = "3.10"
BUILT_PYTHON = "3.11"


class UnusableImage(Refused):
    """An image that the pipeline's job could not run; the text names the alternatives."""


@dataclass(frozen=True)
class ContainerImage:
    """An image in ECR, the repository that it is pulled from, and the Python that it is taken to have."""

    uri: str
    repository_arn: str
    python: str = GEOSPATIAL_PYTHON

    @classmethod
    def resolve(cls, scope: Construct, image: str, *, region: str, where: str) -> ContainerImage:
        """The image that a definition's `processing.image` means in `region`; `build` makes an asset in `scope`."""
        if image == BUILT:
            return _built(scope, region)
        if image == GEOSPATIAL:
            if region != GEOSPATIAL_REGION:
                raise UnusableImage(
                    f"{where}: processing.image: {image} exists in {GEOSPATIAL_REGION} only, this is "
                    f"{region} (deploy with -c region={GEOSPATIAL_REGION}, take build, or name an ECR image of yours "
                    f"in {region})"
                )
            return cls(GEOSPATIAL_URI, _arn(GEOSPATIAL_URI))
        there = EcrImage.parse(image).region
        # SageMaker takes images of the job's own region only.
        if there != region:
            raise UnusableImage(
                f"{where}: processing.image: {image} lies in {there}, the jobs run in {region} "
                f"(deploy with -c region={there}, or name an image in {region})"
            )
        return cls(image, _arn(image))

    def pull_statements(self) -> list[iam.PolicyStatement]:
        """Pull from this image's repository. Where that is another account's, its own policy has to allow it, too."""
        return [
            iam.PolicyStatement(
                actions=["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                resources=[self.repository_arn],
            ),
            iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
        ]


def _arn(uri: str) -> str:
    image = EcrImage.parse(uri)
    return f"arn:{Aws.PARTITION}:ecr:{image.region}:{image.account}:repository/{image.repository}"


def _built(scope: Construct, region: str) -> ContainerImage:
    """The image of `container/Dockerfile`, built when the stack is deployed.

    An AWS on this machine records a job's image and pulls none, so that nothing is built for it.
    """
    if deploys_to_this_machine():
        repository = f"{Aws.ACCOUNT_ID}.dkr.ecr.{region}.amazonaws.com/geocadence-not-built"
        arn = f"arn:{Aws.PARTITION}:ecr:{region}:{Aws.ACCOUNT_ID}:repository/geocadence-not-built"
        return ContainerImage(f"{repository}:local", arn, BUILT_PYTHON)
    with tempfile.TemporaryDirectory(prefix="image-") as context:
        for name, path in BUILD_CONTEXT.items():
            shutil.copyfile(path, Path(context, name))
        # The asset copies what it is given at once. SageMaker's instances are x86_64, whatever builds the image.
        asset = ecr_assets.DockerImageAsset(
            scope, "Image", directory=context, platform=ecr_assets.Platform.LINUX_AMD64, outputs=_outputs()
        )
    return ContainerImage(asset.image_uri, asset.repository.repository_arn, BUILT_PYTHON)


def _outputs() -> list[str] | None:
    """Docker's own format: newer versions of Docker write OCI's, of which SageMaker has said that it can't read it
    (https://github.com/aws/amazon-sagemaker-feedback/issues/180). Podman has no such output: see tools/cdk.py.
    """
    return None if "podman" in Path(os.environ.get("CDK_DOCKER", "docker")).name else ["type=docker"]
