"""One scene's indices: its files opened, its blocks computed, its COGs written and their preview painted."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spectral import mask as masks
from spectral import radiometry
from spectral.area import MEMBER, Area, Clip
from spectral.bands import find_band, find_mask
from spectral.cog import CogWriter
from spectral.engine import Band, Job, common_grid, in_order, units
from spectral.failures import InputFailure
from spectral.grids import Grid
from spectral.indices import Index
from spectral.item import Written
from spectral.opening import open_asset
from spectral.preview import write_preview
from spectral.reading import Source
from spectral.resources import Resources
from spectral.scenes import Scene
from spectral.sensors import Sensor
from spectral.settings import Settings
from spectral.statistics import Statistics


@dataclass(frozen=True)
class Computed:
    """What a scene's pixels turned into.

    Attributes:
        dark: of each band, how often sampled clear pixels have each DN.
        preview: the picture of the first index.
        legend: what its colours mean.
        hidden: the classes that the mask left out; None without a mask.
        pixels: of the product's grid.
        masked: how many of them the mask left out.
        inside: how many of them are in the area; None without an area.
    """

    written: list[Written]
    preview: Path
    legend: dict[str, Any]
    grid: Grid
    bands: dict[str, Band]
    mask: Source | None
    hidden: masks.Chosen | None
    dark: dict[str, np.ndarray]
    pixels: int
    masked: int
    inside: int | None


def compute(
    scene: Scene, scene_id: str, sensor: Sensor, settings: Settings, scratch: Path, resources: Resources
) -> Computed:
    """The indices as COGs in `scratch`, with a preview.

    Raises:
        InputFailure, TransientFailure: with the reason.
        OSError: the disk is full.
    """
    area = _area(scene, settings)
    with ExitStack() as written_to, ExitStack() as read_from:
        bands, mask = _sources(scene, sensor, settings, resources, read_from)
        grid = common_grid(bands, mask, settings.resolution)
        hidden = sensor.mask.choose(settings.mask) if mask and sensor.mask else None
        clip = area.on(grid) if area else None
        job = Job(grid, bands, settings.indices, mask, hidden, clip)
        read_from.callback(job.close)
        writers = _writers(scene_id, grid, settings, scratch, written_to)
        size = next(iter(writers.values())).unit
        planned = units(grid, size, _touched(clip, size))
        # What is far begins to arrive while the scene before is still computed.
        job.plan(planned, memory=resources.ahead)
        statistics = {index.name: Statistics(packed=index.packed) for index in settings.indices}
        dark = {symbol: np.zeros(radiometry.SATURATED + 1, dtype=np.int64) for symbol in bands}
        masked = inside = 0
        with resources.turn:
            work = partial(job.compute, writers=writers, statistics=statistics)
            ahead = resources.blocks(job.working_bytes(size), job.result_bytes(size))
            for block in in_order(resources.pool, work, planned, ahead=ahead):
                resources.check()
                masked += block.masked
                inside += block.inside
                for symbol, counts in block.dark.items():
                    dark[symbol][: counts.size] += counts
                for name, writer in writers.items():
                    writer.add(block.unit.row, block.unit.column, block.squares[name])
                    statistics[name].add(block.tallies[name], block.clipped[name])
            # The scene whose turn is next takes the same memory again.
            read_from.close()
        pixels = grid.width * grid.height
        for one in statistics.values():
            one.add_nodata(pixels - one.pixels)
        preview = scratch / f"{scene_id}_preview.png"
        written, legend = _finished(settings.indices, writers, statistics, preview, resources)
    return Computed(written, preview, legend, grid, bands, mask, hidden, dark, pixels, masked, inside if clip else None)


def _finished(
    indices: tuple[Index, ...],
    writers: dict[str, CogWriter],
    statistics: dict[str, Statistics],
    preview: Path,
    resources: Resources,
) -> tuple[list[Written], dict[str, Any]]:
    """The COGs written and hashed, and the first one painted: all at the same time. Also the preview's legend."""
    found = {name: one.result() for name, one in statistics.items()}
    # Enough of them that a thread finds another when its own is done.
    ahead = 2 * resources.threads
    for _ in in_order(resources.pool, CogWriter.complete, writers.values(), ahead=ahead):
        pass
    calls = [step for index in indices for step in (writers[index.name].write, writers[index.name].digest)]
    written, legend = [], None
    # Closed before the writers are, whatever happens: they are read from until then.
    with closing(in_order(resources.pool, lambda call: call(), calls, ahead=ahead)) as results:
        for index in indices:
            writer, clipped = writers[index.name], statistics[index.name].clipped
            next(results)
            # By this thread, as it has opened files before: a thread's first look at a coordinate system takes 10 ms.
            legend = legend or write_preview(writer.path, preview, index, found[index.name])
            written.append(Written(index, writer.path, next(results), found[index.name], clipped))
            writer.close()  # the disk need not hold all drafts beside all files
    return written, legend


def _sources(
    scene: Scene, sensor: Sensor, settings: Settings, resources: Resources, opened: ExitStack
) -> tuple[dict[str, Band], Source | None]:
    """The bands that the indices need and the mask, open for reading until `opened` is closed."""

    def source(key: str, asset: dict[str, Any]) -> Source:
        found = open_asset(asset, scene.base, f"Asset {key}", resources.fetcher)
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
    return bands, source(*found) if found else None


def _writers(scene_id: str, grid: Grid, settings: Settings, scratch: Path, opened: ExitStack) -> dict[str, CogWriter]:
    writers = {}
    for index in settings.indices:
        writers[index.name] = CogWriter(
            scratch / f"{scene_id}_{index.file_part}.tif",
            index,
            grid,
            compression=settings.compression,
            tags={"INDEX": index.name, "FORMULA": index.formula.text, "SCENE": scene_id},
        )
        opened.callback(writers[index.name].close)
    return writers


def _area(scene: Scene, settings: Settings) -> Area | None:
    document = scene.item.get(MEMBER)
    if document is None:
        return settings.area
    try:
        return Area.of(document)
    except (RecursionError, ValueError) as error:
        raise InputFailure(f"The item's {MEMBER} can't be used: {error}.") from error


def _touched(clip: Clip | None, size: int) -> np.ndarray | None:
    if clip is None:
        return None
    touched = clip.touched(size)
    if not touched.any():
        raise InputFailure("The area lies outside of the scene.")
    return touched
