"""One scene to one product: the order in which everything else is used."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spectral import mask as masks
from spectral import radiometry
from spectral.bands import THERMAL, find_band, find_mask
from spectral.cog import CogWriter
from spectral.engine import Band, Job, common_grid, in_order, units
from spectral.failures import check_id
from spectral.hrefs import gdal_path
from spectral.indices import Index
from spectral.item import Written, item_of
from spectral.moments import year_and_month
from spectral.opening import open_source
from spectral.preview import write_preview
from spectral.reading import Source
from spectral.scenes import Scene
from spectral.sensors import Sensor, sensor_of
from spectral.staging import Staging
from spectral.statistics import Statistics


@dataclass(frozen=True)
class Settings:
    """What the arguments ask for, the same for every scene."""

    indices: tuple[Index, ...]
    mask: tuple[str, ...] = (masks.DEFAULT,)  # words as `mask.parse_mask` gives them; none: no mask
    offset: float | None = None  # None: by the policy in `radiometry`
    collection: str | None = None
    compression: str = "zstd"
    threads: int = 2


@dataclass(frozen=True)
class Product:
    """What a scene turned into: the Item, where it is, and what a person should know."""

    item: dict[str, Any]
    path: Path
    warnings: list[str]


def produce(scene: Scene, settings: Settings, staging: Staging) -> Product:
    """Compute, write and put in place one scene's product; its Item comes last.

    Raises:
        InputFailure, TransientFailure: with the reason; nothing of the product is in place then.
    """
    scene_id = check_id(scene.id)
    folder = f"{year_and_month(scene.item['properties'])}/{scene_id}"
    scratch = staging.scratch()
    try:
        sensor = sensor_of(scene.item)
        with _sources(scene, settings, sensor) as (bands, mask):
            written, decisions, warnings, grid = _compute(scene_id, sensor, settings, bands, mask, scratch)
        preview = scratch / f"{scene_id}_preview.png"
        decisions["geocadence:preview_range"] = list(
            write_preview(written[0].path, preview, written[0].index, written[0].statistics)
        )
        item = item_of(
            scene.item,
            scene_id=scene_id,
            grid=grid,
            written=written,
            preview=preview,
            lineage=_lineage(scene_id, settings, decisions),
            decisions=decisions,
            collection=settings.collection,
        )
        target = f"{folder}/{scene_id}.json"
        # While files of an older product are replaced, its Item must not vouch for them.
        staging.path(target).unlink(missing_ok=True)
        for file in (*(one.path for one in written), preview):
            staging.place(file, f"{folder}/{file.name}")
        return Product(item, staging.place_json(item, target), warnings)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _sources(scene: Scene, settings: Settings, sensor: Sensor) -> Iterator[tuple[dict[str, Band], Source | None]]:
    """The bands that the indices need and the mask, open for reading."""
    with ExitStack() as opened:

        def source(key: str, asset: dict[str, Any]) -> Source:
            found = open_source(gdal_path(asset.get("href"), scene.base), f"Asset {key}")
            opened.callback(found.close)
            return found

        bands: dict[str, Band] = {}
        for symbol in dict.fromkeys(symbol for index in settings.indices for symbol in index.bands):
            key, asset = find_band(scene.item, symbol, sensor)
            decision = radiometry.decide(
                scene.item, asset, sensor=sensor, symbol=symbol, override=settings.offset, shape=scene.shape
            )
            band = source(key, asset)
            if decision.nodata is None:
                decision = replace(decision, nodata=band.nodata)
            bands[symbol] = Band(symbol, key, band, decision)
        found = find_mask(scene.item, sensor) if settings.mask else None
        yield bands, source(*found) if found else None


def _compute(scene_id, sensor, settings, bands, mask, scratch):
    """The indices' files, in `scratch`, and what was decided on the way."""
    grid = common_grid(bands, mask)
    statistics = {index.name: Statistics(packed=index.packed) for index in settings.indices}
    dark = {symbol: np.zeros(radiometry.SATURATED + 1, dtype=np.int64) for symbol in bands}
    writers = {
        index.name: CogWriter(
            scratch / f"{scene_id}_{index.file_part}.tif",
            index,
            grid,
            compression=settings.compression,
            tags={"INDEX": index.name, "FORMULA": index.formula.text, "SCENE": scene_id},
        )
        for index in settings.indices
    }
    masked = 0
    hidden = sensor.mask.choose(settings.mask) if mask and sensor.mask else None
    job = Job(grid, bands, settings.indices, mask, hidden)
    planned = units(grid, next(iter(writers.values())).unit)
    job.plan(planned)
    try:
        with ThreadPoolExecutor(settings.threads) as pool:
            work = partial(job.compute, writers=writers)
            for block in in_order(pool, work, planned, ahead=2 * settings.threads):
                masked += block.masked
                for symbol, counts in block.dark.items():
                    dark[symbol] += counts
                for name, writer in writers.items():
                    writer.add(block.unit.row, block.unit.column, block.packed[name])
                    statistics[name].add(block.tallies[name], block.clipped[name])
        digests = {name: writer.finish() for name, writer in writers.items()}
    finally:
        for writer in writers.values():
            writer.abandon()
    offset, warnings = _offset_record(bands, dark, sensor)
    decisions = {
        "geocadence:sensor": sensor.title,
        "geocadence:bands": {symbol: band.key for symbol, band in bands.items()},
        "geocadence:offset": offset,
        "geocadence:mask": _mask_record(settings, sensor, mask, hidden, masked / (grid.width * grid.height)),
    }
    if settings.mask and hidden is None:
        warnings.append(f"{decisions['geocadence:mask']['reason'].removesuffix('.')}: nothing was masked.")
    elif hidden and hidden.unknown:
        warnings.append(f"The {sensor.mask.title} has no class {' or '.join(hidden.unknown)}.")
    written = [
        Written(
            index,
            writers[index.name].path,
            digests[index.name],
            statistics[index.name].result(),
            statistics[index.name].clipped,
        )
        for index in settings.indices
    ]
    warnings += [f"{one.clipped} pixels of {one.index.name} were clipped to ±3.2767." for one in written if one.clipped]
    return written, decisions, warnings, grid


def _offset_record(
    bands: dict[str, Band], dark: dict[str, np.ndarray], sensor: Sensor
) -> tuple[dict[str, Any], list[str]]:
    """`geocadence:offset`: what was applied and why, by band where bands differ; and what looks wrong."""
    # The darkest band tells most: over vegetation that is red, never nir.
    darkest: dict[str, int] = {}
    for symbol, histogram in dark.items():
        found = None if symbol in THERMAL else radiometry.dark_dn(histogram)
        if found is not None:
            darkest[symbol] = found
    first_band = min(bands, key=lambda symbol: symbol in THERMAL)
    symbol = min(darkest, key=darkest.__getitem__, default=first_band)
    first = bands[symbol].radiometry
    verdict, sentence = radiometry.plausible(
        dark=darkest.get(symbol), offset=first.offset, scale=first.scale, sensor=sensor
    )
    record = {
        "value": first.offset,
        "scale": first.scale,
        "source": first.source,
        "reason": first.reason,
        "plausible": verdict,
        "check": f"{bands[symbol].key}: {sentence}",
    }
    if any((band.radiometry.offset, band.radiometry.scale) != (first.offset, first.scale) for band in bands.values()):
        record["bands"] = {
            band.key: {"value": band.radiometry.offset, "scale": band.radiometry.scale} for band in bands.values()
        }
    warnings = [f"Offset {first.offset:g} ({first.source}): {sentence}"] if verdict is False else []
    if first.source == "unknown":
        warnings.append(first.reason)
    return record, warnings


def _mask_record(
    settings: Settings, sensor: Sensor, mask: Source | None, hidden: masks.Chosen | None, share: float
) -> dict[str, Any]:
    if not settings.mask:
        return {"applied": False, "reason": "The arguments ask for no mask."}
    if mask is None or hidden is None:
        return {"applied": False, "reason": f"The scene has no {sensor.mask.title if sensor.mask else 'mask band'}."}
    return {
        "applied": True,
        "asset": mask.name.removeprefix("Asset "),
        "classes": list(hidden.names),
        **({"unknown_classes": list(hidden.unknown)} if hidden.unknown else {}),
        "masked_percent": round(100 * share, 4),
    }


def _lineage(scene_id: str, settings: Settings, decisions: dict[str, Any]) -> str:
    offset, mask = decisions["geocadence:offset"], decisions["geocadence:mask"]
    names = ", ".join(index.name for index in settings.indices)
    if mask["applied"]:
        masking = f"without pixels of the classes {', '.join(mask['classes'])} of {mask['asset']}"
    else:
        masking = f"without a mask ({mask['reason'].rstrip('.')})"
    return (
        f"{names} from reflectance of {scene_id} (DN × {offset['scale']:g} {offset['value']:+g}; "
        f"{offset['source']}), {masking}; reflectance ≤ 0 and saturated pixels left out."
    )
