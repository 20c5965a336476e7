"""PlanRun: check the input, discover, decide, write the plan, claim what it takes, and cut the plan into slices.

Planning a run again writes the same keys, so a retry of the function is harmless. No processing job exists before
the plan does.
"""

from __future__ import annotations

import logging
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from geocadence.bucket import Bucket, Conflict
from geocadence.catalogue.http import CatalogueRefused
from geocadence.durations import Duration
from geocadence.execution_input import ExecutionInput, InvalidInput, read_execution_input
from geocadence.garbage import rarely_collected
from geocadence.instants import format_instant
from geocadence.layout import RunLayout, claims_key
from geocadence.long_json import compact, write_long
from geocadence.plan.claims import Claim, read_claims, replace_claims
from geocadence.plan.decision import counts
from geocadence.plan.draft import Draft
from geocadence.plan.extra_inputs import check_extra_inputs
from geocadence.plan.finding import Sources, find
from geocadence.plan.recipe import recipe_of
from geocadence.plan.scene_format import STAC_ITEM
from geocadence.plan.shelf import Shelf
from geocadence.plan.slices import write_slices
from geocadence.tries import tries

log = logging.getLogger(__name__)

PLAN_VERSION = 4


@dataclass(frozen=True)
class Run:
    """What PlanRun is told of the run."""

    run_id: str
    execution_arn: str
    started_at: datetime
    input: Any
    # By which its jobs make products. The state machine knows: what its jobs do was fixed when it was deployed, and the
    # function may be of a later deployment. None: the definition's.
    recipe: str | None = None


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
    lookback = definition["source"][kind].get("lookback")
    lookback = Duration.parse(lookback) if lookback is not None else None
    asked = read_execution_input(run.input, started_at=run.started_at, lookback=lookback)
    _refuse_repetition(asked, definition)
    pipeline, recipe = definition["name"], run.recipe or recipe_of(definition)
    with Shelf() as shelf, rarely_collected():
        try:
            found = find(asked, kind, definition, sources, shelf)
        except CatalogueRefused as error:
            raise InvalidInput(str(error)) from error
        for _ in tries():
            claims = read_claims(inputs, pipeline)
            others = claims.other_runs(run.run_id, is_at_work=sources.is_at_work)
            draft = found.draft(
                asked,
                definition,
                recipe=recipe,
                others=others,
                inputs=inputs,
                outputs=outputs,
                shelf=shelf,
                price=sources.price,
            )
            if draft.planned:
                _refuse_missing_inputs(definition, sources)
            at_a_time = draft.instance_count * min(draft.jobs, definition["limits"]["concurrent_jobs"])
            if at_a_time and (sentence := quota_refusal(at_a_time)) is not None:
                raise InvalidInput(sentence)
            planned_at = format_instant(clock())
            result = _write_plan(run, asked, draft, definition, inputs, planned_at, recipe=recipe, shelf=shelf)
            if draft.has_claim:
                mine = Claim(run.run_id, run.execution_arn, planned_at, secrets.token_hex(8))
                try:
                    replace_claims(
                        inputs, pipeline, claims, [*others.live, mine], ended=draft.ended, forgot=draft.forgot
                    )
                except Conflict:
                    log.info("another run planned or closed meanwhile; deciding again")
                    continue
            write_slices(
                inputs,
                RunLayout(pipeline, run.run_id),
                draft.batches,
                instances=draft.instance_count,
                recipe=recipe,
                scene_format=definition["processing"].get("scene_format", STAC_ITEM),
                shelf=shelf,
            )
            return result
    raise RuntimeError(f"{inputs.uri(claims_key(pipeline))} kept changing while this run tried to enter it")


def _refuse_missing_inputs(definition: dict[str, Any], sources: Sources) -> None:
    try:
        check_extra_inputs(definition["processing"], sources)
    except CatalogueRefused as error:
        raise InvalidInput(str(error)) from error


def _refuse_repetition(asked: ExecutionInput, definition: dict[str, Any]) -> None:
    """What the definition may not say of the instances (`Definition.most_instances`), a run may not ask for."""
    processing = definition["processing"]
    if asked.instance_count is not None and asked.instance_count > processing["most_instances"]:
        raise InvalidInput(
            f"`instance_count` is {asked.instance_count}, but {processing['distribution']} gives each instance every "
            f"scene, and {processing['script']} would make every product as often (leave the key out, or take "
            "ShardedByS3Key in the definition)."
        )


def _write_plan(
    run: Run,
    asked: ExecutionInput,
    draft: Draft,
    definition: dict[str, Any],
    inputs: Bucket,
    planned_at: str,
    *,
    recipe: str,
    shelf: Shelf,
) -> dict[str, Any]:
    layout = RunLayout(definition["name"], run.run_id)
    batch_of = {decision.scene: n for n, batch in enumerate(draft.batches) for decision in batch}
    input_uri = draft.input_uri or inputs.uri(layout.batches)
    tally = counts(draft.decisions)
    plan = {
        "version": PLAN_VERSION,
        "run_id": run.run_id,
        "execution_arn": run.execution_arn,
        "pipeline": definition["name"],
        "source": draft.kind,
        "started_at": format_instant(run.started_at),
        "planned_at": planned_at,
        "window": asked.window.as_json(),
        "recompute": asked.recompute if isinstance(asked.recompute, bool) else format_instant(asked.recompute),
        "dry_run": asked.dry_run,
        "recipe": recipe,
        "planned": draft.planned,
        "counts": tally,
        "batches": draft.jobs,
        "instance_count": draft.instance_count,
        "input_uri": input_uri,
        "note": draft.note,
        "refusal": draft.refusal,
        "claims": draft.has_claim,
        "unsettled": draft.is_unsettled,
        "estimate": draft.expected.as_json() if draft.expected else None,
    }
    decisions = (
        compact(d.as_json(batch=batch_of.get(d.scene) if d.is_taken else None, shelf=shelf)) for d in draft.decisions
    )
    # What others look at first: of a run that has entered they must find what it took.
    inputs.write_json(layout.taken, sorted({name for d in draft.holds for name in (d.scene, d.acquisition)}))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.json"
        write_long(path, plan, "decisions", decisions)
        inputs.write_file(layout.plan, path, content_type="application/json")
    return {
        "planned": draft.planned,
        "skipped": tally["skip"],
        "rejected": tally["rejected"],
        "batches": draft.jobs,
        "instance_count": draft.instance_count,
        "input_uri": input_uri,
        "plan": inputs.uri(layout.plan),
    }
