"""Every kind of input of a job, by the state machine, with real objects.

{S3Prefix, ManifestFile} × {ShardedByS3Key, FullyReplicated} × {EndOfJob, Continuous} are pipelines of their own;
{1, 2, 5 instances} are asked for with each run, and {more objects than instances, fewer, none} lie there by then.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest

from tests.end_to_end.conftest import Deployed
from tests.end_to_end.jobs.matrix import PIPELINES, name_of

INSTANCES = (1, 2, 5)
# More than instances of any number, fewer than of 2 and 5, none.
OBJECTS = (7, 1, 0)
CASES = list(product(PIPELINES, OBJECTS, INSTANCES))


@dataclass(frozen=True)
class Ran:
    """A run, its job as described, and what each host found."""

    execution: dict[str, Any]
    jobs: list[dict[str, Any]]
    found: dict[str, dict[str, str]]


def objects(count: int) -> dict[str, str]:
    return {f"day/{n}.txt": f"object {n} of {count}" for n in range(count)}


@pytest.fixture(scope="module")
def runs(deployed: Deployed) -> dict[tuple, Ran]:
    """All combinations: pipelines side by side, the runs of one after another."""

    def run_all(pipeline: tuple[str, ...]) -> list[tuple[tuple, Ran]]:
        done = []
        for count in OBJECTS:
            put(deployed, name_of(pipeline), objects(count))
            done += [((pipeline, count, instances), run(deployed, pipeline, instances)) for instances in INSTANCES]
        return done

    with ThreadPoolExecutor(len(PIPELINES)) as pool:
        return dict(ran for done in pool.map(run_all, PIPELINES) for ran in done)


def put(deployed: Deployed, name: str, contents: dict[str, str]) -> None:
    s3, bucket = deployed.client("s3"), deployed.input_bucket
    for found in s3.list_objects_v2(Bucket=bucket, Prefix=f"{name}/objects/").get("Contents", []):
        s3.delete_object(Bucket=bucket, Key=found["Key"])
    for key, text in contents.items():
        s3.put_object(Bucket=bucket, Key=f"{name}/objects/{key}", Body=text.encode())
    manifest = json.dumps([{"prefix": f"s3://{bucket}/{name}/objects/"}, *contents])
    s3.put_object(Bucket=bucket, Key=f"{name}/manifest.json", Body=manifest.encode())


def run(deployed: Deployed, pipeline: tuple[str, ...], instances: int) -> Ran:
    name = name_of(pipeline)
    before = {job["ProcessingJobName"] for job in deployed.jobs(name)}
    execution = deployed.wait(deployed.start(name, json.dumps({"instance_count": instances})), 300)
    new = {job["ProcessingJobName"] for job in deployed.jobs(name)} - before
    jobs = [deployed.client("sagemaker").describe_processing_job(ProcessingJobName=job) for job in new]
    place = f"{name}/{(execution['output'] or {}).get('run_id', 'none')}/"
    found = {key.removesuffix(".json"): json.loads(deployed.read(place + key)) for key in deployed.keys(place)}
    return Ran(execution, jobs, found)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{name_of(case[0])}-{case[1]}-objects-{case[2]}-instances")
def test_every_instance_gets_its_share_of_every_kind_of_input(runs: dict[tuple, Ran], case: tuple) -> None:
    (data_type, distribution, upload), count, instances = case
    ran, given = runs[case], objects(count)
    assert ran.execution["status"] == "SUCCEEDED", ran.execution.get("cause")
    output = ran.execution["output"]
    if not count:
        assert (output["outcome"], output["planned"], ran.jobs) == ("empty", 0, [])
        return
    assert (output["outcome"], output["planned"]) == ("complete", count)
    (job,) = ran.jobs
    source = next(each["S3Input"] for each in job["ProcessingInputs"] if each["InputName"] == "input_data")
    assert (source["S3DataType"], source["S3DataDistributionType"]) == (data_type, distribution)
    assert job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3UploadMode"] == upload
    # An instance that would get nothing is not paid for.
    hosts = min(instances, count) if distribution == "ShardedByS3Key" else instances
    assert job["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == hosts
    assert set(ran.found) == {f"algo-{n + 1}" for n in range(hosts)}
    if distribution == "FullyReplicated":
        assert all(found == given for found in ran.found.values())
        return
    assert sorted(name for found in ran.found.values() for name in found) == sorted(given)
    assert {name: text for found in ran.found.values() for name, text in found.items()} == given
    sizes = [len(found) for found in ran.found.values()]
    assert max(sizes) - min(sizes) <= 1
