"""PlanRun: check the input, discover, decide, write the batches, and the plan last.

Planning a run again writes the same keys and removes what an earlier attempt left, so a retry of
the function is harmless. No processing job exists before the plan does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from geocadence.bucket import Bucket
from geocadence.catalogue.area import Area
from geocadence.catalogue.http import CatalogueRefused
from geocadence.catalogue.item_collection import read_item_collection
from geocadence.catalogue.manifest import check_objects, read_manifest
from geocadence.catalogue.objects import count_objects
from geocadence.catalogue.stac_api import search_stac_api
from geocadence.durations import Duration
from geocadence.execution_input import ExecutionInput, InvalidInput, read_execution_input
from geocadence.instants import format_instant
from geocadence.layout import BATCH_TAGS, RunLayout
from geocadence.plan.batches import cut, instances_of_a_job
from geocadence.plan.decisions import Decision, counts, decide, keep_named, reject_outside, reject_unfit
from geocadence.products import find_products

Item = dict[str, Any]
PLAN_VERSION = 1


@dataclass(frozen=True)
class Sources:
    """How a run finds its input; the functions hand in the real ones, tests their own."""

    read_s3: Callable[[str], bytes | None]
    list_s3: Callable[[str], Iterator[Any]]
    faults_s3: Callable[[Iterable[str]], Mapping[str, str]]  # of these URIs those that can't be read, and why
    region_of_bucket: Callable[[str], str | None]
    region: str | None  # the jobs'
    search_stac_api: Callable[..., Iterator[Item]] = search_stac_api
    read_item_collection: Callable[..., Iterator[Item]] = read_item_collection


@dataclass(frozen=True)
class Run:
    """What PlanRun is told of the run."""

    run_id: str
    execution_arn: str
    started_at: datetime
    input: Any


def plan_run(
    run: Run,
    *,
    definition: dict[str, Any],
    inputs: Bucket,
    outputs: Bucket,
    sources: Sources,
    quota_refusal: Callable[[int], str | None],
    clock: Callable[[], datetime],
) -> dict[str, Any]:
    """The plan of a run, written; the result is what the state machine goes on with.

    `quota_refusal` says why the account's quota does not allow so many instances at a time, if it doesn't.

    Raises InvalidInput where the run can't start as asked or defined, CatalogueUnavailable where
    the source fails.
    """
    kind = next(name for name, source in definition["source"].items() if source is not None)
    stac = definition["source"].get("stac")
    lookback = Duration.parse(stac["lookback"]) if stac else None
    asked = read_execution_input(run.input, started_at=run.started_at, lookback=lookback)
    _refuse_repetition(asked, definition)
    try:
        if kind in ("stac", "items"):
            draft = _plan_scenes(asked, kind, definition, outputs, sources)
        else:
            draft = _plan_objects(asked, kind, definition, sources)
    except CatalogueRefused as error:
        raise InvalidInput(str(error)) from error
    at_a_time = draft.instance_count * min(draft.jobs, definition["limits"]["concurrent_jobs"])
    if at_a_time and (sentence := quota_refusal(at_a_time)) is not None:
        raise InvalidInput(sentence)
    return _write(run, asked, draft, definition, inputs, clock)


def _refuse_repetition(asked: ExecutionInput, definition: dict[str, Any]) -> None:
    """What the definition may not say of the instances (`Definition.most_instances`), a run may not ask for."""
    processing = definition["processing"]
    if asked.instance_count is not None and asked.instance_count > processing["most_instances"]:
        raise InvalidInput(
            f"`instance_count` is {asked.instance_count}, but {processing['distribution']} gives each instance every "
            f"scene, and {processing['script']} would make every product as often (leave the key out, or take "
            "ShardedByS3Key in the definition)."
        )


@dataclass(frozen=True)
class _Draft:
    kind: str
    planned: int
    jobs: int
    instance_count: int
    decisions: list[Decision] = field(default_factory=list)
    batches: list[Sequence[Decision]] = field(default_factory=list)
    input_uri: str | None = None  # None: the batches that are yet to be written


def _plan_scenes(
    asked: ExecutionInput, kind: str, definition: dict[str, Any], outputs: Bucket, sources: Sources
) -> _Draft:
    source = definition["source"][kind]
    if kind == "stac":
        where = f"collection {source['collection']} of {source['api']} over {source['area']}"
        items = sources.search_stac_api(source, window=asked.window, scenes=asked.scenes)
    else:
        where = source["href"]
        items = sources.read_item_collection(source, read_s3=sources.read_s3)
    candidates, rejected = reject_unfit(items)
    if kind == "stac":
        candidates, outside = reject_outside(candidates, Area(source["geometry"]))
        rejected += outside
    if kind == "items" and asked.window.is_given:
        candidates = [d for d in candidates if d.instant is None or asked.window.holds(d.instant)]
    if asked.scenes is not None:
        candidates, rejected = keep_named(candidates, rejected, scenes=asked.scenes, where=where)
    wanted = [(d.scene, d.instant) for d in candidates if d.instant is not None]
    products = find_products(outputs, pipeline=definition["name"], scenes=wanted)
    decisions = decide(candidates, products=products, recompute=asked.recompute)
    decisions.sort(key=lambda d: (d.instant, d.scene))
    taken = [decision for decision in decisions if decision.is_taken]
    planned = len(taken)
    limits = definition["limits"]
    if planned > limits["max_scenes_per_run"]:
        raise InvalidInput(
            f"The run would take {planned} scenes, above limits.max_scenes_per_run, {limits['max_scenes_per_run']} "
            "(take a shorter window, name the scenes, or raise the limit in the definition)."
        )
    batches = [] if asked.dry_run else cut(taken, scenes_per_job=limits["scenes_per_job"])
    instances = _instances(asked, definition, planned, len(batches))
    return _Draft(kind, planned, len(batches), instances, decisions + rejected, batches)


def _plan_objects(asked: ExecutionInput, kind: str, definition: dict[str, Any], sources: Sources) -> _Draft:
    if asked.scenes is not None:
        raise InvalidInput(
            f"`scenes` makes no sense here: the pipeline takes the objects of a {kind}, not scenes (leave the key out)."
        )
    uri = definition["source"][kind]["uri"]
    if kind == "prefix":
        planned = count_objects(uri, listing=sources.list_s3)
    else:
        listed = read_manifest(uri, read_s3=sources.read_s3)
        check_objects(uri, listed, faults=sources.faults_s3, region=sources.region, region_of=sources.region_of_bucket)
        planned = len(listed)
    jobs = 1 if planned and not asked.dry_run else 0
    return _Draft(kind, planned, jobs, _instances(asked, definition, planned, jobs), input_uri=uri)


def _instances(asked: ExecutionInput, definition: dict[str, Any], objects: int, jobs: int) -> int:
    processing = definition["processing"]
    return instances_of_a_job(
        asked=asked.instance_count or processing["instance_count"],
        objects=objects,
        jobs=jobs,
        is_sharded=processing["distribution"] == "ShardedByS3Key",
    )


def _write(
    run: Run,
    asked: ExecutionInput,
    draft: _Draft,
    definition: dict[str, Any],
    inputs: Bucket,
    clock: Callable[[], datetime],
) -> dict[str, Any]:
    layout = RunLayout(definition["name"], run.run_id)
    batch_of = {decision.scene: n for n, batch in enumerate(draft.batches) for decision in batch}
    objects = {
        layout.batch_item(n, decision.scene): decision.item
        for n, batch in enumerate(draft.batches)
        for decision in batch
    }
    inputs.delete_many(found.key for found in inputs.listing(layout.batches) if found.key not in objects)
    inputs.write_json_many(objects, tags=BATCH_TAGS)
    input_uri = draft.input_uri or inputs.uri(layout.batches)
    tally = counts(draft.decisions)
    plan = {
        "version": PLAN_VERSION,
        "run_id": run.run_id,
        "execution_arn": run.execution_arn,
        "pipeline": definition["name"],
        "source": draft.kind,
        "started_at": format_instant(run.started_at),
        "planned_at": format_instant(clock()),
        "window": asked.window.as_json(),
        "recompute": asked.recompute,
        "dry_run": asked.dry_run,
        "planned": draft.planned,
        "counts": tally,
        "batches": draft.jobs,
        "instance_count": draft.instance_count,
        "input_uri": input_uri,
        "decisions": [d.as_json(batch=batch_of.get(d.scene) if d.is_taken else None) for d in draft.decisions],
    }
    inputs.write_json(layout.plan, plan)
    return {
        "planned": draft.planned,
        "skipped": tally["skip"],
        "rejected": tally["rejected"],
        "batches": draft.jobs,
        "instance_count": draft.instance_count,
        "input_uri": input_uri,
        "plan": inputs.uri(layout.plan),
    }
