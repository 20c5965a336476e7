"""The buckets: what keeps strangers out, what keeps data in, and what goes with its stack."""

from __future__ import annotations

import pytest

from tests.stacks.templates import ACCOUNT, REGION, Stack, Synthesis, as_list


@pytest.fixture(scope="module", params=["dev", "prod"])
def storage(request: pytest.FixtureRequest, synthesis: Synthesis) -> Stack:
    return synthesis.stack(f"geocadence-{request.param}-storage")


def _bucket(storage: Stack, role: str) -> dict:
    stage = storage.name.split("-")[1]
    name = f"geocadence-{stage}-{role}-{ACCOUNT}-{REGION}"
    (found,) = (
        each for each in storage.of_type("AWS::S3::Bucket").values() if each["Properties"]["BucketName"] == name
    )
    return found


@pytest.mark.parametrize("role", ["input", "output", "logs"])
def test_buckets_are_private_and_encrypted(storage: Stack, role: str) -> None:
    properties = _bucket(storage, role)["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_nothing_but_tls_is_answered(synthesis: Synthesis) -> None:
    """Buckets, topics and queues of all stacks."""
    kinds = {"AWS::S3::BucketPolicy": "s3:*", "AWS::SNS::TopicPolicy": "sns:Publish", "AWS::SQS::QueuePolicy": "sqs:*"}
    found = dict.fromkeys(kinds, 0)
    for stack in synthesis.stacks:
        for kind, action in kinds.items():
            for policy in stack.of_type(kind).values():
                denied = [
                    each
                    for each in policy["Properties"]["PolicyDocument"]["Statement"]
                    if each["Effect"] == "Deny" and each["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
                ]
                assert [as_list(each["Action"]) for each in denied] == [[action]], stack.name
                assert denied[0]["Principal"] in ("*", {"AWS": "*"})
                found[kind] += 1
    assert found == {"AWS::S3::BucketPolicy": 6, "AWS::SNS::TopicPolicy": 2, "AWS::SQS::QueuePolicy": 4}


def test_every_bucket_topic_and_queue_has_such_a_policy(synthesis: Synthesis) -> None:
    for stack in synthesis.stacks:
        for kind in ("S3::Bucket", "SNS::Topic", "SQS::Queue"):
            assert len(stack.of_type(f"AWS::{kind}")) == len(stack.of_type(f"AWS::{kind}Policy")), stack.name


def test_no_resource_policy_lets_strangers_in(synthesis: Synthesis) -> None:
    for stack in synthesis.stacks:
        for kind in ("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy"):
            for policy in stack.of_type(kind).values():
                for each in policy["Properties"]["PolicyDocument"]["Statement"]:
                    assert each["Effect"] == "Deny" or each["Principal"] not in ("*", {"AWS": "*"})


@pytest.mark.parametrize("role", ["input", "output"])
def test_data_is_versioned_and_its_access_logged(storage: Stack, role: str) -> None:
    properties = _bucket(storage, role)["Properties"]
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert properties["LoggingConfiguration"]["LogFilePrefix"] == f"{role}/"
    assert properties["LoggingConfiguration"]["DestinationBucketName"].startswith("<Logs")


def test_what_nobody_sees_expires(storage: Stack) -> None:
    for role in ("input", "output"):
        (rule,) = (each for each in _rules(storage, role) if each["Id"] == "housekeeping")
        assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
        assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
        assert rule["ExpiredObjectDeleteMarker"] is True
    assert {e["Id"]: e["ExpirationInDays"] for e in _rules(storage, "logs") if "ExpirationInDays" in e} == {
        "access-logs": 90
    }


def test_batches_expire_and_products_never_do(storage: Stack) -> None:
    (batches,) = (each for each in _rules(storage, "input") if "ExpirationInDays" in each)
    assert batches["TagFilters"] == [{"Key": "geocadence-expires", "Value": "batch"}]
    assert not [each for each in _rules(storage, "output") if "ExpirationInDays" in each]


def _rules(storage: Stack, role: str) -> list[dict]:
    return _bucket(storage, role)["Properties"]["LifecycleConfiguration"]["Rules"]


@pytest.mark.parametrize("role", ["input", "output", "logs"])
def test_production_keeps_its_buckets_and_other_stages_take_theirs_along(storage: Stack, role: str) -> None:
    bucket = _bucket(storage, role)
    keep = "prod" in storage.name
    expected = "Retain" if keep else "Delete"
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == (expected, expected)
    emptied = len(storage.of_type("Custom::S3AutoDeleteObjects"))
    assert emptied == (0 if keep else 3)


def test_production_is_protected_from_deletion(synthesis: Synthesis) -> None:
    import json

    artifacts = json.loads((synthesis.folder / "manifest.json").read_text())["artifacts"]
    assert artifacts["geocadence-prod-storage"]["properties"]["terminationProtection"] is True
    assert not artifacts["geocadence-dev-storage"]["properties"].get("terminationProtection")


def test_pipelines_come_after_storage(synthesis: Synthesis) -> None:
    import json

    artifacts = json.loads((synthesis.folder / "manifest.json").read_text())["artifacts"]
    assert "geocadence-dev-storage" in artifacts["geocadence-dev-ndvi-weekly"]["dependencies"]
