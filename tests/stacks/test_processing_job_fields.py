"""The typed job against botocore's model of CreateProcessingJob: no field, limit or choice may be missing."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator

import botocore.session
import pytest

from stacks.components import processing_job as pj
from stacks.components.processing_job import fields
from stacks.components.processing_job.checks import problems_of

GIVEN_BY_THE_TASK = {"ProcessingJobName", "RoleArn"}
# botocore: "This field is read-only and isn't accepted in CreateProcessingJob requests."
READ_ONLY = {"SelectedInstanceType", "SelectedInstanceCount"}
# Patterns that say nothing (anything goes), and those in a dialect that Python does not speak.
WITHOUT_PATTERN = {".*", r"[\s\S]+", r"[\S\s]*"}
OTHER_DIALECT = {"Catalog", "Key", "Value"}


def _model():
    return (
        botocore.session.get_session().get_service_model("sagemaker").operation_model("CreateProcessingJob").input_shape
    )


def _class_of(annotation: typing.Any) -> type | None:
    """The dataclass in an annotation such as `Sequence[Tag] | None`."""
    if dataclasses.is_dataclass(annotation):
        return annotation
    return next((found for each in typing.get_args(annotation) if (found := _class_of(each))), None)


def _pairs(
    ours: type = pj.Job, shape=None, path: str = ""
) -> Iterator[tuple[str, type, dataclasses.Field | None, object, bool]]:
    """(path, our class, our field or None, botocore's shape, required) for every member of the request."""
    shape = shape or _model()
    named = {each.metadata["api"]: each for each in dataclasses.fields(ours)}
    types = typing.get_type_hints(ours, vars(fields))
    for name, member in shape.members.items():
        if name in GIVEN_BY_THE_TASK | READ_ONLY:
            continue
        here = f"{path}.{name}".lstrip(".")
        field = named.pop(name, None)
        yield here, ours, field, member, name in shape.required_members
        inner = member.member if member.type_name == "list" else member
        if field is not None and inner.type_name == "structure":
            nested = _class_of(types[field.name])
            assert nested is not None, f"{here} is untyped"
            yield from _pairs(nested, inner, here)
    assert not named, f"{path}: {sorted(named)} are no fields of the API"


@pytest.mark.parametrize(
    ("path", "ours", "field", "shape", "required"), [pytest.param(*each, id=each[0]) for each in _pairs()]
)
def test_every_field_of_the_api_is_there_with_its_limits(path, ours, field, shape, required) -> None:
    assert field is not None, f"{ours.__name__} lacks {path}"
    assert not (required and field.default is None), "the API requires it"
    assert required or field.default is not dataclasses.MISSING, "the API doesn't require it"
    limits = field.metadata["limits"]
    _same_limits(shape, limits, path)
    if shape.type_name == "list":
        _same_limits(shape.member, limits.get("each", {}), f"{path}[]")
    elif shape.type_name == "map":
        _same_limits(shape.key, limits.get("keys", {}), f"{path} keys")
        _same_limits(shape.value, limits.get("each", {}), f"{path} values")


def _same_limits(shape, limits: dict, path: str) -> None:
    model = shape.metadata
    lowest = model.get("min", 0)
    # A text of at least 0 characters is any text.
    assert limits.get("low", 0) == lowest, path
    assert limits.get("high") == model.get("max"), path
    if "enum" in model and not shape.name.endswith("InstanceType"):
        assert set(limits["choices"]) == set(model["enum"]), path
    pattern = model.get("pattern")
    if pattern and pattern not in WITHOUT_PATTERN and path.rpartition(".")[2] not in OTHER_DIALECT:
        assert limits["pattern"] == pattern.replace("\\-", r"\-"), path


def test_every_instance_type_that_the_api_knows_fits_our_pattern() -> None:
    types = botocore.session.get_session().get_service_model("sagemaker").shape_for("ProcessingInstanceType").enum
    bad = [each for each in types if problems_of(_job(processing_resources=_cluster(instance_type=each)))]
    assert len(types) > 50
    assert bad == []


def _cluster(**fields) -> pj.ProcessingResources:
    return pj.ProcessingResources(pj.ClusterConfig(**{"volume_size_in_gb": 30, **fields}))


def _job(**fields) -> pj.Job:
    return pj.Job(
        **{
            "app_specification": pj.AppSpecification("image"),
            "processing_resources": _cluster(instance_type="ml.m5.large"),
            **fields,
        }
    )


def test_a_sound_job_has_no_problems() -> None:
    assert problems_of(_job()) == []


def test_everything_beyond_a_limit_is_said_at_once() -> None:
    long = "x" * 257
    job = _job(
        app_specification=pj.AppSpecification("i" * 256, container_arguments=["ok", long], container_entrypoint=[]),
        processing_resources=_cluster(volume_size_in_gb=16385, instance_type="m5.large", instance_count=0),
        processing_inputs=[
            pj.ProcessingInput("a", s3_input=pj.S3Input("/no/uri", "/data", s3_data_type="Folder")),
            pj.ProcessingInput("a", s3_input=pj.S3Input("s3://b/k", s3_compression_type="Gzip")),
            pj.ProcessingInput("nothing"),
            *[pj.ProcessingInput(f"n{i}", s3_input=pj.S3Input("s3://b/k", "/opt/ml/processing/n")) for i in range(8)],
        ],
        processing_output_config=pj.ProcessingOutputConfig(
            [pj.ProcessingOutput("o", feature_store_output=pj.FeatureStoreOutput("-bad"))]
        ),
        environment={"1BAD": "v", "GOOD": long, **{f"K{i}": "v" for i in range(100)}},
        stopping_condition=pj.StoppingCondition(777601),
        network_config=pj.NetworkConfig(vpc_config=pj.VpcConfig(["sg-1"] * 6, [])),
        experiment_config=pj.ExperimentConfig(trial_name="no spaces"),
        tags=[pj.Tag("k", "v"), pj.Tag("k", long)],
    )
    found = problems_of(job)
    for expected in (
        "app_specification.image_uri: 256 characters is above 255",
        "app_specification.container_entrypoint: 0 entries is below 1",
        "app_specification.container_arguments[1]: 257 characters is above 256",
        "processing_resources.cluster_config.volume_size_in_gb: 16385 is above 16384",
        "processing_resources.cluster_config.instance_count: 0 is below 1",
        "processing_inputs: 11 entries is above 10",
        "processing_inputs[0].s3_input: local_path '/data' is not below /opt/ml/processing/",
        "processing_inputs[0].s3_input.s3_data_type: 'Folder' is none of ManifestFile, S3Prefix",
        "processing_inputs[1].s3_input: s3_compression_type Gzip works with s3_input_mode Pipe only",
        "processing_inputs[2]: needs exactly one of s3_input, dataset_definition (found none)",
        "processing_inputs: 'a' appears 2 times",
        "processing_output_config.outputs[0]: a feature_store_output needs app_managed=True",
        "environment: 102 entries is above 100",
        "environment['GOOD']: 257 characters is above 256",
        "stopping_condition.max_runtime_in_seconds: 777601 is above 777600",
        "network_config.vpc_config.security_group_ids: 6 entries is above 5",
        "network_config.vpc_config.subnets: 0 entries is below 1",
        "tags[1].value: 257 characters is above 256",
        "tags: 'k' appears 2 times",
    ):
        assert expected in found
    for beginning in (
        "processing_resources.cluster_config.instance_type: 'm5.large' does not match",
        "processing_inputs[0].s3_input.s3_uri: '/no/uri' does not match",
        "processing_inputs[1]: needs a local_path",
        "processing_output_config.outputs[0].feature_store_output.feature_group_name: '-bad'",
        "environment key '1BAD': '1BAD' does not match",
        "experiment_config.trial_name: 'no spaces' does not match",
    ):
        assert any(each.startswith(beginning) for each in found), beginning


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"instance_count": "4"}, "processing_resources.cluster_config.instance_count: '4' is no whole number"),
        ({"volume_size_in_gb": 30.5}, "processing_resources.cluster_config.volume_size_in_gb: 30.5 is no whole number"),
        ({"volume_size_in_gb": True}, "processing_resources.cluster_config.volume_size_in_gb: True is no whole number"),
        ({"environment": {"ZOOM": 12}}, "environment['ZOOM']: 12 is no text"),
        ({"environment": ["ZOOM=12"]}, "environment: ['ZOOM=12'] is no mapping"),
        ({"app_specification": "image"}, "app_specification: 'image' is no AppSpecification"),
        (
            {"app_specification": pj.AppSpecification("image", container_entrypoint="python3")},
            "app_specification.container_entrypoint: 'python3' is no list",
        ),
        (
            {"app_specification": pj.AppSpecification("image", container_arguments=["--zoom", 12])},
            "app_specification.container_arguments[1]: 12 is no text",
        ),
        ({"tags": [{"Key": "k", "Value": "v"}]}, "tags[0]: {'Key': 'k', 'Value': 'v'} is no Tag"),
        (
            {"network_config": pj.NetworkConfig(enable_network_isolation="yes")},
            "network_config.enable_network_isolation: 'yes' is no True or False",
        ),
    ],
)
def test_a_value_of_another_kind_than_the_apis_is_refused(wrong: dict, sentence: str) -> None:
    cluster = {key: wrong.pop(key) for key in ("instance_count", "volume_size_in_gb") if key in wrong}
    resources = _cluster(instance_type="ml.m5.large", **cluster)
    assert problems_of(_job(**{"processing_resources": resources, **wrong})) == [sentence]


@pytest.mark.parametrize(
    ("cluster", "sentence"),
    [
        ({}, "needs exactly one of instance_type, instance_preferences (found none)"),
        (
            {"instance_type": "ml.m5.large", "instance_preferences": [pj.InstancePreference("ml.m5.large")]},
            "needs exactly one of instance_type, instance_preferences (found instance_type and instance_preferences)",
        ),
        (
            {"instance_preferences": [pj.InstancePreference("ml.m5.large"), pj.InstancePreference("ml.m5.large")]},
            "instance_preferences: ml.m5.large appears 2 times",
        ),
        (
            {"instance_count": 2, "instance_preferences": [pj.InstancePreference("ml.m5.large", 2)]},
            "instance_count belongs either on every preference or on the cluster",
        ),
    ],
)
def test_instance_type_and_preferences_are_held_to_the_apis_rules(cluster: dict, sentence: str) -> None:
    found = problems_of(_job(processing_resources=_cluster(**cluster)))
    assert found == [f"processing_resources.cluster_config: {sentence}"]


def test_expressions_and_tokens_are_left_for_later() -> None:
    import aws_cdk as cdk

    later = "{% $plan.anything %}"
    job = _job(
        app_specification=pj.AppSpecification(later, container_arguments=["{% '" + "x" * 300 + "' %}", later]),
        processing_resources=_cluster(instance_type=later, instance_count=later, volume_size_in_gb=later),
        processing_inputs=[pj.ProcessingInput("a", s3_input=pj.S3Input(cdk.Aws.STACK_ID, later))],
        stopping_condition=pj.StoppingCondition(cdk.Token.as_number({"Ref": "Limit"})),
        environment={"KEY": later},
    )
    assert problems_of(job) == []


def test_rendering_gives_the_request_in_the_apis_words() -> None:
    job = _job(
        processing_inputs=[
            pj.ProcessingInput("q", dataset_definition=pj.DatasetDefinition(local_path="/opt/ml/processing/q"))
        ],
        network_config=pj.NetworkConfig(enable_network_isolation=False),
        tags=[pj.Tag("k", "v")],
    )
    assert fields.render(job) == {
        "AppSpecification": {"ImageUri": "image"},
        "ProcessingResources": {"ClusterConfig": {"VolumeSizeInGB": 30, "InstanceType": "ml.m5.large"}},
        "ProcessingInputs": [{"InputName": "q", "DatasetDefinition": {"LocalPath": "/opt/ml/processing/q"}}],
        "NetworkConfig": {"EnableNetworkIsolation": False},
        "Tags": [{"Key": "k", "Value": "v"}],
    }
