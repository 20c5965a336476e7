"""What is wrong with a definition's processing beyond single values: contradictions, and files that it names."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from geocadence.definition.arguments import EVALUATED, argument_problems, is_evaluated, render_arguments
from geocadence.definition.channels import channel_problems, instance_problems
from geocadence.definition.files import (
    BUILT_IN_OF_SCENES,
    BUILT_IN_SCRIPTS,
    UnusableFile,
    files_to_ship,
    find_file,
    find_script,
    is_built_in_of_scenes,
)
from geocadence.definition.model import Limits
from geocadence.definition.plain import Finding, at
from geocadence.definition.processing import Processing
from geocadence.definition.requirements import UnusableRequirements, read_requirements

# CreateProcessingJob's environment holds 100 entries; GEOCADENCE_RUN_ID and GEOCADENCE_PIPELINE are among them.
_MAX_ENVIRONMENT = 98
_MAX_ENVIRONMENT_LENGTH = 256
# GDAL's, for all that opens s3:// by it: https://gdal.org/en/stable/user/virtual_file_systems.html#vsis3
_PAYER = "AWS_REQUEST_PAYER"
# By which SDKs (https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html) and GDAL take credentials, or
# learn where they are. What else begins with AWS_ is how requests are made, and the script's own business.
_CREDENTIALS = re.compile(
    "AWS_.*(ACCESS_KEY|TOKEN|CREDENTIAL|PROFILE|ROLE_|CONFIG_FILE|CONTAINER_|METADATA|IMDS|LOGIN_|ACCOUNT_ID$)"
)


def job_problems(data: dict[str, Any], *, folder: Path, root: Path) -> Iterator[Finding]:
    """`folder` holds the definition."""
    yield from _script(data, folder, root)
    yield from _requirements(data, folder, root)
    processing = at(data, "processing", kind=dict, default={}) or {}
    yield from channel_problems(processing, folder=folder, root=root)
    yield from instance_problems(processing)
    yield from _more_instances_than_scenes(data)
    yield from _each_instance_makes_all(data, folder, root)
    yield from _scenes_and_products(data, folder, root)
    yield from _arguments(data)
    yield from _built_in_arguments(data, folder, root)
    yield from _built_in_folders(data, folder, root)
    yield from _environment(data)


def _script(data: dict[str, Any], folder: Path, root: Path) -> Iterator[Finding]:
    script = at(data, "processing", "script", kind=str)
    if not script:
        return
    key = ("processing", "script")
    entry = at(data, "processing", "entry", kind=str, default=Processing.model_fields["entry"].default)
    path = find_script(script, folder=folder, root=root)
    if path is None:
        built_in = sorted(p.stem for p in (root / BUILT_IN_SCRIPTS).glob("*.py") if not p.stem.startswith("_"))
        choice = f"a built-in script: {', '.join(built_in)}; or " if built_in else ""
        yield key, f"{script} is not there (expected {choice}a path relative to the definition or to the project)"
    elif path.is_dir() and entry and entry.endswith(".py") and not (path / entry).is_file():
        yield key, f"{script} has no {entry} (a folder is started by its __main__.py, or name another file as entry)"
    elif path.is_file() and path.suffix != ".py":
        yield key, f"{script} is no Python file (expected a .py file or a folder)"
    elif path.is_file() and "entry" in data["processing"]:
        yield ("processing", "entry"), f"makes no sense here: {script} is one file (leave the key out)"
    elif path.is_dir():
        try:
            names = {name for name, _ in files_to_ship(path, root=root)}
        except UnusableFile as error:
            yield key, f"can't travel to a job: {error}"
            return
        if entry and entry.endswith(".py") and PurePosixPath(entry).as_posix() not in names:
            yield (
                ("processing", "entry"),
                f"{entry} does not travel to a job (name a file of {script} by its path in there, without .., hidden "
                "folders and Python's caches)",
            )


def _requirements(data: dict[str, Any], folder: Path, root: Path) -> Iterator[Finding]:
    key = ("processing", "requirements")
    name = at(data, *key, kind=str)
    if not name:
        return
    path = find_file(name, folder=folder, root=root)
    if path is None:
        yield (
            key,
            f"{name} is not there (expected a requirements file, relative to the definition or to the project)",
        )
        return
    try:
        read_requirements(path)
    except UnusableRequirements as error:
        yield key, str(error)


def _more_instances_than_scenes(data: dict[str, Any]) -> Iterator[Finding]:
    default = Processing.model_fields["instance_count"].default
    instances = at(data, "processing", "instance_count", kind=int, default=default)
    distribution = at(data, "processing", "distribution", kind=str, default="ShardedByS3Key")
    scenes = at(data, "limits", "scenes_per_job", kind=int, default=Limits.model_fields["scenes_per_job"].default)
    source = at(data, "source", kind=dict, default={}) or {}
    has_scenes = "stac" in source or "items" in source
    if has_scenes and instances and scenes and distribution == "ShardedByS3Key" and 100 >= instances > scenes > 0:
        yield (
            ("processing", "instance_count"),
            f"{instances} is above limits.scenes_per_job, {scenes} "
            "(an instance without a scene is paid for nothing: take fewer instances or more scenes a job)",
        )


def _each_instance_makes_all(data: dict[str, Any], folder: Path, root: Path) -> Iterator[Finding]:
    processing = at(data, "processing", kind=dict, default={}) or {}
    instances = at(processing, "instance_count", kind=int, default=1)
    script = at(processing, "script", kind=str)
    if processing.get("distribution") != "FullyReplicated" or not instances or instances < 2 or not script:
        return
    built_in = is_built_in_of_scenes(script, folder=folder, root=root)
    if built_in or _has_products_of_files(processing):
        yield (
            ("processing", "distribution"),
            f"FullyReplicated gives each of {instances} instances every scene, and "
            f"{BUILT_IN_OF_SCENES if built_in else script} would make every product as often (take ShardedByS3Key, or "
            "one instance)",
        )


def _scenes_and_products(data: dict[str, Any], folder: Path, root: Path) -> Iterator[Finding]:
    """How scenes are handed out, and by what a product is told."""
    processing = at(data, "processing", kind=dict, default={}) or {}
    source = at(data, "source", kind=dict, default={}) or {}
    kind = next((kind for kind in ("prefix", "manifest") if kind in source), None)
    script = at(processing, "script", kind=str) or ""
    built_in = bool(script) and is_built_in_of_scenes(script, folder=folder, root=root)
    for name, value, why in (
        ("scene_format", "search-result", "reads STAC Items, and search results tell nothing of offsets"),
        ("products", "files", "leaves an Item with each product itself"),
    ):
        given = at(processing, name, kind=str)
        if given is not None and kind is not None:
            yield (
                ("processing", name),
                f"makes no sense here: the objects of a {kind} are no scenes, and the script gets them as they are "
                "(leave the key out, or take stac or items as source)",
            )
        elif given == value and built_in:
            yield ("processing", name), f"{value} makes no sense here: {BUILT_IN_OF_SCENES} {why} (leave the key out)"
    if _has_products_of_files(processing) and processing.get("upload") == "Continuous":
        yield (
            ("processing", "upload"),
            "Continuous uploads files before they are in their scene's folder, where they would stay for good (take "
            "EndOfJob, or leave the key out)",
        )


def _has_products_of_files(processing: dict[str, Any]) -> bool:
    default = "files" if processing.get("scene_format") == "search-result" else "items"
    return (processing.get("products") or default) == "files"


def _arguments(data: dict[str, Any]) -> Iterator[Finding]:
    arguments = at(data, "processing", "arguments", kind=(dict, list), default={})
    for name, sentence in argument_problems(arguments or {}):
        yield ("processing", "arguments", *([name] if name is not None else [])), sentence


def _built_in_arguments(data: dict[str, Any], folder: Path, root: Path) -> Iterator[Finding]:
    """What the built-in script itself says of its arguments: it knows them best, and tells by `--check`."""
    name = at(data, "processing", "script", kind=str)
    arguments = at(data, "processing", "arguments", kind=(dict, list), default={}) or {}
    # Scripts of others may lie beside it; they know no --check, and would do their work.
    if not name or not is_built_in_of_scenes(name, folder=folder, root=root) or any(argument_problems(arguments)):
        return
    if isinstance(arguments, list):
        yield (
            ("processing", "arguments"),
            f"are a list, and {BUILT_IN_OF_SCENES} is told by name (expected a mapping, e.g. indices: [NDVI])",
        )
        return
    for reserved in ("check", "help", "input", "output"):
        if render_arguments({reserved: arguments.get(reserved)}):
            yield (
                ("processing", "arguments", reserved),
                "is not for a definition (leave it out: a job sets its folders)",
            )
    script = root / BUILT_IN_SCRIPTS / f"{BUILT_IN_OF_SCENES}.py"
    command = [sys.executable, str(script), *render_arguments(arguments), "--check"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        yield ("processing", "arguments"), f"could not be put before {BUILT_IN_OF_SCENES}: {error}"
        return
    if told.returncode:
        said = told.stderr.strip().rpartition("error: ")[2]
        yield ("processing", "arguments"), f"{BUILT_IN_OF_SCENES} refuses them: {said}"


def _built_in_folders(data: dict[str, Any], folder: Path, root: Path) -> Iterator[Finding]:
    processing = at(data, "processing", kind=dict, default={}) or {}
    script = at(processing, "script", kind=str) or ""
    for key in ("input_path", "output_path"):
        if key in processing and script and is_built_in_of_scenes(script, folder=folder, root=root):
            yield (
                ("processing", key),
                f"makes no sense here: {BUILT_IN_OF_SCENES} knows its folders (leave the key out)",
            )


def _environment(data: dict[str, Any]) -> Iterator[Finding]:
    key = ("processing", "environment")
    environment = at(data, *key, kind=dict, default={}) or {}
    if len(environment) > _MAX_ENVIRONMENT:
        yield key, f"has {len(environment)} entries (a job takes {_MAX_ENVIRONMENT} beside our own two)"
    for name, value in environment.items():
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name):
            yield (*key, name), "is no environment variable's name (expected letters, digits and _, no digit first)"
        elif name == _PAYER and value != "requester":
            yield (*key, name), f"{value} is unknown (expected requester, of buckets whose requester pays)"
        elif name.startswith("GEOCADENCE_"):
            yield (*key, name), "is reserved (names with GEOCADENCE_ are set by Geocadence; take another one)"
        elif name == "SAGEMAKER_BASE_DIR":
            yield (*key, name), "says where /opt/ml is, which is the job's own business (leave it out)"
        elif _CREDENTIALS.match(name):
            told = "would keep the script from the credentials of the job's role"
            yield (*key, name), f"{told} (leave it out: access says what it may)"
        elif name == "AWS_REGION":
            yield (*key, name), "is the job's own region (for clients of another one take AWS_DEFAULT_REGION)"
        elif len(name) > _MAX_ENVIRONMENT_LENGTH or (isinstance(value, str) and len(value) > _MAX_ENVIRONMENT_LENGTH):
            yield (*key, name), f"is longer than {_MAX_ENVIRONMENT_LENGTH} characters (a job takes no more; use a file)"
        elif isinstance(value, str) and is_evaluated(value):
            yield (*key, name), f"is between {{% and %}} {EVALUATED}"
