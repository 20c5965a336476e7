"""What may not be in a definition's own inputs and outputs of the job, and of its instances."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from geocadence.definition.files import find_file
from geocadence.definition.plain import Finding
from geocadence.definition.problems import KeyPath
from geocadence.definition.processing import Processing

CODE = "/opt/ml/processing/code"
# CreateProcessingJob takes 10 of each; the code and the scenes are inputs, the products an output.
_MOST = {"inputs": (8, "the code and the input_data are two of a job's 10"), "outputs": (9, "output_data is one of 10")}
# A job's own two channels: the key that moves each one's folder, which is called like the channel where it is left out.
_OWN = {"input_data": "input_path", "output_data": "output_path"}


def input_folder(processing: Processing) -> str:
    """Where a job finds its scenes or objects."""
    return folder_of("input_data", processing.input_path)


def output_folder(processing: Processing) -> str:
    """Where a job's products are left."""
    return folder_of("output_data", processing.output_path)


def folder_of(name: str, path: str | None) -> str:
    """Where an input or output lies in the container."""
    return (path or f"/opt/ml/processing/{name}").rstrip("/")


def channel_problems(processing: dict[str, Any], *, folder: Path, root: Path) -> Iterator[Finding]:
    """What is wrong with the plain data of `processing.inputs` and `processing.outputs`."""
    taken = {CODE: "code has it"}
    # What is given last, so that it is what gets named.
    for name, moved_by in sorted(_OWN.items(), key=lambda own: own[1] in processing):
        path = processing.get(moved_by)
        here = folder_of(name, path if isinstance(path, str) else None)
        yield from _overlaps(("processing", moved_by), here, taken)
        taken[here] = f"{name} has it"
    for kind, (most, why) in _MOST.items():
        channels = processing.get(kind)
        if not isinstance(channels, dict):
            continue
        if len(channels) > most:
            yield ("processing", kind), f"are {len(channels)}, above {most} ({why})"
        for name, given in channels.items():
            key = ("processing", kind, name)
            if name == "code" or name in _OWN or (kind == "outputs" and name == "runs"):
                yield key, "is a name that Geocadence uses itself (take another one)"
                continue
            given = given if isinstance(given, dict) else {}
            path = given.get("path")
            here = folder_of(name, path if isinstance(path, str) else None)
            yield from _overlaps((*key, "path") if path else key, here, taken)
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


def _overlaps(key: KeyPath, here: str, taken: dict[str, str]) -> Iterator[Finding]:
    for other, whose in taken.items():
        if _overlap(here, other):
            yield key, f"{here} lies in or around {other} ({whose}: take another)"


def _overlap(one: str, other: str) -> bool:
    first, second = PurePosixPath(one), PurePosixPath(other)
    return first.is_relative_to(second) or second.is_relative_to(first)
