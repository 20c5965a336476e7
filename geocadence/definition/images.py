"""The image that a definition names: AWS's geospatial one, the one built here, or one in ECR by its URI."""

from __future__ import annotations

import re
from dataclasses import dataclass

from geocadence.definition.files import PROJECT_ROOT

GEOSPATIAL = "sagemaker-geospatial"
BUILT = "build"
# All that the image of `build` is made from, by its name in the build's context.
BUILD_CONTEXT = {
    "Dockerfile": PROJECT_ROOT / "container" / "Dockerfile",
    "requirements.txt": PROJECT_ROOT / "requirements" / "container.txt",
}
# https://docs.aws.amazon.com/sagemaker/latest/dg/geospatial-custom-operations.html; it has no other tag.
GEOSPATIAL_REGION = "us-west-2"
GEOSPATIAL_URI = "081189585635.dkr.ecr.us-west-2.amazonaws.com/sagemaker-geospatial-v1-0:latest"

# The domains of AWS's partitions; CreateProcessingJob takes 255 characters.
_DOMAINS = r"amazonaws\.(com|com\.cn|eu)|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov"
_NAME = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_URI = re.compile(
    rf"(?P<account>\d{{12}})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.({_DOMAINS})/(?P<repository>{_NAME}(/{_NAME})*)"
    r"(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_LONGEST = 255
_EXAMPLE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/name@sha256:…"


@dataclass(frozen=True)
class EcrImage:
    """The parts of an image's URI; either a tag or a digest."""

    account: str
    region: str
    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, uri: str) -> EcrImage:
        """ValueError says what is wrong with `uri`."""
        match = _URI.fullmatch(uri)
        if match is None:
            raise ValueError(f"is neither `{GEOSPATIAL}` nor `{BUILT}` nor an ECR image (expected e.g. {_EXAMPLE})")
        image = cls(**match.groupdict())
        if (image.tag is None) == (image.digest is None):
            found = "neither a tag nor a digest" if image.tag is None else "both a tag and a digest"
            raise ValueError(f"has {found}, and SageMaker takes one of them (expected e.g. {_EXAMPLE})")
        if len(uri) > _LONGEST:
            raise ValueError(f"is {len(uri)} characters long (a job takes at most {_LONGEST})")
        return image


def may_change(image: str) -> bool:
    """Whether `image` is what its tag `latest` happens to mean, though it could be named better."""
    return image.endswith(":latest") and image != GEOSPATIAL_URI
