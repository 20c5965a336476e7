"""What is missing, of one run or of a window, and how to ask for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from geocadence.bucket import Bucket
from geocadence.close.reconcile import Status, reconcile
from geocadence.committed import read_committed
from geocadence.execution_input import MAX_SCENES
from geocadence.instants import format_instant, parse_instant
from geocadence.layout import RunLayout, runs_folder
from geocadence.products import find_products
from geocadence.source_kinds import has_scenes

LOST = ("failed", "missing")
# An execution's input has 256 KiB, and its first Task gets it with the run's names around it
# (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html).
MAX_BYTES = 240_000


class NothingToRetry(Exception):
    """The run can't be retried; the text says why."""


def inputs_for_retry(run: RunLayout, *, inputs: Bucket, outputs: Bucket) -> list[dict[str, Any]]:
    """The execution inputs that ask for what a run was to produce and nobody has since, and for nothing else.

    What was written since its plan is done, whoever wrote it: so a retry of a recompute, which skips nothing, pays for
    no scene twice, also where a second one is started beside it: it asks for what was made before. What is done and not
    in the catalogue (a run was aborted before its close) is asked for as well, and without recompute, as the plan takes
    it as it is; so is what the run was to commit for another. There are as many inputs as it takes to
    name all scenes.
    """
    record, plan = outputs.read_json(run.run_json), inputs.read_json(run.plan)
    planned_at = inputs.modified(run.plan)
    if plan is None or planned_at is None:
        raise NothingToRetry(f"run {run.run_id} has no plan: nothing was to be done yet (start a run instead)")
    if not has_scenes(plan["source"]):
        raise NothingToRetry(
            f"run {run.run_id} takes the objects of a {plan['source']}, not scenes (start a run instead)"
        )
    if plan["dry_run"]:
        raise NothingToRetry(f"run {run.run_id} was a dry run, which makes nothing (start a run instead)")
    wanted = [decision for decision in plan["decisions"] if decision["batch"] is not None]
    adopted = [decision for decision in plan["decisions"] if decision.get("adopted")]
    if record is not None:
        lost = {scene["id"] for scene in record["scenes"] if scene["status"] in LOST}
        wanted = [decision for decision in wanted if decision["id"] in lost]
    scenes = [(decision["id"], parse_instant(decision["datetime"])) for decision in [*wanted, *adopted]]
    rows = read_committed(outputs, run.pipeline, scenes={scene for scene, _ in scenes}, acquisitions=())
    committed = {row.scene: row for row in rows}
    products = find_products(outputs, pipeline=run.pipeline, scenes=scenes, known=committed, keeps_items=False)
    results = reconcile(wanted, products=products, planned_at=planned_at)
    missing = [result.scene for result in results if result.status is not Status.PRODUCED]
    done = [result.scene for result in results if result.status is Status.PRODUCED]
    done += [decision["id"] for decision in adopted if decision["id"] in products]
    loose = [s for s in done if s not in committed or committed[s].etag != products[s].etag]
    anew = {"recompute": format_instant(planned_at)} if plan["recompute"] else {}
    asked = [
        *({"scenes": part} | anew for part in _parts(missing)),
        *({"scenes": part} for part in _parts(loose)),
    ]
    if not asked:
        raise NothingToRetry(f"run {run.run_id} produced all that it was to produce, or a run since has")
    return asked


def _parts(scenes: list[str]) -> Iterator[list[str]]:
    """The ids in lists that an execution's input has room for."""
    part: list[str] = []
    size = 0
    for scene in scenes:
        this = len(json.dumps(scene)) + len(", ")
        if part and (len(part) == MAX_SCENES or size + this > MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(scene)
        size += this
    if part:
        yield part


def drift(decisions: Iterable[Mapping[str, Any]], failures: Mapping[str, str]) -> list[dict[str, Any]]:
    """The scenes of a dry run's decisions that the catalogue has not as they should be, and why.

    Those whose product is in place and not committed are among them, as the next run's close takes them up, and those
    that a run is working on.
    """
    found = []
    for decision in decisions:
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
