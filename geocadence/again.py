"""What is missing, of one run or of a window, and how to ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geocadence.bucket import Bucket
from geocadence.close.reconcile import Status, reconcile
from geocadence.execution_input import MAX_SCENES
from geocadence.instants import parse_instant
from geocadence.layout import RunLayout, runs_folder
from geocadence.products import find_products

LOST = ("failed", "missing")


class NothingToRetry(Exception):
    """The run can't be retried; the text says why."""


def input_for_retry(run: RunLayout, *, inputs: Bucket, outputs: Bucket) -> dict[str, Any]:
    """The execution input that asks for what a run was to produce and did not, and for nothing else.

    A run that was aborted has no record: then it is all that it took, of which what is in place is skipped; of a
    recompute, which skips nothing, what was not written since its plan. More
    scenes than an input may name are asked for by the run's window, where what is in place is skipped as well.
    """
    record, plan = outputs.read_json(run.run_json), inputs.read_json(run.plan)
    if plan is None:
        raise NothingToRetry(f"run {run.run_id} has no plan: nothing was to be done yet (start a run instead)")
    if plan["source"] not in ("stac", "items"):
        raise NothingToRetry(
            f"run {run.run_id} takes the objects of a {plan['source']}, not scenes (start a run instead)"
        )
    if record is not None:
        scenes = [scene["id"] for scene in record["scenes"] if scene["status"] in LOST]
    else:
        taken = [decision for decision in plan["decisions"] if decision["batch"] is not None]
        scenes = _unfinished(taken, run, inputs, outputs) if plan["recompute"] else [each["id"] for each in taken]
    if not scenes:
        raise NothingToRetry(f"run {run.run_id} produced all that it was to produce")
    # Those of a recompute have a product, if an old one.
    again = {"recompute": True} if plan["recompute"] else {}
    if len(scenes) > MAX_SCENES:
        return {"window": {key: text for key, text in plan["window"].items() if text}} | again
    return {"scenes": scenes} | again


def _unfinished(taken: list[dict[str, Any]], run: RunLayout, inputs: Bucket, outputs: Bucket) -> list[str]:
    planned_at = inputs.modified(run.plan)
    wanted = [(decision["id"], parse_instant(decision["datetime"])) for decision in taken]
    products = find_products(outputs, pipeline=run.pipeline, scenes=wanted)
    results = reconcile(taken, products=products, planned_at=planned_at) if planned_at else []
    return [result.scene for result in results if result.status is not Status.PRODUCED]


def drift(plan: Mapping[str, Any], failures: Mapping[str, str]) -> list[dict[str, Any]]:
    """The scenes of a dry run's plan that the catalogue has not as they should be, and why.

    Those whose product is in place and not committed are among them, as the next run's close takes them up, and those
    that a run is working on.
    """
    found = []
    for decision in plan["decisions"]:
        if decision["decision"] == "skip" and not (decision.get("adopted") or decision.get("held_by")):
            continue
        failed = failures.get(decision["id"])
        reason = decision["reason"] + (f"; when it was tried: {failed}" if failed else "")
        found.append({key: decision[key] for key in ("id", "datetime", "decision")} | {"reason": reason})
    return found


def latest_failures(outputs: Bucket, pipeline: str, scenes: set[str]) -> dict[str, str]:
    """Why `scenes` failed when they were tried last: run ids begin with the time, so the last key tells."""
    latest: dict[str, str] = {}
    for found in outputs.listing(runs_folder(pipeline)):
        folder, _, name = found.key.rpartition("/failures/")
        if folder and (scene := name.removesuffix(".json")) in scenes:
            latest[scene] = found.key
    files = outputs.read_json_many(latest.values())
    told = {scene: files[key] for scene, key in latest.items()}
    return {scene: str(file.get("reason", "")) for scene, file in told.items() if isinstance(file, dict)}
