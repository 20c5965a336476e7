"""Pipelines of objects, deployed once: what their jobs get, and what may go wrong with jobs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from examples.made_up_data import put_data
from tests.end_to_end.conftest import Deployed, deployed_with, pointed_at
from tests.end_to_end.examples import BUCKET, put_examples
from tests.end_to_end.jobs.matrix import write_matrix

DEFINITIONS = """
name: e2e-hopeless
source: {{prefix: {{uri: "s3://{input_bucket}/e2e-objects/maps/"}}}}
processing:
  script: hopeless.py
  inputs: {{soil: {{uri: "s3://{input_bucket}/e2e-scenes/private.txt"}}}}
---
name: e2e-choosy
source: {{prefix: {{uri: "s3://{input_bucket}/e2e-objects/maps/"}}}}
processing: {{script: listing.py, instance_preferences: [ml.r5.large, ml.r5.xlarge], instance_count: 2}}
---
name: e2e-killed
source: {{prefix: {{uri: "s3://{input_bucket}/e2e-objects/maps/"}}}}
processing: {{script: dying.py, arguments: {{by: kill}}, instance_count: 2}}
---
name: e2e-no-memory
source: {{prefix: {{uri: "s3://{input_bucket}/e2e-objects/maps/"}}}}
processing: {{script: dying.py, arguments: {{by: memory}}}}
---
name: e2e-at-once
source: {{prefix: {{uri: "s3://{input_bucket}/e2e-objects/maps/"}}}}
processing: {{script: waits_for_word.py, upload: Continuous, environment: {{INPUT_BUCKET: "{input_bucket}"}}}}
---
name: e2e-at-the-end
source: {{prefix: {{uri: "s3://{input_bucket}/e2e-objects/maps/"}}}}
processing: {{script: waits_for_word.py, upload: EndOfJob, environment: {{INPUT_BUCKET: "{input_bucket}"}}}}
---
name: e2e-endless
source: {{prefix: {{uri: "s3://{input_bucket}/e2e-objects/maps/"}}}}
processing: {{script: endless.py}}
---
name: e2e-brief
source: {{prefix: {{uri: "s3://{input_bucket}/e2e-objects/maps/"}}}}
processing: {{script: endless.py, max_runtime: PT5S}}
"""


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """These pipelines, the examples with their data, and those of the matrix."""

    def write_more(stage: Deployed) -> None:
        put_examples(stage.definitions)
        write_matrix(stage.definitions, input_bucket=stage.input_bucket)

    with deployed_with(DEFINITIONS, tmp_path_factory.mktemp, write_more) as stage:
        with pointed_at(stage.cloud):
            put_data(BUCKET)
        yield stage


@pytest.fixture(scope="module", autouse=True)
def _environment(deployed: Deployed) -> Iterator[None]:
    with pointed_at(deployed.cloud):
        yield
