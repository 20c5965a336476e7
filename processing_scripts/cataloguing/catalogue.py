"""From files to products: each scene's files into its folder, then its Item; a reason for each scene without."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cataloguing.item import File, Script, item_of_files
from cataloguing.owners import Owners
from cataloguing.scenes import read_sources
from spectral.failures import InputFailure, check_id, file_name_for
from spectral.moments import year_and_month
from spectral.progress import Progress
from spectral.staging import Staging, as_json

__all__ = ["Script", "catalogue"]


def catalogue(
    *,
    input_folder: Path,
    output_folder: Path,
    script: Script,
    run_id: str | None,
    collection: str | None,
    progress: Progress,
) -> None:
    """Make products of what lies below `output_folder`, for the scenes below `input_folder`.

    A scene for which the script itself left an Item, or a failure file, is left as it is. Files that are of no scene,
    or of two, stay where they are.

    Raises:
        OSError: the output folder can't be written to.
    """
    sources = read_sources(input_folder)
    failures = f"runs/{file_name_for(run_id)}/failures" if run_id else "failures"
    with Staging(output_folder) as staging:
        progress.start(scenes=len(sources), script=script.name)
        files = _files_by_scene(staging.output, Owners(sources), progress, but=failures.partition("/")[0])
        for scene_id, source in sources.items():
            begun = time.monotonic()
            if staging.path(f"{failures}/{file_name_for(scene_id)}.json").exists():
                progress.scene(file_name_for(scene_id), "failed", reason="the script says so")
                continue
            try:
                made = _make(source, scene_id, files[scene_id], staging, script, collection)
            except OSError:
                raise
            except Exception as error:  # noqa: BLE001 (one bad scene must not stop the others)
                reason = str(error) if isinstance(error, InputFailure) else f"{type(error).__name__}: {error}"
                _record(staging, f"{failures}/{file_name_for(scene_id)}.json", scene_id, reason)
                progress.scene(file_name_for(scene_id), "failed", reason=reason)
            else:
                progress.scene(scene_id, "produced", files=made, seconds=round(time.monotonic() - begun, 3))


def _make(
    source: dict[str, Any],
    scene_id: str,
    paths: list[str],
    staging: Staging,
    script: Script,
    collection: str | None,
) -> int:
    """Put the scene's product in place; how many files it has. Nothing is moved before all of it is known to be good.

    Raises:
        InputFailure: with the reason why it is no product.
    """
    folder = f"{year_and_month(source['properties'])}/{check_id(scene_id)}"
    target = f"{folder}/{scene_id}.json"
    if target in paths:
        return len(paths)
    names = {path: _name(path, folder, scene_id) for path in paths}
    if not names:
        raise InputFailure(f"{script.name} ended without an error and left no file whose path holds the scene's id.")
    if len(set(names.values())) < len(names):
        raise InputFailure(f"{script.name} left two files that would have one name in the scene's folder.")
    files = [File(staging.path(path), name) for path, name in names.items()]
    item = item_of_files(source, files, scene_id=scene_id, script=script, collection=collection)
    try:
        content = as_json(item)
    except ValueError as error:
        raise InputFailure(f"What {script.name} left says of itself what no Item can hold ({error}).") from error
    for path, name in names.items():
        place = staging.path(f"{folder}/{name}")
        place.parent.mkdir(parents=True, exist_ok=True)
        # Within one folder tree, so at once; onto itself where the script put it there already.
        staging.path(path).rename(place)
    staging.place_bytes(content, target)
    return len(files)


def _name(path: str, folder: str, scene_id: str) -> str:
    """A file's name in the scene's folder: its path, but for what is there already, and for the Item's own name."""
    name = path.removeprefix(f"{folder}/")
    return f"{scene_id}_data.json" if name == f"{scene_id}.json" else name


def _files_by_scene(output: Path, owners: Owners, progress: Progress, *, but: str) -> dict[str, list[str]]:
    """Paths of files, relative to `output`, in their order; `but` names a folder of no scene."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(_files(output, progress, but=but)):
        scene_id = owners.of(path)
        if scene_id is None:
            progress.note("left as it is", level="warning", file=path, reason="its path does not hold one scene's id")
        else:
            found[scene_id].append(path)
    return found


def _files(output: Path, progress: Progress, *, but: str) -> Iterator[str]:
    """All files but links, of which the log tells: they are never uploaded."""
    for folder, folders, names in os.walk(output):
        if Path(folder) == output:
            folders[:] = [name for name in folders if name != but]
        for name in (*folders, *names):
            path = Path(folder, name)
            if path.is_symlink():
                told = path.relative_to(output).as_posix()
                progress.note("left as it is", level="warning", file=told, reason="it is a link; a job uploads none")
            elif path.is_file():
                yield path.relative_to(output).as_posix()


def _record(staging: Staging, target: str, scene_id: str, reason: str) -> None:
    # Names of files need not be UTF-8.
    reason = reason.encode("utf-8", "replace").decode("utf-8")
    # Whether the scene or the script is at fault, nobody knows; the script's log may.
    staging.place_json({"scene": scene_id, "class": "bug", "reason": reason}, target)
