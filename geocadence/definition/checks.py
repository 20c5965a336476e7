"""Contradictions between the keys of a definition, and between the definition and its files.

The checks read the plain data, not the model, so that they speak up beside other mistakes; values
of the wrong type are the model's to complain about.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from geocadence.definition.job_checks import job_problems
from geocadence.definition.model import Limits, StacSource
from geocadence.definition.plain import Finding, at
from geocadence.definition.problems import KeyPath
from geocadence.definition.source_checks import source_problems
from geocadence.definition.timing import timing_problems
from geocadence.durations import Duration
from geocadence.plan.batches import MOST_BATCHES


def contradictions(data: dict[str, Any], *, folder: Path, root: Path) -> Iterator[Finding]:
    """All that is wrong with `data` beyond single values; `folder` holds the definition."""
    yield from _cron_or_rate(data)
    yield from _timing(data)
    yield from source_problems(data, folder=folder, root=root)
    yield from job_problems(data, folder=folder, root=root)
    yield from _batches(data)
    yield from _repeated(data, ("notify", "email"))
    yield from _repeated(data, ("stages",))


def _cron_or_rate(data: dict[str, Any]) -> Iterator[Finding]:
    schedule = at(data, "schedule", kind=dict)
    given = [name for name in ("cron", "rate") if schedule and schedule.get(name) is not None]
    if schedule is not None and len(given) != 1:
        yield ("schedule",), f"needs exactly one of cron and rate (found {'both' if given else 'neither'})"


def _timing(data: dict[str, Any]) -> Iterator[Finding]:
    schedule = at(data, "schedule", kind=dict) or {}
    cron, rate = (at(schedule, name, kind=str) for name in ("cron", "rate"))
    if (cron is None) == (rate is None):
        return
    stac, items = at(data, "source", "stac", kind=dict), at(data, "source", "items", kind=dict)
    default = StacSource.model_fields["lookback"].default
    lookback = at(stac, "lookback", kind=str, default=str(default)) if stac is not None else None
    if stac is None:
        lookback = at(items, "lookback", kind=str)
    try:
        yield from timing_problems(
            cron=cron,
            rate=Duration.parse(rate) if rate is not None else None,
            timezone=at(schedule, "timezone", kind=str, default="UTC") or "",
            lookback=Duration.parse(lookback) if lookback is not None else None,
            source="stac" if stac is not None else "items",
        )
    except ValueError:  # a duration that is none, as the model says
        return


def _batches(data: dict[str, Any]) -> Iterator[Finding]:
    source = at(data, "source", kind=dict, default={}) or {}
    if "stac" not in source and "items" not in source:
        return
    defaults = {name: field.default for name, field in Limits.model_fields.items()}
    in_run, in_job = (
        at(data, "limits", name, kind=int, default=defaults[name]) for name in ("max_scenes_per_run", "scenes_per_job")
    )
    if in_run and in_job and in_job > 0 and (batches := -(-in_run // in_job)) > MOST_BATCHES:
        yield (
            ("limits", "max_scenes_per_run"),
            f"{in_run} scenes in jobs of {in_job} make {batches} jobs, above {MOST_BATCHES}, the most that one run has "
            "(take more scenes a job or fewer a run)",
        )


def _repeated(data: dict[str, Any], key: KeyPath) -> Iterator[Finding]:
    values = at(data, *key, kind=list, default=[]) or []
    for n, value in enumerate(values):
        if isinstance(value, str) and value in values[:n]:
            yield (*key, n), f"{value} is there twice (keep one of them)"
