"""What a run would take of what was found: by what is done and who else is at work, and within its limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from geocadence.bucket import Bucket
from geocadence.execution_input import ExecutionInput, InvalidInput
from geocadence.plan.batches import MOST_BATCHES, cut, instances_of_a_job
from geocadence.plan.claims import Claim, OtherRuns
from geocadence.plan.decision import Decision
from geocadence.plan.estimate import OBJECT, SCENE, Estimate, estimate, read_history, refuse_above
from geocadence.plan.left_behind import to_remember
from geocadence.plan.lookup import look_up
from geocadence.plan.shelf import Shelf
from geocadence.table import LEFT_OUT


@dataclass(frozen=True)
class Draft:
    """A plan that is not written yet; numbers are of scenes, or of objects where the source has none."""

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
        others: OtherRuns,
        inputs: Bucket,
        outputs: Bucket,
        shelf: Shelf,
        price: Callable[[str], float | None],
    ) -> Draft:
        found = look_up(
            self.candidates,
            definition,
            recompute=asked.recompute,
            recipe=recipe,
            others=others,
            inputs=inputs,
            outputs=outputs,
            shelf=shelf,
        )
        taken = [decision for decision in found.decisions if decision.is_taken]
        scenes_per_job = definition["limits"]["scenes_per_job"]
        batches = [] if asked.dry_run else cut(taken, scenes_per_job=scenes_per_job)
        jobs = -(-len(taken) // scenes_per_job)
        wanted = asked.instance_count or definition["processing"]["instance_count"]
        # Also where each instance gets all of them: a script takes its share by the scene.
        instances = instances_of_a_job(asked=wanted, objects=len(taken), jobs=jobs)
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
            found.decisions + self.rejected + found.turned_away,
            batches,
            note="; ".join(filter(None, (_note(definition, instances) if taken else "", _lacking(taken)))),
            expected=expected,
            refusal=_refusal(asked, definition, expected, jobs=jobs, is_of_scenes=True),
            holds=[] if asked.dry_run else [d for d in found.decisions if d.is_taken or d.adopted],
            is_unsettled=found.is_unsettled,
            ended=found.ended,
            forgot=found.forgot,
        )


@dataclass(frozen=True)
class Objects:
    """What a prefix or manifest holds, handed over as it is; `bytes` is the sum of the objects' sizes."""

    kind: str
    uri: str
    count: int
    bytes: int

    def draft(
        self,
        asked: ExecutionInput,
        definition: dict[str, Any],
        *,
        others: OtherRuns,
        outputs: Bucket,
        price: Callable[[str], float | None],
        **_: Any,
    ) -> Draft:
        # Objects have no identity of their own to share out: one run at a time.
        planned = 0 if others.live else self.count
        jobs = min(planned, 1)
        instances = asked.instance_count or definition["processing"]["instance_count"]
        # Whoever gets all of the objects may share out what is in them: an object can be a table of thousands.
        if definition["processing"]["distribution"] == "ShardedByS3Key":
            instances = instances_of_a_job(asked=instances, objects=planned, jobs=jobs)
        if others.live:
            note = f"run {others.live[0].run_id} is working on the same objects"
        else:
            told = (_note(definition, instances), _full_disk(definition, self.bytes, instances)) if planned else ()
            note = "; ".join(filter(None, told))
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
        # The pipeline may have taken scenes before: nothing was looked at here that such runs may have left.
        ended, forgot = to_remember(others.dead, {claim.run_id for claim in others.dead}, forgot=others.forgot)
        return Draft(
            self.kind,
            planned,
            0 if asked.dry_run else jobs,
            instances,
            input_uri=self.uri,
            note=note,
            expected=expected,
            refusal=refusal,
            ended=ended,
            forgot=forgot,
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


def _note(definition: dict[str, Any], instances: int) -> str:
    """What a person should know of how the work is handed out."""
    if definition["processing"]["distribution"] != "FullyReplicated" or instances < 2:
        return ""
    return (
        f"each of {instances} instances gets all of the input (FullyReplicated): unless the script takes its share by "
        "/opt/ml/config/resourceconfig.json, what they write under one name replaces each other"
    )


def _full_disk(definition: dict[str, Any], bytes_: int, instances: int) -> str:
    """Where what an instance gets of the objects is more than its disk holds: the job would fail amid the download.

    No refusal, since types that bring a disk have that in place of the one that is asked for.
    """
    processing = definition["processing"]
    size = processing.get("volume_size_gb")
    share = bytes_ / (instances if processing["distribution"] == "ShardedByS3Key" else 1) / 2**30
    if size is None or share <= size:
        return ""
    return (
        f"each instance gets about {share:.0f} GB of objects, and its disk holds {size} GB: unless its type brings a "
        "larger one (such as ml.m5d), raise processing.volume_size_gb"
    )
