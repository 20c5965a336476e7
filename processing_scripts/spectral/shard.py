"""Working through a shard: every scene gets its turn, whatever happens to the others."""

from __future__ import annotations

import json
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from spectral.failures import TransientFailure, UnfitInstance, failure_class, file_name_for
from spectral.produce import Product, Settings, produce
from spectral.progress import Progress
from spectral.scenes import Scene, read_scenes, without_duplicates
from spectral.staging import Staging

# Seconds before each further attempt at a scene that failed for a moment's reason; GDAL has retried
# single requests before.
BACKOFF = (2, 8)
# After so many scenes in a row that no attempt could save, the others get one attempt each until one works:
# an outage must not cost the backoff of every scene.
_PATIENCE = 3
# With less disk than this left, whatever failed most likely failed for that.
_FULL_DISK = 16 << 20


def work_through(
    *,
    input_folder: Path,
    output_folder: Path,
    settings: Settings,
    run_id: str | None,
    progress: Progress,
    facts: dict,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Turn every scene below `input_folder` into a product or a failure file; an empty shard is fine.

    Args:
        run_id: failures go to `runs/<run-id>/failures/`, without it to `failures/`.
        facts: what the first log line says besides the number of scenes.

    Returns:
        A summary in a sentence or two.

    Raises:
        UnfitInstance: the instance can't go on.
    """
    failures = f"runs/{file_name_for(run_id)}/failures" if run_id else "failures"
    scenes, problems = read_scenes(input_folder)
    scenes, left_out = without_duplicates(scenes)
    reasons: list[tuple[str, str]] = []
    produced = hopeless = 0
    with _staging(output_folder) as staging:
        progress.start(scenes=len(scenes), **facts)
        for scene in left_out:
            progress.note("duplicate", level="warning", scene=file_name_for(scene.id), reason="listed more than once")
        for problem in problems:
            name = file_name_for(problem.name)
            _record(staging, failures, name, problem.name, "input", problem.reason)
            progress.note("unreadable", level="error", file=problem.name, reason=problem.reason)
            reasons.append(("input", problem.reason))
        for scene in scenes:
            name = file_name_for(scene.id)
            begun = time.monotonic()
            try:
                backoff = BACKOFF if hopeless < _PATIENCE else ()
                product = _with_retries(scene, settings, staging, progress, backoff=backoff, sleep=sleep)
            except Exception as error:  # noqa: BLE001 (one bad scene must not stop the others)
                _check_disk(staging, error)
                kind, reason = failure_class(error), _reason(error)
                hopeless += kind == "transient"
                _record(staging, failures, name, scene.id, kind, reason)
                reasons.append((kind, reason))
                details = {"traceback": traceback.format_exc()} if kind == "bug" else {}
                seconds = round(time.monotonic() - begun, 3)
                progress.scene(name, "failed", **{"class": kind}, reason=reason, seconds=seconds, **details)
            else:
                # An earlier attempt of this run may have failed; this one didn't.
                staging.path(f"{failures}/{name}.json").unlink(missing_ok=True)
                produced += 1
                hopeless = 0
                progress.scene(name, "produced", seconds=round(time.monotonic() - begun, 3), **_shown(product))
    summary = _summary(produced, reasons)
    progress.end(summary)
    return summary


def _staging(output_folder: Path) -> Staging:
    try:
        return Staging(output_folder)
    except OSError as error:
        raise UnfitInstance(f"The output folder {output_folder} can't be written to: {error}.") from error


def _with_retries(
    scene: Scene,
    settings: Settings,
    staging: Staging,
    progress: Progress,
    *,
    backoff: tuple[int, ...],
    sleep: Callable[[float], None],
) -> Product:
    for seconds in backoff:
        try:
            return produce(scene, settings, staging)
        except TransientFailure as error:
            progress.note(
                "retry", level="warning", scene=file_name_for(scene.id), in_seconds=seconds, reason=str(error)
            )
            sleep(seconds)
    return produce(scene, settings, staging)


def _check_disk(staging: Staging, error: Exception) -> None:
    """
    Raises:
        UnfitInstance: the disk is full or memory is out, so that the next scene would fail just the same.
    """
    if isinstance(error, MemoryError):
        raise UnfitInstance("The instance has too little memory for one scene.") from error
    free = staging.free_bytes()
    if free < _FULL_DISK:
        raise UnfitInstance(f"The disk is full ({free >> 20} MB left): give the job a larger volume.") from error


def _record(staging: Staging, folder: str, name: str, scene_id: object, kind: str, reason: str) -> None:
    scene = scene_id if isinstance(scene_id, str) else json.dumps(scene_id, default=str)
    # Lone surrogates are valid JSON and no valid UTF-8.
    scene = scene.encode("utf-8", "replace").decode("utf-8")
    reason = reason.encode("utf-8", "replace").decode("utf-8")
    staging.place_json({"scene": scene, "class": kind, "reason": reason}, f"{folder}/{name}.json")


def _reason(error: Exception) -> str:
    text = str(error).strip() or "no message"
    return text if failure_class(error) != "bug" else f"Unforeseen {type(error).__name__}: {text}"


def _shown(product: Product) -> dict:
    shares = {
        key: asset["bands"][0]["statistics"]["valid_percent"]
        for key, asset in product.item["assets"].items()
        if "bands" in asset
    }
    offset = product.item["properties"]["geocadence:offset"]
    shown = {"valid_percent": shares, "offset": offset["value"], "offset_source": offset["source"]}
    return {**shown, **({"warnings": product.warnings} if product.warnings else {})}


def _summary(produced: int, reasons: list[tuple[str, str]]) -> str:
    if not produced and not reasons:
        return "No scenes in this shard."
    done = f"{produced} scene{'' if produced == 1 else 's'} produced"
    if not reasons:
        return f"{done}."
    counts = Counter(kind for kind, _ in reasons)
    failed = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    return f"{done}, {len(reasons)} failed ({failed}). First: {reasons[0][1]}"
