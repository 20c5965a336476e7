"""Contradictions between the keys of a definition, and between the definition and its files.

The checks read the plain data, not the model, so that they speak up beside other mistakes; values
of the wrong type are the model's to complain about.
"""

from __future__ import annotations

import ipaddress
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from geocadence.catalogue.cql2 import Filter
from geocadence.catalogue.query import OPERATORS
from geocadence.definition.area import read_area
from geocadence.definition.arguments import EVALUATED, argument_problems, is_evaluated, render_arguments
from geocadence.definition.channels import channel_problems, instance_problems
from geocadence.definition.files import (
    BUILT_IN_OF_SCENES,
    BUILT_IN_SCRIPTS,
    find_file,
    find_script,
    is_built_in_of_scenes,
)
from geocadence.definition.items import read_item_collection
from geocadence.definition.model import Limits, Source, StacSource
from geocadence.definition.problems import KeyPath
from geocadence.definition.processing import Processing
from geocadence.definition.timing import timing_problems
from geocadence.durations import Duration

Finding = tuple[KeyPath, str]

# The stage of the local cloud.
LOCAL_STAGE = "local"
# CreateProcessingJob's environment holds 100 entries; GEOCADENCE_RUN_ID and GEOCADENCE_PIPELINE are among them.
_MAX_ENVIRONMENT = 98
_MAX_ENVIRONMENT_LENGTH = 256
# The history of an execution ends at 25,000 events; so many batches leave each a dozen for its states and retries:
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
_MAX_BATCHES = 2000


def contradictions(data: dict[str, Any], *, folder: Path, root: Path) -> Iterator[Finding]:
    """All that is wrong with `data` beyond single values; `folder` holds the definition."""
    yield from _cron_or_rate(data)
    yield from _one_source(data)
    yield from _timing(data)
    yield from _loopback_api(data)
    yield from _query(data)
    yield from _filter(data)
    yield from _area(data, folder, root)
    yield from _items(data, folder, root)
    yield from _script(data, folder, root)
    yield from _requirements(data, folder, root)
    processing = _at(data, "processing", kind=dict, default={}) or {}
    yield from channel_problems(processing, folder=folder, root=root)
    yield from instance_problems(processing)
    yield from _more_instances_than_scenes(data)
    yield from _each_instance_makes_all(data, folder, root)
    yield from _batches(data)
    yield from _arguments(data)
    yield from _built_in_arguments(data, folder, root)
    yield from _environment(data)
    yield from _repeated(data, ("notify", "email"))
    yield from _repeated(data, ("stages",))


def is_loopback(url: str) -> bool:
    """Whether `url` names this very machine."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _at(data: Any, *key: str | int, kind: type | tuple[type, ...], default: Any = None) -> Any:
    """The value at `key` if it has the right type, else `default`."""
    for part in key:
        if not isinstance(data, dict) or part not in data:
            return default
        data = data[part]
    is_bool_as_number = isinstance(data, bool) and kind is int
    return data if isinstance(data, kind) and not is_bool_as_number else None


def _cron_or_rate(data: dict[str, Any]) -> Iterator[Finding]:
    schedule = _at(data, "schedule", kind=dict)
    given = [name for name in ("cron", "rate") if schedule and schedule.get(name) is not None]
    if schedule is not None and len(given) != 1:
        yield ("schedule",), f"needs exactly one of cron and rate (found {'both' if given else 'neither'})"


def _timing(data: dict[str, Any]) -> Iterator[Finding]:
    schedule = _at(data, "schedule", kind=dict) or {}
    cron, rate = (_at(schedule, name, kind=str) for name in ("cron", "rate"))
    if (cron is None) == (rate is None):
        return
    stac = _at(data, "source", "stac", kind=dict)
    default = StacSource.model_fields["lookback"].default
    lookback = _at(stac, "lookback", kind=str, default=str(default)) if stac is not None else None
    try:
        yield from timing_problems(
            cron=cron,
            rate=Duration.parse(rate) if rate is not None else None,
            timezone=_at(schedule, "timezone", kind=str, default="UTC") or "",
            lookback=Duration.parse(lookback) if lookback is not None else None,
        )
    except ValueError:  # a duration that is none, as the model says
        return


def _one_source(data: dict[str, Any]) -> Iterator[Finding]:
    source = _at(data, "source", kind=dict)
    given = [name for name in Source.model_fields if source and source.get(name) is not None]
    if source is not None and len(given) != 1:
        found = " and ".join(given) or "none"
        yield ("source",), f"needs exactly one of {', '.join(Source.model_fields)} (found {found})"


def _loopback_api(data: dict[str, Any]) -> Iterator[Finding]:
    api = _at(data, "source", "stac", "api", kind=str)
    if api and is_loopback(api) and data.get("stages") not in (None, [LOCAL_STAGE]):
        host = urlsplit(api).hostname
        yield (
            ("source", "stac", "api"),
            f"{api} is this machine (no Lambda on AWS reaches {host}: leave `stages` out, or name a public API)",
        )


def _query(data: dict[str, Any]) -> Iterator[Finding]:
    key = ("source", "stac", "query")
    for name, comparisons in (_at(data, *key, kind=dict, default={}) or {}).items():
        for comparison in comparisons if isinstance(comparisons, dict) else {}:
            if comparison not in OPERATORS:
                yield (*key, name, comparison), f"is no comparison (expected one of {', '.join(OPERATORS)})"


def _filter(data: dict[str, Any]) -> Iterator[Finding]:
    key = ("source", "stac", "filter")
    if expression := _at(data, *key, kind=(str, dict)):
        try:
            Filter(expression)
        except ValueError as error:
            yield key, f'{error} (expected e.g. "eo:cloud_cover" < 60)'


def _area(data: dict[str, Any], folder: Path, root: Path) -> Iterator[Finding]:
    area = _at(data, "source", "stac", "area", kind=str)
    if not area:
        return
    key = ("source", "stac", "area")
    path = find_file(area, folder=folder, root=root)
    if path is None:
        yield key, f"{area} is not there (expected a GeoJSON file, relative to the definition or to the project)"
        return
    try:
        read_area(path)
    except ValueError as error:
        yield key, f"{area} {error}"


def _items(data: dict[str, Any], folder: Path, root: Path) -> Iterator[Finding]:
    href = _at(data, "source", "items", "href", kind=str)
    if not href or "://" in href:
        return
    key = ("source", "items", "href")
    path = find_file(href, folder=folder, root=root)
    if path is None:
        yield key, f"{href} is not there (expected an ItemCollection, relative to the definition or to the project)"
        return
    try:
        read_item_collection(path)
    except ValueError as error:
        yield key, f"{href} {error}"


def _script(data: dict[str, Any], folder: Path, root: Path) -> Iterator[Finding]:
    script = _at(data, "processing", "script", kind=str)
    if not script:
        return
    key = ("processing", "script")
    entry = _at(data, "processing", "entry", kind=str, default=Processing.model_fields["entry"].default)
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


def _requirements(data: dict[str, Any], folder: Path, root: Path) -> Iterator[Finding]:
    name = _at(data, "processing", "requirements", kind=str)
    if name and find_file(name, folder=folder, root=root) is None:
        yield (
            ("processing", "requirements"),
            f"{name} is not there (expected a requirements file, relative to the definition or to the project)",
        )


def _more_instances_than_scenes(data: dict[str, Any]) -> Iterator[Finding]:
    default = Processing.model_fields["instance_count"].default
    instances = _at(data, "processing", "instance_count", kind=int, default=default)
    distribution = _at(data, "processing", "distribution", kind=str, default="ShardedByS3Key")
    scenes = _at(data, "limits", "scenes_per_job", kind=int, default=Limits.model_fields["scenes_per_job"].default)
    source = _at(data, "source", kind=dict, default={}) or {}
    has_scenes = "stac" in source or "items" in source
    if has_scenes and instances and scenes and distribution == "ShardedByS3Key" and 100 >= instances > scenes > 0:
        yield (
            ("processing", "instance_count"),
            f"{instances} is above limits.scenes_per_job, {scenes} "
            "(an instance without a scene is paid for nothing: take fewer instances or more scenes a job)",
        )


def _each_instance_makes_all(data: dict[str, Any], folder: Path, root: Path) -> Iterator[Finding]:
    processing = _at(data, "processing", kind=dict, default={}) or {}
    instances = _at(processing, "instance_count", kind=int, default=1)
    script = _at(processing, "script", kind=str)
    if processing.get("distribution") != "FullyReplicated" or not instances or instances < 2 or not script:
        return
    if is_built_in_of_scenes(script, folder=folder, root=root):
        yield (
            ("processing", "distribution"),
            f"FullyReplicated gives each of {instances} instances every scene, and {BUILT_IN_OF_SCENES} would make "
            "every product as often (take ShardedByS3Key, or one instance)",
        )


def _batches(data: dict[str, Any]) -> Iterator[Finding]:
    defaults = {name: field.default for name, field in Limits.model_fields.items()}
    in_run, in_job = (
        _at(data, "limits", name, kind=int, default=defaults[name]) for name in ("max_scenes_per_run", "scenes_per_job")
    )
    if in_run and in_job and in_job > 0 and (batches := -(-in_run // in_job)) > _MAX_BATCHES:
        yield (
            ("limits", "max_scenes_per_run"),
            f"{in_run} scenes in jobs of {in_job} make {batches} jobs, above {_MAX_BATCHES} (the history of a Step "
            "Functions execution ends at 25,000 events: take more scenes a job or fewer a run)",
        )


def _arguments(data: dict[str, Any]) -> Iterator[Finding]:
    arguments = _at(data, "processing", "arguments", kind=dict, default={})
    for name, sentence in argument_problems(arguments or {}):
        yield ("processing", "arguments", *([name] if name is not None else [])), sentence


def _built_in_arguments(data: dict[str, Any], folder: Path, root: Path) -> Iterator[Finding]:
    """What the built-in script itself says of its arguments: it knows them best, and tells by `--check`."""
    name = _at(data, "processing", "script", kind=str)
    arguments = _at(data, "processing", "arguments", kind=dict, default={}) or {}
    # Scripts of others may lie beside it; they know no --check, and would do their work.
    if not name or not is_built_in_of_scenes(name, folder=folder, root=root) or any(argument_problems(arguments)):
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


def _environment(data: dict[str, Any]) -> Iterator[Finding]:
    key = ("processing", "environment")
    environment = _at(data, *key, kind=dict, default={}) or {}
    if len(environment) > _MAX_ENVIRONMENT:
        yield key, f"has {len(environment)} entries (a job takes {_MAX_ENVIRONMENT} beside our own two)"
    for name, value in environment.items():
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name):
            yield (*key, name), "is no environment variable's name (expected letters, digits and _, no digit first)"
        elif name.startswith(("GEOCADENCE_", "AWS_")):
            prefix = name.split("_")[0] + "_"
            yield (*key, name), f"is reserved (names with {prefix} are set by Geocadence and AWS; take another one)"
        elif len(name) > _MAX_ENVIRONMENT_LENGTH or (isinstance(value, str) and len(value) > _MAX_ENVIRONMENT_LENGTH):
            yield (*key, name), f"is longer than {_MAX_ENVIRONMENT_LENGTH} characters (a job takes no more; use a file)"
        elif isinstance(value, str) and is_evaluated(value):
            yield (*key, name), f"is between {{% and %}} {EVALUATED}"


def _repeated(data: dict[str, Any], key: KeyPath) -> Iterator[Finding]:
    values = _at(data, *key, kind=list, default=[]) or []
    for n, value in enumerate(values):
        if isinstance(value, str) and value in values[:n]:
            yield (*key, n), f"{value} is there twice (keep one of them)"
