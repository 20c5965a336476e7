"""One scene to one product: the order in which everything else is used."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spectral import mask as masks
from spectral import radiometry
from spectral.computing import Computed, compute
from spectral.engine import Band
from spectral.failures import check_id
from spectral.item import item_of
from spectral.moments import year_and_month
from spectral.reading import Source
from spectral.resampling import OnGrid
from spectral.resources import Resources
from spectral.scenes import Scene
from spectral.sensors import Sensor, sensor_of
from spectral.settings import Settings
from spectral.staging import Staging, as_json
from spectral.symbols import THERMAL


@dataclass(frozen=True)
class Product:
    """What a scene turned into: the Item, where it is, and what a person should know."""

    item: dict[str, Any]
    path: Path
    warnings: list[str]


def produce(scene: Scene, settings: Settings, staging: Staging, resources: Resources) -> Product:
    """Compute, write and put in place one scene's product; its Item comes last.

    Raises:
        InputFailure, TransientFailure: with the reason; nothing of the product is in place then.
    """
    scene_id = check_id(scene.id)
    folder = f"{year_and_month(scene.item['properties'])}/{scene_id}"
    scratch = staging.scratch()
    try:
        sensor = sensor_of(scene.item)
        computed = compute(scene, scene_id, sensor, settings, scratch, resources)
        written = computed.written
        decisions, warnings = _decisions(settings, sensor, computed)
        item = item_of(
            scene.item,
            scene_id=scene_id,
            grid=computed.grid,
            written=written,
            preview=computed.preview,
            legend=computed.legend,
            lineage=_lineage(scene_id, settings, decisions),
            decisions=decisions,
            collection=settings.collection,
        )
        content = as_json(item)  # what can't be written down takes nothing from an older product
        target = f"{folder}/{scene_id}.json"
        # While files of an older product are replaced, its Item must not vouch for them.
        staging.path(target).unlink(missing_ok=True)
        for file in (*(one.path for one in written), computed.preview):
            staging.place(file, f"{folder}/{file.name}")
        return Product(item, staging.place_bytes(content, target), warnings)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _decisions(settings: Settings, sensor: Sensor, computed: Computed) -> tuple[dict[str, Any], list[str]]:
    """The Item's `geocadence:` properties, and what a person should know."""
    bands, hidden = computed.bands, computed.hidden
    offset, warnings = _offset_record(bands, computed.dark, sensor)
    decisions = {
        "geocadence:sensor": sensor.title,
        "geocadence:bands": {symbol: band.key for symbol, band in bands.items()},
        "geocadence:offset": offset,
        "geocadence:mask": _mask_record(settings, sensor, computed.mask, hidden, computed.masked / computed.pixels),
    }
    if resampled := _resampled(computed):
        decisions["geocadence:resampling"] = resampled
    if computed.inside is not None:
        decisions["geocadence:area_percent"] = round(100 * computed.inside / computed.pixels, 4)
        if not computed.inside:
            warnings.append("No pixel has its centre in the area: all of the product is nodata.")
    if settings.mask and hidden is None:
        warnings.append(f"{decisions['geocadence:mask']['reason'].removesuffix('.')}: nothing was masked.")
    elif hidden and hidden.unknown:
        warnings.append(f"The {sensor.mask.title} has no class {' or '.join(hidden.unknown)}.")
    warnings += [
        f"{one.clipped} pixels of {one.index.name} were clipped to ±3.2767." for one in computed.written if one.clipped
    ]
    return decisions, warnings


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


def _resampled(computed: Computed) -> dict[str, str]:
    """By asset, what became of pixels of another size than the product's."""
    bands = {band.key: OnGrid(band.source, computed.grid).how for band in computed.bands.values()}
    if computed.mask and computed.hidden and OnGrid(computed.mask, computed.grid).how:
        bands[computed.mask.name.removeprefix("Asset ")] = "nearest"
    return {key: how for key, how in bands.items() if how}


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
