"""Which objects each instance finds in its input folder, and under which names."""

from __future__ import annotations

import json
from itertools import product

import pytest

from .conftest import s3_input, s3_output

# Every host reports the files that it found.
LIST_FILES = """
import json, pathlib
host = json.loads(pathlib.Path("/opt/ml/config/resourceconfig.json").read_text())["current_host"]
folder = pathlib.Path("/opt/ml/processing/input_data")
found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
pathlib.Path("/opt/ml/processing/out", host + ".json").write_text(json.dumps(found))
"""
# Fewer objects than instances, as many, more, and none.
MATRIX = list(
    product(
        ["S3Prefix", "ManifestFile"],
        ["ShardedByS3Key", "FullyReplicated"],
        [1, 2, 5],
        [0, 1, 5, 7],
        ["EndOfJob", "Continuous"],
    )
)
# None below a prefix is no job's input: the service refuses it, and a run of ours never asks for it.
NOTHING = [each for each in MATRIX if each[0] == "S3Prefix" and each[3] == 0]
SOMETHING = [each for each in MATRIX if each not in NOTHING]


def start_listing(service, uri: str, *, count: int = 1, upload: str = "EndOfJob", **changes) -> tuple[str, str]:
    out = service.bucket()
    job = service.create(
        LIST_FILES,
        ClusterConfig={"InstanceCount": count},
        ProcessingInputs=[s3_input("data", uri, "/opt/ml/processing/input_data", **changes)],
        ProcessingOutputConfig={"Outputs": [s3_output("out", f"s3://{out}", "/opt/ml/processing/out", upload)]},
    )
    return job, out


def found_by(service, started: tuple[str, str]) -> dict[str, list[str]]:
    job, out = started
    described = service.wait(job)
    assert described["ProcessingJobStatus"] == "Completed", described.get("FailureReason")
    return {name.removesuffix(".json"): json.loads(body) for name, body in service.objects(out).items()}


@pytest.fixture(scope="module")
def listings(service):
    """All combinations, started at once: they run side by side."""
    started = {}
    for data_type, distribution, count, objects, upload in MATRIX:
        names = [f"day/{number}.json" for number in range(objects)]
        bucket = service.bucket({f"batch/{name}": "{}" for name in names})
        uri = f"s3://{bucket}/batch/"
        if data_type == "ManifestFile":
            manifest = [{"prefix": f"s3://{bucket}/batch/"}, *names]
            service.s3.put_object(Bucket=bucket, Key="manifest.json", Body=json.dumps(manifest))
            uri = f"s3://{bucket}/manifest.json"
        changes = {"S3DataType": data_type, "S3DataDistributionType": distribution}
        key = data_type, distribution, count, objects, upload
        started[key] = start_listing(service, uri, count=count, upload=upload, **changes)
    return started


@pytest.mark.parametrize("case", SOMETHING, ids=lambda case: "-".join(map(str, case)))
def test_each_instance_gets_its_share(service, listings, case):
    _, distribution, count, objects, _ = case
    found = found_by(service, listings[case])
    names = [f"day/{number}.json" for number in range(objects)]
    assert set(found) == {f"algo-{number}" for number in range(1, count + 1)}
    if distribution == "FullyReplicated":
        assert all(files == names for files in found.values())
    else:
        assert sorted(name for files in found.values() for name in files) == names
        sizes = [len(files) for files in found.values()]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("case", NOTHING, ids=lambda case: "-".join(map(str, case)))
def test_nothing_below_a_prefix_fails_the_job_and_uploads_nothing(service, listings, case):
    job, out = listings[case]
    described = service.wait(job)
    assert described["FailureReason"].endswith("matched no files on s3")
    assert service.objects(out) == {}


def test_a_prefix_is_a_string_and_not_a_folder(service):
    bucket = service.bucket({"images/a.tif": "", "images2/b.tif": "", "image": "", "other/c": ""})
    with_slash = start_listing(service, f"s3://{bucket}/images/")
    without = start_listing(service, f"s3://{bucket}/images")
    assert found_by(service, with_slash) == {"algo-1": ["a.tif"]}
    assert found_by(service, without) == {"algo-1": ["a.tif", "images2/b.tif"]}


def test_a_uri_of_one_object_lands_under_its_base_name(service):
    bucket = service.bucket({"deep/down/area.geojson": "{}"})
    assert found_by(service, start_listing(service, f"s3://{bucket}/deep/down/area.geojson")) == {
        "algo-1": ["area.geojson"]
    }


def test_a_whole_bucket_can_be_an_input_and_folder_markers_become_folders(service):
    bucket = service.bucket({"a/": "", "a/b/": "", "a/c.json": "{}"})
    assert found_by(service, start_listing(service, f"s3://{bucket}")) == {"algo-1": ["a/c.json"]}


def test_a_prefix_without_objects_fails_the_job(service):
    bucket = service.bucket()
    described = service.wait(start_listing(service, f"s3://{bucket}/none/")[0])
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["FailureReason"] == f"ClientError: S3 key: s3://{bucket}/none/ matched no files on s3"


def test_an_empty_manifest_leaves_every_instance_without_input(service):
    bucket = service.bucket({"manifest": json.dumps([{"prefix": "s3://any/"}])})
    started = start_listing(service, f"s3://{bucket}/manifest", count=2, S3DataType="ManifestFile")
    assert found_by(service, started) == {"algo-1": [], "algo-2": []}


@pytest.mark.parametrize(
    "manifest", ["no JSON", "{}", "[]", '["a"]', '[{"prefix": 1}, "a"]', '[{"prefix": "s3://b/"}, 1]']
)
def test_a_malformed_manifest_fails_the_job_and_is_named(service, manifest):
    bucket = service.bucket({"manifest": manifest})
    described = service.wait(start_listing(service, f"s3://{bucket}/manifest", S3DataType="ManifestFile")[0])
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith(f"ClientError: Manifest file s3://{bucket}/manifest is malformed")


def test_a_key_that_the_manifest_names_and_s3_lacks_fails_the_job(service):
    bucket = service.bucket({"there": "1"})
    service.s3.put_object(
        Bucket=bucket, Key="manifest", Body=json.dumps([{"prefix": f"s3://{bucket}/"}, "there", "gone"])
    )
    described = service.wait(start_listing(service, f"s3://{bucket}/manifest", S3DataType="ManifestFile")[0])
    assert described["ProcessingJobStatus"] == "Failed"
    assert f"s3://{bucket}/gone" in described["FailureReason"]
    assert "NoSuchKey" in described["FailureReason"]


def test_a_missing_bucket_fails_the_job(service):
    described = service.wait(start_listing(service, "s3://there-is-no-such-bucket/x/")[0])
    assert described["FailureReason"].startswith("ClientError: Data download failed:")
    assert "NoSuchBucket" in described["FailureReason"]


def test_an_object_cannot_land_outside_of_its_input_folder(service):
    bucket = service.bucket()
    service.s3.put_object(
        Bucket=bucket, Key="manifest", Body=json.dumps([{"prefix": f"s3://{bucket}/"}, "../../../escaped"])
    )
    described = service.wait(start_listing(service, f"s3://{bucket}/manifest", S3DataType="ManifestFile")[0])
    assert described["ProcessingJobStatus"] == "Failed"
    assert "would leave its LocalPath" in described["FailureReason"]
