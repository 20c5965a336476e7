"""The definition that a pipeline was deployed with, held against the file here: what runs is what is deployed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from geocadence.bucket import Bucket
from geocadence.definition import Definition
from geocadence.deployed_job import deployed_job
from geocadence.layout import split_s3_uri
from geocadence.target import Target

# What a resolved definition holds beside its own keys, as a person would call it.
_CONTENTS = {
    "processing.code_digest": "the script's code",
    "processing.files_digest": "the files of processing.inputs",
    "processing.image_digest": "what the image is built from",
    "source.stac.geometry": "the area",
    "source.items.geometry": "the area",
    "source.items.collection": "the items",
}
# Follows from the others.
_DERIVED = ("processing.most_instances",)


def differences(target: Target, definition: Definition) -> list[str]:
    """Where the deployed pipeline of this name departs from `definition`; TargetError where none is deployed.

    Raises ClientError, BotoCoreError: the deployed one can't be read.
    """
    function = deployed_job(target, definition.name).plan
    settings = target.client("lambda").get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    bucket, key = split_s3_uri(settings["DEFINITION"])
    deployed = Bucket(target.client("s3"), bucket).read_json(key)
    return list(_departures(deployed, json.loads(json.dumps(definition.resolved()))))


def noted_differences(target: Target, definition: Definition) -> list[str]:
    """The same, for a note: nothing where it can't be told, since who may run a pipeline need not read its parts."""
    try:
        return differences(target, definition)
    except (ClientError, BotoCoreError):
        return []


def _departures(there: Any, here: Any, key: str = "") -> Iterator[str]:
    """Keys down to those of a section; of a source's, one further."""
    if there == here or key in _DERIVED:
        return
    depth = 3 if key.startswith("source") else 2
    is_section = isinstance(there, dict) and isinstance(here, dict) and len(key.split(".")) * bool(key) < depth
    if not is_section:
        yield _CONTENTS.get(key, key)
        return
    for name in sorted(there.keys() | here.keys()):
        if name not in there and not here[name]:
            # New since the deployment, and not made use of.
            continue
        yield from _departures(there.get(name), here.get(name), f"{key}.{name}".lstrip("."))
