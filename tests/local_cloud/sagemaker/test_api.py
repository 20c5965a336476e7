"""The API as its clients see it: what is refused and in which words, what is listed, what is tagged."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError

from .conftest import ROLE, s3_input, s3_output

NAME_PATTERN = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
NEVER = {"ImageUri": "any", "ContainerEntrypoint": ["true"]}


def refusal(service, **changes) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        service.create("", **{"AppSpecification": NEVER} | changes)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"ProcessingJobName": "under_score"},
            "1 validation error detected: Value 'under_score' at 'processingJobName' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {NAME_PATTERN}",
        ),
        (
            {"ProcessingJobName": "x" * 64},
            f"2 validation errors detected: Value '{'x' * 64}' at 'processingJobName' failed to satisfy constraint: "
            f"Member must have length less than or equal to 63; Value '{'x' * 64}' at 'processingJobName' failed to "
            f"satisfy constraint: Member must satisfy regular expression pattern: {NAME_PATTERN}",
        ),
        (
            {"ClusterConfig": {"InstanceCount": 101}},
            "1 validation error detected: Value '101' at 'processingResources.clusterConfig.instanceCount' failed to "
            "satisfy constraint: Member must have value less than or equal to 100",
        ),
        (
            {"AppSpecification": None},
            "1 validation error detected: Value null at 'appSpecification' failed to satisfy constraint: "
            "Member must not be null",
        ),
        (
            {"ProcessingInputs": [s3_input("data", "s3://b/", "/opt/ml/processing/x", S3DataType="Folder")]},
            "1 validation error detected: Value 'Folder' at 'processingInputs.1.member.s3Input.s3DataType' failed to "
            "satisfy constraint: Member must satisfy enum value set: [ManifestFile, S3Prefix]",
        ),
        (
            {"AppSpecification": NEVER | {"ContainerArguments": ["y" * 257]}},
            f"1 validation error detected: Value '[{'y' * 257}]' at 'appSpecification.containerArguments' failed to "
            "satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 256, "
            "Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: .*]",
        ),
        (
            {"Environment": {"NO-DASH": "1"}},
            "1 validation error detected: Value '{NO-DASH=1}' at 'environment' failed to satisfy constraint: Map keys "
            "must satisfy constraint: [Member must have length less than or equal to 256, Member must have length "
            "greater than or equal to 0, Member must satisfy regular expression pattern: [a-zA-Z_][a-zA-Z0-9_]*]",
        ),
        (
            {"RoleArn": "arn:aws:iam::111111111111:role/other"},
            "RoleArn: Cross-account pass role is not allowed.",
        ),
        (
            {"RoleArn": "arn:aws:iam::000000000000:role/distrusts-sagemaker"},
            "Could not assume role arn:aws:iam::000000000000:role/distrusts-sagemaker. Please ensure that the role "
            "exists and allows principal 'sagemaker.amazonaws.com' to assume the role.",
        ),
    ],
)
def test_a_value_outside_of_the_model_is_refused_in_awss_words(service, changes, message):
    assert refusal(service, **changes) == ("ValidationException", message)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"ProcessingInputs": [s3_input(str(n), "s3://b/", "/opt/ml/processing/x") for n in range(11)]}, "equal to 10"),
        ({"Environment": {f"V{n}": "" for n in range(101)}}, "equal to 100"),
        ({"Environment": {"V": "x" * 257}}, "Map value must satisfy"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 777601}}, "777600"),
        ({"ClusterConfig": {"VolumeSizeInGB": 0}}, "greater than or equal to 1"),
        ({"ClusterConfig": {"InstanceType": "ml.imaginary"}}, "enum value set"),
        ({"ClusterConfig": {"InstancePreferences": [{"InstanceType": "ml.m5.large"}]}}, "exactly one of"),
        ({"ClusterConfig": {"SelectedInstanceCount": 1}}, "read-only"),
        ({"AppSpecification": {"ImageUri": "any"}}, "ContainerEntrypoint is missing"),
        ({"ProcessingInputs": [s3_input("a", "s3://b/", "/opt/ml/input")]}, "must begin with /opt/ml/processing/"),
        ({"ProcessingInputs": [s3_input("a", "s3://b/", "/opt/ml/processing/../../../etc")]}, "must begin with"),
        ({"ProcessingInputs": [s3_input("a", "s3://b/", "/opt/ml/processing/x", S3InputMode="Pipe")]}, "must be File"),
        ({"ProcessingInputs": [s3_input("a", "s3://b/", "/opt/ml/processing/x", S3CompressionType="Gzip")]}, "Pipe"),
        ({"ProcessingInputs": [s3_input("a", "s3://b/", "/opt/ml/processing/x")] * 2}, "used 2 times"),
        ({"ProcessingInputs": [{"InputName": "a"}]}, "needs an S3Input"),
        ({"ProcessingInputs": [{"InputName": "a", "DatasetDefinition": {}}]}, "no Athena and no Redshift"),
        ({"ProcessingOutputConfig": {"Outputs": [s3_output("a", "s3://b/", "/tmp/x")]}}, "must begin with"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(service, changes, told):
    code, message = refusal(service, **changes)
    assert code == "ValidationException"
    assert told in message


@pytest.mark.parametrize(
    ("action", "given", "told"),
    [
        (
            "describe_processing_job",
            {"ProcessingJobName": "under_score"},
            f"regular expression pattern: {NAME_PATTERN}",
        ),
        ("stop_processing_job", {}, "Value null at 'processingJobName'"),
        ("list_processing_jobs", {"MaxResults": 101}, "less than or equal to 100"),
        ("list_processing_jobs", {"StatusEquals": "Done"}, "[InProgress, Completed, Failed, Stopping, Stopped]"),
        ("list_processing_jobs", {"SortBy": "Size"}, "[Name, CreationTime, Status]"),
        ("add_tags", {"ResourceArn": "arn:x", "Tags": [{"Key": "", "Value": ""}]}, "greater than or equal to 1"),
        ("list_tags", {"ResourceArn": "x" * 257}, "less than or equal to 256"),
        ("delete_tags", {"ResourceArn": "arn:x", "TagKeys": []}, "greater than or equal to 1"),
    ],
)
def test_every_action_is_held_to_the_model(service, action, given, told):
    with pytest.raises(ClientError) as refused:
        getattr(service.sagemaker, action)(**given)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert told in refused.value.response["Error"]["Message"]


def test_a_wrong_json_type_is_refused(service):
    assert refusal(service, Environment={"NUMBER": 1})[0] == "SerializationException"


def test_a_misspelt_member_is_refused(service):
    # Clients drop what they do not know before they send; a state machine's definition does not.
    body = json.dumps({"AppSpecification": NEVER | {"ContainerEntryPoint": []}}).encode()
    headers = {"X-Amz-Target": "SageMaker.CreateProcessingJob"}
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(service.url, body, headers), timeout=10)  # noqa: S310
    answer = json.loads(refused.value.read())
    assert answer["__type"] == "ValidationException"
    assert "Unknown parameter 'ContainerEntryPoint' in appSpecification" in answer["message"]


@pytest.mark.parametrize("action", ["DescribeProcessingJob", "ListProcessingJobs"])
def test_an_answer_holds_nothing_that_the_model_does_not_know(service, action):
    """Clients drop it; a state machine, whose `.sync` gives the description on, would come to rely on it."""
    name = service.run("", AppSpecification=NEVER, Tags=[{"Key": "a", "Value": "b"}])["ProcessingJobName"]
    asked = {"ProcessingJobName": name} if action.startswith("Describe") else {"NameContains": name}
    request = urllib.request.Request(  # noqa: S310 (ours)
        service.url, json.dumps(asked).encode(), {"X-Amz-Target": f"SageMaker.{action}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 (ours)
        told = json.load(answer)
    shape = service.sagemaker.meta.service_model.operation_model(action).output_shape
    assert list(unknown_members(shape, told)) == []


def unknown_members(shape, value) -> Iterator[str]:
    if shape.type_name == "structure":
        for name, member in value.items():
            if name in shape.members:
                yield from unknown_members(shape.members[name], member)
            else:
                yield name
    elif shape.type_name == "list":
        for member in value:
            yield from unknown_members(shape.member, member)


def test_an_unknown_action_is_refused(service):
    with pytest.raises(ClientError) as refused:
        service.sagemaker.create_training_job(TrainingJobName="x")
    assert refused.value.response["Error"]["Code"] == "UnknownOperationException"


def test_a_name_is_used_once_for_ever(service):
    name = service.run("", AppSpecification=NEVER)["ProcessingJobName"]
    code, message = refusal(service, ProcessingJobName=name)
    assert code == "ResourceInUse"
    assert message == (
        "Job name must be unique within an AWS account and region, and a job with this name already exists "
        f"(arn:aws:sagemaker:us-west-2:000000000000:processing-job/{name})"
    )


def test_an_unknown_job_is_told(service):
    for call in (service.sagemaker.describe_processing_job, service.sagemaker.stop_processing_job):
        with pytest.raises(ClientError) as refused:
            call(ProcessingJobName="nobody")
        assert refused.value.response["Error"]["Code"] == "ValidationException"
        assert refused.value.response["Error"]["Message"] == "Could not find requested job with name: nobody"


def test_the_quota_of_an_instance_type_counts_running_jobs(service):
    quotas = service.folder / "quotas.json"
    quotas.write_text(json.dumps({"ml.m5.4xlarge": 3}))
    try:
        sleep = {"ImageUri": "any", "ContainerEntrypoint": ["sleep", "60"]}
        first = service.create(
            "", AppSpecification=sleep, ClusterConfig={"InstanceType": "ml.m5.4xlarge", "InstanceCount": 2}
        )
        assert refusal(service, ClusterConfig={"InstanceType": "ml.m5.4xlarge", "InstanceCount": 2}) == (
            "ResourceLimitExceeded",
            "The account-level service limit 'ml.m5.4xlarge for processing job usage' is 3 Instances, with current "
            "utilization of 2 Instances and a request delta of 2 Instances. Please use AWS Service Quotas to request "
            "an increase for this quota. If AWS Service Quotas is not available, contact AWS support to request an "
            "increase for this quota.",
        )
        service.sagemaker.stop_processing_job(ProcessingJobName=first)
        service.wait(first)
        service.wait(
            service.create(
                "", AppSpecification=NEVER, ClusterConfig={"InstanceType": "ml.m5.4xlarge", "InstanceCount": 2}
            )
        )
    finally:
        quotas.unlink()


def test_instance_preferences_select_the_first(service):
    preferences = [
        {"InstanceType": "ml.m5.large", "InstanceCount": 2},
        {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
    ]
    job = service.create(
        "",
        AppSpecification=NEVER,
        ProcessingResources={"ClusterConfig": {"VolumeSizeInGB": 1, "InstancePreferences": preferences}},
    )
    cluster = service.wait(job)["ProcessingResources"]["ClusterConfig"]
    assert (cluster["SelectedInstanceType"], cluster["SelectedInstanceCount"]) == ("ml.m5.large", 2)


def test_a_type_without_capacity_gives_way_to_the_next_preference(service):
    capacity = service.folder / "capacity.json"
    capacity.write_text('{"ml.r5.large": 0, "ml.r5.xlarge": 1}')
    kinds = ("ml.r5.large", "ml.r5.xlarge", "ml.r5.2xlarge")
    cluster = {"VolumeSizeInGB": 1, "InstancePreferences": [{"InstanceType": kind} for kind in kinds]}
    try:
        one, two = (
            service.create("", ProcessingResources={"ClusterConfig": cluster | {"InstanceCount": count}})
            for count in (1, 2)
        )
        without = service.wait(service.create("", ClusterConfig={"InstanceType": "ml.r5.large"}))
    finally:
        capacity.unlink()
    taken = [service.wait(job)["ProcessingResources"]["ClusterConfig"]["SelectedInstanceType"] for job in (one, two)]
    assert taken == ["ml.r5.xlarge", "ml.r5.2xlarge"]
    assert without["ProcessingJobStatus"] == "Failed"
    assert without["FailureReason"].startswith("CapacityError: ")


@pytest.fixture(scope="module")
def listed(service):
    """Five jobs, created in this order, the last of which fails."""
    names = [f"listed-{letter}" for letter in "ebadc"]
    for name in names:
        command = ["false"] if name == names[-1] else ["true"]
        app = {"ImageUri": "any", "ContainerEntrypoint": command}
        service.wait(service.create("", ProcessingJobName=name, AppSpecification=app))
    return names


def list_names(service, **filters) -> list[str]:
    pages = service.sagemaker.get_paginator("list_processing_jobs").paginate(NameContains="listed-", **filters)
    return [entry["ProcessingJobName"] for page in pages for entry in page["ProcessingJobSummaries"]]


def test_jobs_are_listed_in_order_and_in_pages(service, listed):
    assert list_names(service) == listed
    assert list_names(service, SortOrder="Descending") == listed[::-1]
    assert list_names(service, SortBy="Name", MaxResults=2) == sorted(listed)
    assert list_names(service, SortBy="Name", SortOrder="Descending", MaxResults=1) == sorted(listed, reverse=True)
    assert (
        len(service.sagemaker.list_processing_jobs(NameContains="listed-", MaxResults=2)["ProcessingJobSummaries"]) == 2
    )


def test_jobs_are_filtered(service, listed):
    assert list_names(service, StatusEquals="Failed") == listed[-1:]
    third = service.describe(listed[2])
    tick = timedelta(milliseconds=1)
    assert list_names(service, CreationTimeAfter=third["CreationTime"] + tick) == listed[3:]
    assert list_names(service, CreationTimeBefore=third["CreationTime"] - tick) == listed[:2]
    assert list_names(service, LastModifiedTimeAfter=third["LastModifiedTime"] + tick) == listed[3:]
    assert list_names(service, LastModifiedTimeBefore=third["LastModifiedTime"] - tick) == listed[:2]
    assert list_names(service, CreationTimeAfter=datetime.now(UTC) + timedelta(days=1)) == []


def test_a_made_up_token_is_refused(service):
    with pytest.raises(ClientError, match="Invalid NextToken"):
        service.sagemaker.list_processing_jobs(NextToken="bm90aGluZw")


def test_tags_are_kept_changed_and_removed(service):
    job = service.create("", AppSpecification=NEVER, Tags=[{"Key": "team", "Value": "maps"}])
    arn = service.describe(job)["ProcessingJobArn"]
    service.sagemaker.add_tags(
        ResourceArn=arn, Tags=[{"Key": "team", "Value": "água"}, {"Key": "stage", "Value": "dev"}]
    )
    assert service.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [
        {"Key": "team", "Value": "água"},
        {"Key": "stage", "Value": "dev"},
    ]
    service.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team", "not there"])
    assert service.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "stage", "Value": "dev"}]
    with pytest.raises(ClientError, match="ValidationException"):
        service.sagemaker.list_tags(ResourceArn=arn + "x")


def test_arns_come_back_in_lower_case(service):
    job = service.create("", AppSpecification=NEVER, ProcessingJobName="Mixed-Case")
    assert service.describe(job)["ProcessingJobName"] == "Mixed-Case"
    assert service.describe(job)["ProcessingJobArn"].endswith(":processing-job/mixed-case")
    assert refusal(service, ProcessingJobName="mixed-CASE")[0] == "ResourceInUse"


def test_a_checking_client_and_its_waiter_are_content(service):
    checking = boto3.client(
        "sagemaker",
        endpoint_url=service.url,
        region_name="us-west-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    job = service.create("", AppSpecification=NEVER)
    checking.get_waiter("processing_job_completed_or_stopped").wait(
        ProcessingJobName=job, WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )
    assert checking.describe_processing_job(ProcessingJobName=job)["RoleArn"] == ROLE
