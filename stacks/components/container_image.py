"""Which container image a job runs, and what its role needs to pull it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aws_cdk import Aws
from aws_cdk import aws_iam as iam

from stacks.refused import Refused

# https://docs.aws.amazon.com/sagemaker/latest/dg/geospatial-custom-operations.html
GEOSPATIAL_REGION = "us-west-2"
GEOSPATIAL_URI = "081189585635.dkr.ecr.us-west-2.amazonaws.com/sagemaker-geospatial-v1-0:latest"

# Its notebooks' metadata say so; AWS publishes no list.
GEOSPATIAL_PYTHON = "3.10"

_ECR_URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<repository>[^:@]+)[:@].+"
)


class UnusableImage(Refused):
    """An image that the pipeline's job could not run; the text names the alternatives."""


@dataclass(frozen=True)
class ContainerImage:
    """An image in ECR, and the Python that it is taken to have."""

    uri: str
    python: str = GEOSPATIAL_PYTHON

    @classmethod
    def resolve(cls, image: str, *, region: str, where: str) -> ContainerImage:
        """The image that a definition's `processing.image` means in `region`."""
        if image == "sagemaker-geospatial":
            if region != GEOSPATIAL_REGION:
                raise UnusableImage(
                    f"{where}: processing.image: sagemaker-geospatial exists in {GEOSPATIAL_REGION} only, this is "
                    f"{region} (deploy with -c region={GEOSPATIAL_REGION}, or name an ECR image of yours in {region})"
                )
            return cls(GEOSPATIAL_URI)
        if image == "build":
            raise UnusableImage(
                f"{where}: processing.image: build is not there yet "
                "(name sagemaker-geospatial or an ECR image of your own)"
            )
        match = _ECR_URI.fullmatch(image)
        # SageMaker takes images of the job's own region only.
        if match is not None and match["region"] != region:
            raise UnusableImage(
                f"{where}: processing.image: {image} lies in {match['region']}, the jobs run in {region} "
                f"(deploy with -c region={match['region']}, or name an image in {region})"
            )
        return cls(image)

    def pull_statements(self) -> list[iam.PolicyStatement]:
        """Pull this image's repository, which may be another account's."""
        match = _ECR_URI.fullmatch(self.uri)
        if match is None:
            raise UnusableImage(
                f"{self.uri} is no image in ECR (expected account.dkr.ecr.region.amazonaws.com/name:tag)"
            )
        repository = f"arn:{Aws.PARTITION}:ecr:{match['region']}:{match['account']}:repository/{match['repository']}"
        return [
            iam.PolicyStatement(
                actions=["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                resources=[repository],
            ),
            iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
        ]
