"""What a run would take: found in the source, decided on by what is done and by who else is at work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geocadence.bucket import Bucket
from geocadence.catalogue.area import Area
from geocadence.catalogue.item_collection import read_item_collection
from geocadence.catalogue.manifest import check_objects, read_manifest
from geocadence.catalogue.objects import check_region, count_objects
from geocadence.catalogue.query import split
from geocadence.catalogue.stac_api import search_stac_api
from geocadence.close.left_rows import products_left
from geocadence.committed import Committed, read_committed
from geocadence.execution_input import ExecutionInput, InvalidInput
from geocadence.instants import parse_instant
from geocadence.plan.batches import MOST_BATCHES, cut, instances_of_a_job
from geocadence.plan.candidates import keep_named, take_in
from geocadence.plan.claims import Claim, held_scenes
from geocadence.plan.decision import Decision
from geocadence.plan.decisions import decide
from geocadence.plan.estimate import OBJECT, SCENE, Estimate, estimate, read_history, refuse_above
from geocadence.plan.left_behind import look_behind, to_remember
from geocadence.plan.placing import place
from geocadence.plan.recipe import recipe_of
from geocadence.plan.shelf import Shelf
from geocadence.plan.superseding import supersede, within_thresholds
from geocadence.plan.versions import leaving
from geocadence.products import find_products
from geocadence.table import LEFT_OUT

Item = dict[str, Any]


@dataclass(frozen=True)
class Sources:
    """How a run finds its input; the functions hand in the real ones, tests their own."""

    read_s3: Callable[[str], bytes | None]
    fetch_s3: Callable[[str, Path, int], bool]  # into a file; TooLarge above so many bytes
    list_s3: Callable[[str], Iterator[Any]]
    look_s3: Callable[[Iterable[str]], Mapping[str, int | str]]  # of each URI its size, or why it can't be read
    region_of_bucket: Callable[[str], str | None]
    region: str | None  # the jobs'
    is_at_work: Callable[[str], bool]  # whether an execution, by its ARN, or a job of it still runs
    # What an instance of a type costs an hour of processing, in USD; None where nobody says.
    price: Callable[[str], float | None] = lambda instance_type: None
    search_stac_api: Callable[..., Iterator[Item]] = search_stac_api
    read_item_collection: Callable[..., Iterator[Item]] = read_item_collection


@dataclass(frozen=True)
class Draft:
    kind: str
    planned: int
    jobs: int
    instance_count: int
    decisions: list[Decision] = field(default_factory=list)
    batches: list[Sequence[Decision]] = field(default_factory=list)
    input_uri: str | None = None  # None: the batches that are yet to be written
    note: str = ""
    expected: Estimate | None = None
    refusal: str = ""  # of a dry run: why a run that is none would be refused
    holds: list[Decision] = field(default_factory=list)  # what no other run may take before this one has closed
    is_unsettled: bool = False  # the catalogue has an older version beside the newer ones that cover it
    ended: list[Claim] = field(default_factory=list)  # runs that ended without a close, to be named on
    forgot: str = ""  # when the first was planned of those that are not

    @property
    def has_claim(self) -> bool:
        return bool(self.jobs or self.holds)


@dataclass(frozen=True)
class Scenes:
    """What was found, before it is looked up what is done and who else is at work."""

    kind: str
    candidates: list[Decision]
    rejected: list[Decision]

    def draft(
        self,
        asked: ExecutionInput,
        definition: dict[str, Any],
        *,
        recipe: str,
        live: Sequence[Claim],
        dead: Sequence[Claim],
        forgot: str,
        inputs: Bucket,
        outputs: Bucket,
        shelf: Shelf,
        price: Callable[[str], float | None],
    ) -> Draft:
        pipeline = definition["name"]
        rows = read_committed(
            outputs,
            pipeline,
            scenes={d.scene for d in self.candidates},
            acquisitions={d.acquisition for d in self.candidates},
        )
        rows, candidates = place(rows, self.candidates, shelf)
        by_acquisition: dict[str, list[Committed]] = defaultdict(list)
        for row in rows:
            by_acquisition[row.acquisition].append(row)
        committed = {row.scene: row for row in rows}
        candidates, superseded = supersede(candidates, committed=by_acquisition, shelf=shelf)
        candidates, beyond = within_thresholds(candidates, committed=committed)
        wanted = [(d.scene, d.instant) for d in candidates if d.instant is not None]
        names = {name for d in candidates for name in (d.scene, d.acquisition)}
        left = look_behind(inputs, pipeline, dead, looked_at=names)
        new = {scene for scene, _ in wanted if scene not in committed}
        tried_by = {attempt.run_id for scene in new for attempt in left.attempts.get(scene, ())}
        known = products_left(inputs, pipeline, (c for c in dead if c.run_id in tried_by), scenes=new) | committed
        decisions = decide(
            candidates,
            products=find_products(outputs, pipeline=pipeline, scenes=wanted, known=known, keeps_items=False),
            committed=committed,
            held=held_scenes(inputs, pipeline, live),
            left=left.attempts,
            forgot=parse_instant(forgot) if forgot else None,
            recipe=recipe,
            is_outdated=recipe != recipe_of(definition),
            recompute=asked.recompute,
        )
        ended, forgot = to_remember(dead, left.elsewhere | {d.left_by for d in decisions}, forgot=forgot)
        decisions.sort(key=lambda d: (d.instant, d.scene))
        taken = [decision for decision in decisions if decision.is_taken]
        scenes_per_job = definition["limits"]["scenes_per_job"]
        batches = [] if asked.dry_run else cut(taken, scenes_per_job=scenes_per_job)
        jobs = -(-len(taken) // scenes_per_job)
        instances = _instances(asked, definition, len(taken), jobs)
        sizes = [decision.bytes for decision in taken]
        expected = _expect(
            definition,
            outputs,
            price,
            scenes=len(taken),
            bytes_=sum(size or 0 for size in sizes) if all(sizes) else None,
            jobs=jobs,
            instances=instances,
            of=SCENE,
        )
        return Draft(
            self.kind,
            len(taken),
            len(batches),
            instances,
            decisions + self.rejected + superseded + beyond,
            batches,
            note="; ".join(filter(None, (_note(definition, instances) if taken else "", _lacking(taken)))),
            expected=expected,
            refusal=_refusal(asked, definition, expected, jobs=jobs, is_of_scenes=True),
            holds=[] if asked.dry_run else [d for d in decisions if d.is_taken or d.adopted],
            is_unsettled=bool(leaving(rows)),
            ended=ended,
            forgot=forgot,
        )


@dataclass(frozen=True)
class Objects:
    kind: str
    uri: str
    count: int
    bytes: int

    def draft(
        self,
        asked: ExecutionInput,
        definition: dict[str, Any],
        *,
        live: Sequence[Claim],
        outputs: Bucket,
        price: Callable[[str], float | None],
        **_: Any,
    ) -> Draft:
        # Objects have no identity of their own to share out: one run at a time.
        planned = 0 if live else self.count
        jobs = min(planned, 1)
        instances = _instances(asked, definition, planned, jobs)
        if live:
            note = f"run {live[0].run_id} is working on the same objects"
        else:
            note = _note(definition, instances) if planned else ""
        expected = _expect(
            definition,
            outputs,
            price,
            scenes=planned,
            bytes_=self.bytes if planned else None,
            jobs=jobs,
            instances=instances,
            of=OBJECT,
        )
        refusal = _refusal(asked, definition, expected, jobs=jobs, is_of_scenes=False)
        return Draft(
            self.kind,
            planned,
            0 if asked.dry_run else jobs,
            instances,
            input_uri=self.uri,
            note=note,
            expected=expected,
            refusal=refusal,
        )


def _lacking(taken: Sequence[Decision]) -> str:
    some = [decision for decision in taken if decision.lacking]
    if not some:
        return ""
    return (
        f"{len(some)} of the scenes, {some[0].scene} first, have assets that the table that lists them has no columns "
        f"for ({LEFT_OUT}): their jobs get the others; the scenes' own Items have all"
    )


def _expect(
    definition: dict[str, Any],
    outputs: Bucket,
    price: Callable[[str], float | None],
    *,
    scenes: int,
    bytes_: int | None,
    jobs: int,
    instances: int,
    of: str,
) -> Estimate:
    """What the run will take."""
    processing, types = definition["processing"], _types(definition)
    return estimate(
        scenes=scenes,
        bytes_=bytes_,
        jobs=jobs,
        instances=instances,
        of=of,
        instance_types=types,
        history=read_history(outputs, definition["name"]),
        usd_per_hour=_rate(processing.get("hourly_rate"), types, price),
    )


def _types(definition: dict[str, Any]) -> list[str]:
    processing = definition["processing"]
    return processing.get("instance_preferences") or [processing["instance_type"]]


def _refusal(
    asked: ExecutionInput, definition: dict[str, Any], expected: Estimate, *, jobs: int, is_of_scenes: bool
) -> str:
    """Why the run is above the definition's limits, if it is: raised as InvalidInput, but for a dry run.

    A dry run spends nothing, and whoever looks at what is missing wants to see how much it is.
    """
    try:
        if is_of_scenes:
            _refuse_scenes(definition["limits"], expected.scenes, jobs)
        refuse_above(definition["limits"]["max_cost_usd"], expected, instance_types=_types(definition))
    except InvalidInput as error:
        if not asked.dry_run:
            raise
        return str(error)
    return ""


def _refuse_scenes(limits: dict[str, Any], scenes: int, jobs: int) -> None:
    if scenes > limits["max_scenes_per_run"]:
        raise InvalidInput(
            f"The run would take {scenes} scenes, above limits.max_scenes_per_run, {limits['max_scenes_per_run']} "
            "(take a shorter window, name the scenes, or raise the limit in the definition)."
        )
    if jobs > MOST_BATCHES:
        raise InvalidInput(
            f"The run would take {jobs} jobs, and one run has {MOST_BATCHES} at most: raise limits.scenes_per_job "
            f"({limits['scenes_per_job']}) to {-(-scenes // MOST_BATCHES)} or more, or take a shorter window."
        )


def _rate(given: float | None, types: Sequence[str], price: Callable[[str], float | None]) -> float | None:
    """USD an hour; of several types that a job may get, the dearest's."""
    if given is not None:
        return given
    prices = [price(instance_type) for instance_type in types]
    return None if None in prices else max(known for known in prices if known is not None)


def find(
    asked: ExecutionInput,
    kind: str,
    definition: dict[str, Any],
    sources: Sources,
    shelf: Shelf,
) -> Scenes | Objects:
    if kind not in ("stac", "items"):
        return _find_objects(asked, kind, definition, sources)
    source = definition["source"][kind]
    if kind == "stac":
        where = f"collection {source['collection']} of {source['api']} over {source['area']}"
        items = sources.search_stac_api(source, window=asked.window, scenes=asked.scenes)
        window = None  # the search looks at it
    else:
        where = source["href"] + (f" over {source['area']}" if source.get("area") else "")
        items = sources.read_item_collection(source, fetch_s3=sources.fetch_s3, scenes=asked.scenes)
        is_bound = source.get("lookback") is not None or asked.window.has_end
        window = asked.window if asked.window.is_given or (is_bound and asked.scenes is None) else None
    area = Area(source["geometry"]) if source.get("geometry") else None
    # Scenes that are asked for by name are taken as they are.
    thresholds = split(source.get("query") or {})[1] if asked.scenes is None else {}
    # `items` is whatever a person put into one file.
    collection = source["collection"] if kind == "stac" else None
    candidates, rejected = take_in(
        items, shelf=shelf, area=area, window=window, collection=collection, thresholds=thresholds
    )
    if asked.scenes is not None:
        candidates, rejected = keep_named(candidates, rejected, scenes=asked.scenes, where=where)
    return Scenes(kind, candidates, rejected)


def _find_objects(asked: ExecutionInput, kind: str, definition: dict[str, Any], sources: Sources) -> Objects:
    if asked.scenes is not None:
        raise InvalidInput(
            f"`scenes` makes no sense here: the pipeline takes the objects of a {kind}, not scenes (leave the key out)."
        )
    uri = definition["source"][kind]["uri"]
    check_region(uri, region=sources.region, region_of=sources.region_of_bucket)
    if kind == "prefix":
        return Objects(kind, uri, *count_objects(uri, listing=sources.list_s3))
    listed = read_manifest(uri, read_s3=sources.read_s3)
    size = check_objects(uri, listed, look=sources.look_s3, region=sources.region, region_of=sources.region_of_bucket)
    return Objects(kind, uri, len(listed), size)


def _instances(asked: ExecutionInput, definition: dict[str, Any], objects: int, jobs: int) -> int:
    processing = definition["processing"]
    return instances_of_a_job(
        asked=asked.instance_count or processing["instance_count"],
        objects=objects,
        jobs=jobs,
        is_sharded=processing["distribution"] == "ShardedByS3Key",
    )


def _note(definition: dict[str, Any], instances: int) -> str:
    """What a person should know of how the work is handed out."""
    if definition["processing"]["distribution"] != "FullyReplicated" or instances < 2:
        return ""
    return (
        f"each of {instances} instances gets all of the input (FullyReplicated): unless the script takes its share by "
        "/opt/ml/config/resourceconfig.json, what they write under one name replaces each other"
    )
