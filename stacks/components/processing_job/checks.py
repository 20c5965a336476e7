"""Holds a job against CreateProcessingJob's limits when the template is made, not when the run starts.

What is only known later, a JSONata expression or a CDK token, is passed over.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from aws_cdk import Token

from .fields import ClusterConfig, DatasetDefinition, Job, ProcessingInput, ProcessingOutput, S3Input, S3Output

LOCAL_ROOT = "/opt/ml/processing/"


class InvalidJob(ValueError):
    """A job that CreateProcessingJob would refuse; `problems` holds every reason."""

    def __init__(self, where: str, problems: list[str]):
        self.problems = problems
        super().__init__(f"{where} is no valid processing job:\n" + "\n".join(f"  - {each}" for each in problems))


def problems_of(job: Job) -> list[str]:
    """Everything that is wrong with `job`, each as a path and a sentence.

    Values of another kind than the API's are told first: nothing else can be said of them.
    """
    return [*_of_another_kind(job, "")] or [*_walk(job, ""), *_names_twice(job)]


def is_known_later(value: Any) -> bool:
    """Whether the state or the deployment, not the template, decides what `value` is."""
    if isinstance(value, str) and value.startswith("{%") and value.endswith("%}"):
        return True
    return isinstance(value, (str, int, float)) and Token.is_unresolved(value)


def _walk(value: Any, path: str) -> Iterator[str]:
    for each in fields(value):
        held = getattr(value, each.name)
        if held is None:
            continue
        here = f"{path}.{each.name}" if path else each.name
        yield from _held(held, each.metadata["limits"], here)
    for relation in _RELATIONS.get(type(value), ()):
        yield from (f"{path}: {sentence}" for sentence in relation(value))


def _held(value: Any, limits: Mapping[str, Any], path: str) -> Iterator[str]:
    if is_known_later(value):
        return
    if is_dataclass(value):
        yield from _walk(value, path)
        return
    yield from (f"{path}: {sentence}" for sentence in _beyond(value, limits))
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _held(key, limits.get("keys", {}), f"{path} key {key!r}")
            yield from _held(each, limits.get("each", {}), f"{path}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            yield from _held(each, limits.get("each", {}), f"{path}[{index}]")


def _of_another_kind(value: Any, path: str) -> Iterator[str]:
    for each in fields(value):
        held = getattr(value, each.name)
        if held is not None:
            # `Mapping[str, str] | None`: a mapping, its keys, its values.
            yield from _kind(held, f"{path}.{each.name}".lstrip("."), *re.findall(r"\w+", each.type))


def _kind(value: Any, path: str, kind: str, *inner: str) -> Iterator[str]:
    if is_known_later(value):
        return
    if not _is_a(kind, value):
        yield f"{path}: {value!r} is no {_CALLED.get(kind, kind)}"
    elif is_dataclass(value):
        yield from _of_another_kind(value, path)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _kind(key, f"{path} key {key!r}", *inner)
            yield from _kind(each, f"{path}[{key!r}]", *inner[1:])
    elif isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            yield from _kind(each, f"{path}[{index}]", *inner)


_CALLED = {"int": "whole number", "bool": "True or False", "str": "text", "Sequence": "list", "Mapping": "mapping"}
_TYPES = {"bool": bool, "str": str, "Sequence": (list, tuple), "Mapping": Mapping}


def _is_a(kind: str, value: Any) -> bool:
    """Whether `value` is of the kind that an annotation begins with: the API takes no "4" for 4, nor 4 for "4"."""
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, _TYPES[kind]) if kind in _TYPES else type(value).__name__ == kind


def _beyond(value: Any, limits: Mapping[str, Any]) -> Iterator[str]:
    if not limits:
        return
    if isinstance(value, int):
        size, what = value, str(value)
    elif isinstance(value, str):
        size, what = len(value), f"{len(value)} characters"
    else:
        size, what = len(value), f"{len(value)} entries"
    if "low" in limits and size < limits["low"]:
        yield f"{what} is below {limits['low']}"
    if "high" in limits and size > limits["high"]:
        yield f"{what} is above {limits['high']}"
    if "choices" in limits and value not in limits["choices"]:
        yield f"{value!r} is none of {', '.join(limits['choices'])}"
    if "pattern" in limits and not re.fullmatch(limits["pattern"], value, re.DOTALL):
        yield f"{value!r} does not match {limits['pattern']}"


def _exactly_one(value: Any, *names: str) -> Iterator[str]:
    given = [name for name in names if getattr(value, name) is not None]
    if len(given) != 1:
        yield f"needs exactly one of {', '.join(names)} (found {' and '.join(given) or 'none'})"


def _input(value: ProcessingInput) -> Iterator[str]:
    yield from _exactly_one(value, "s3_input", "dataset_definition")
    source = value.s3_input or value.dataset_definition
    if source is not None and source.local_path is None and not value.app_managed:
        yield f"needs a local_path below {LOCAL_ROOT} (only an app_managed input may go without)"


def _output(value: ProcessingOutput) -> Iterator[str]:
    yield from _exactly_one(value, "s3_output", "feature_store_output")
    if value.feature_store_output is not None and not value.app_managed:
        yield "a feature_store_output needs app_managed=True"
    if value.s3_output is not None and value.s3_output.local_path is None and not value.app_managed:
        yield f"needs a local_path below {LOCAL_ROOT} (only an app_managed output may go without)"


def _local_path(value: S3Input | S3Output | DatasetDefinition) -> Iterator[str]:
    path = value.local_path
    if path is None or is_known_later(path):
        return
    if not f"{path.rstrip('/')}/".startswith(LOCAL_ROOT) or path.rstrip("/") == LOCAL_ROOT.rstrip("/"):
        yield f"local_path {path!r} is not below {LOCAL_ROOT}"


def _compression(value: S3Input) -> Iterator[str]:
    if value.s3_compression_type == "Gzip" and value.s3_input_mode != "Pipe":
        yield "s3_compression_type Gzip works with s3_input_mode Pipe only"


def _dataset(value: DatasetDefinition) -> Iterator[str]:
    yield from _exactly_one(value, "athena_dataset_definition", "redshift_dataset_definition")


def _cluster(value: ClusterConfig) -> Iterator[str]:
    yield from _exactly_one(value, "instance_type", "instance_preferences")
    preferences = value.instance_preferences
    if preferences is None or is_known_later(preferences):
        return
    for name, count in Counter(each.instance_type for each in preferences).items():
        if count > 1:
            yield f"instance_preferences: {name} appears {count} times"
    with_count = sum(each.instance_count is not None for each in preferences)
    if with_count not in (0, len(preferences)) or (with_count and value.instance_count is not None):
        yield "instance_count belongs either on every preference or on the cluster"


_RELATIONS: Mapping[type, tuple] = {
    ProcessingInput: (_input,),
    ProcessingOutput: (_output,),
    S3Input: (_local_path, _compression),
    S3Output: (_local_path,),
    DatasetDefinition: (_dataset, _local_path),
    ClusterConfig: (_cluster,),
}


def _names_twice(job: Job) -> Iterator[str]:
    outputs = job.processing_output_config.outputs if job.processing_output_config else ()
    for what, names in (
        ("processing_inputs", [each.input_name for each in job.processing_inputs or ()]),
        ("processing_output_config.outputs", [each.output_name for each in outputs]),
        ("tags", [each.key for each in job.tags or ()]),
    ):
        yield from (f"{what}: {name!r} appears {n} times" for name, n in Counter(names).items() if n > 1)
