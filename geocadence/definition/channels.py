"""What may not be in a definition's own inputs and outputs of the job, and of its instances."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from geocadence.definition.files import find_file
from geocadence.definition.plain import Finding

CODE = "/opt/ml/processing/code"
INPUT = "/opt/ml/processing/input_data"
OUTPUT = "/opt/ml/processing/output_data"
# CreateProcessingJob takes 10 of each; the code and the scenes are inputs, the products an output.
_MOST = {"inputs": (8, "the code and the input_data are two of a job's 10"), "outputs": (9, "output_data is one of 10")}
_RESERVED = {"code": CODE, "input_data": INPUT, "output_data": OUTPUT}


def folder_of(name: str, path: str | None) -> str:
    """Where an input or output lies in the container."""
    return (path or f"/opt/ml/processing/{name}").rstrip("/")


def channel_problems(processing: dict[str, Any], *, folder: Path, root: Path) -> Iterator[Finding]:
    """What is wrong with the plain data of `processing.inputs` and `processing.outputs`."""
    taken = {path: f"{name} has it" for name, path in _RESERVED.items()}
    for kind, (most, why) in _MOST.items():
        channels = processing.get(kind)
        if not isinstance(channels, dict):
            continue
        if len(channels) > most:
            yield ("processing", kind), f"are {len(channels)}, above {most} ({why})"
        for name, given in channels.items():
            key = ("processing", kind, name)
            if name in _RESERVED or (kind == "outputs" and name == "runs"):
                yield key, "is a name that Geocadence uses itself (take another one)"
                continue
            given = given if isinstance(given, dict) else {}
            path = given.get("path")
            here = folder_of(name, path if isinstance(path, str) else None)
            for other, whose in taken.items():
                if _overlap(here, other):
                    yield (*key, "path") if path else key, f"{here} lies in or around {other} ({whose}: take another)"
            taken[here] = f"{kind}.{name} has it"
            file = given.get("file")
            if isinstance(file, str) and file and find_file(file, folder=folder, root=root) is None:
                yield (
                    (*key, "file"),
                    f"{file} is not there (expected a file, beside the definition or in the project)",
                )


def instance_problems(processing: dict[str, Any]) -> Iterator[Finding]:
    """What is wrong with `processing.instance_preferences` beside single values."""
    preferences = processing.get("instance_preferences")
    if not isinstance(preferences, list):
        return
    key = ("processing", "instance_preferences")
    if "instance_type" in processing:
        yield key, "and instance_type exclude each other (put the type first in the list)"
    for n, each in enumerate(preferences):
        if each in preferences[:n]:
            yield (*key, n), f"{each} is there twice (keep one of them)"


def _overlap(one: str, other: str) -> bool:
    first, second = PurePosixPath(one), PurePosixPath(other)
    return first.is_relative_to(second) or second.is_relative_to(first)
