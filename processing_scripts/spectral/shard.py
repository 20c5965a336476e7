"""Working through a shard: every scene gets its turn, whatever happens to the others."""

from __future__ import annotations

import errno
import json
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from spectral import llvm
from spectral.failures import TransientFailure, UnfitInstance, failure_class, file_name_for, without_secrets
from spectral.produce import Product, produce
from spectral.progress import Progress
from spectral.resources import Resources
from spectral.scenes import Scene, read_scenes, without_duplicates
from spectral.settings import Settings
from spectral.staging import Staging

# Seconds before each further attempt at a scene that failed for a moment's reason; GDAL has retried
# single requests before.
BACKOFF = (2, 8)
# After so many scenes in a row that no attempt could save, the others get one attempt each until one works:
# an outage must not cost the backoff of every scene.
_PATIENCE = 3
# With less disk than this left, whatever failed most likely failed for that.
_FULL_DISK = 16 << 20
# Scenes at a time: one computes, the other opens its files or writes its product.
_AT_ONCE = 2


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
    scenes, unreadable = read_scenes(input_folder, output=output_folder)
    scenes, duplicates = without_duplicates(scenes)
    reasons: list[tuple[str, str]] = []
    produced = 0
    compiles = llvm.FAST
    with _staging(output_folder) as staging:
        progress.start(scenes=len(scenes), **facts)
        for event, problems in (("duplicate", duplicates), ("unreadable", unreadable)):
            for problem in problems:
                _record(staging, failures, file_name_for(problem.name), problem.name, "input", problem.reason)
                progress.note(event, level="error", file=problem.name, reason=problem.reason)
                reasons.append(("input", problem.reason))
        with closing(_outcomes(scenes, settings, staging, progress, sleep)) as outcomes:
            for outcome in outcomes:
                name = file_name_for(outcome.scene.id)
                if compiles and not llvm.FAST:
                    compiles = False
                    progress.note("fallback", level="warning", reason=f"{llvm.REASON}: the same pixels, more slowly")
                if outcome.product is None:
                    _check_disk(staging, outcome.error)
                    kind, reason = failure_class(outcome.error), _reason(outcome.error)
                    _record(staging, failures, name, outcome.scene.id, kind, reason)
                    reasons.append((kind, reason))
                    details = {"traceback": _traceback(outcome.error)} if kind == "bug" else {}
                    progress.scene(name, "failed", **{"class": kind}, reason=reason, seconds=outcome.seconds, **details)
                else:
                    # An earlier attempt of this run may have failed; this one didn't.
                    staging.path(f"{failures}/{name}.json").unlink(missing_ok=True)
                    produced += 1
                    progress.scene(name, "produced", seconds=outcome.seconds, **_shown(outcome.product))
    summary = _summary(produced, reasons)
    progress.end(summary)
    return summary


def _staging(output_folder: Path) -> Staging:
    try:
        return Staging(output_folder)
    except OSError as error:
        raise UnfitInstance(f"The output folder {output_folder} can't be written to: {error}.") from error


@dataclass(frozen=True)
class _Outcome:
    """One scene, worked through: its product, or why there is none."""

    scene: Scene
    product: Product | None
    error: Exception | None
    seconds: float


class _Patience:
    """How many scenes in a row failed though they were tried again."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._hopeless = 0

    def backoff(self) -> tuple[int, ...]:
        with self._lock:
            return BACKOFF if self._hopeless < _PATIENCE else ()

    def learn(self, error: Exception | None) -> None:
        with self._lock:
            if error is None:
                self._hopeless = 0
            elif failure_class(error) == "transient":
                self._hopeless += 1


def _outcomes(
    scenes: list[Scene], settings: Settings, staging: Staging, progress: Progress, sleep: Callable[[float], None]
) -> Iterator[_Outcome]:
    """The scenes' outcomes in their order; the next scene opens its files while one is computed or written."""
    patience = _Patience()
    with (
        Resources(threads=settings.threads, memory=settings.memory) as resources,
        ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="scene") as pool,
    ):

        def work(scene: Scene) -> _Outcome:
            begun = time.monotonic()
            product = error = None
            try:
                product = _with_retries(scene, settings, staging, resources, progress, patience=patience, sleep=sleep)
            except Exception as raised:  # noqa: BLE001 (one bad scene must not stop the others)
                error = raised
            patience.learn(error)
            return _Outcome(scene, product, error, round(time.monotonic() - begun, 3))

        waiting: deque[Future[_Outcome]] = deque()
        try:
            for scene in scenes:
                waiting.append(pool.submit(work, scene))
                if len(waiting) >= _AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            resources.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _with_retries(
    scene: Scene,
    settings: Settings,
    staging: Staging,
    resources: Resources,
    progress: Progress,
    *,
    patience: _Patience,
    sleep: Callable[[float], None],
) -> Product:
    for seconds in patience.backoff():
        try:
            return produce(scene, settings, staging, resources)
        except TransientFailure as error:
            resources.check()
            progress.note(
                "retry", level="warning", scene=file_name_for(scene.id), in_seconds=seconds, reason=_reason(error)
            )
            sleep(seconds)
            resources.check()
    return produce(scene, settings, staging, resources)


def _check_disk(staging: Staging, error: Exception) -> None:
    """
    Raises:
        UnfitInstance: the disk is full, takes no file as large, or memory or the number of open files is out, so that
            the next scene would fail just the same.
    """
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise UnfitInstance("The disk is full: give the job a larger volume.") from error
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        raise UnfitInstance(
            f"Files may not be as large here as a product is ({error}): raise the limit (ulimit -f), or take another "
            "file system."
        ) from error
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        raise UnfitInstance(
            f"Too few files may be open at a time ({error}): raise the limit (ulimit -n), or ask for fewer indices."
        ) from error
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
    try:
        staging.place_json({"scene": scene, "class": kind, "reason": reason}, f"{folder}/{name}.json")
    except OSError as error:
        raise UnfitInstance(f"Failures can't be recorded ({error}); this one was: {reason}") from error


def _traceback(error: Exception) -> str:
    return without_secrets("".join(traceback.format_exception(error)))


def _reason(error: Exception) -> str:
    text = without_secrets(str(error).strip()) or "no message"
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
