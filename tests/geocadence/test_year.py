"""A year left alone: 52 weekly runs over scenes that come late, twice, and anew."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from geocadence.bucket import Bucket
from geocadence.instants import parse_instant
from tests.geocadence.pipeline import Pipeline
from tests.geocadence.scenes import item

FIRST_RUN = datetime(2026, 1, 5, 6, tzinfo=UTC)
WEEKS = 52
LOOKBACK = timedelta(days=28)


class Catalogue:
    """What a STAC API would give at any time of the year: every sixth day a scene of one of two tiles."""

    def __init__(self) -> None:
        chance = random.Random(2026)  # noqa: S311
        self.entries: list[tuple[datetime, dict[str, Any]]] = []  # when it appears, and the Item
        self.expected: dict[str, str] = {}  # acquisition → id of the version that must stand in the end
        for n in range(WEEKS * 7 // 6):
            sensed = FIRST_RUN - timedelta(days=6) + timedelta(days=6 * n, hours=5)
            # Most come within a day; some weeks later, yet within the lookback.
            delay = timedelta(days=chance.choice([1, 1, 1, 1, 9, 13]))
            first = self._add(n, sensed, sensed + delay, counter=0, baseline="05.10")
            if n % 5 == 3:  # the catalogue lists it a second time, under another counter
                first = self._add(n, sensed, sensed + delay, counter=1, baseline="05.10")
            if n % 7 == 5:  # reprocessed, while the lookback still holds it
                first = self._add(n, sensed, sensed + delay + timedelta(days=6), counter=2, baseline="05.11")
            self.expected[str(n)] = first

    def _add(self, n: int, sensed: datetime, appears: datetime, *, counter: int, baseline: str) -> str:
        scene = f"S2B_29SN{'BC'[n % 2]}_{sensed:%Y%m%d}_{counter}_L2A"
        properties = {
            "datetime": f"{sensed:%Y-%m-%dT%H:%M:%SZ}",
            "updated": f"{appears + timedelta(minutes=counter):%Y-%m-%dT%H:%M:%SZ}",
            "s2:processing_baseline": baseline,
        }
        self.entries.append((appears, item(n % 12, id=scene, properties=properties)))
        return scene

    def at(self, now: datetime) -> list[dict[str, Any]]:
        return [entry for appears, entry in self.entries if appears <= now]


def test_a_year_of_weekly_runs_ends_with_exactly_the_right_catalogue(
    inputs: Bucket, outputs: Bucket, tmp_path: Any
) -> None:
    catalogue, pipeline = Catalogue(), Pipeline(inputs, outputs, [])
    pipeline.clock = FIRST_RUN
    for week in range(WEEKS + 4):  # the last ones fetch what comes late
        pipeline.items = catalogue.at(pipeline.clock)
        window = {"start": (pipeline.clock - LOOKBACK).isoformat(), "end": pipeline.clock.isoformat()}
        planned = pipeline.plan(f"week-{week}", {"window": window})
        if week % 10 == 4:  # somebody presses Start as well
            second = pipeline.plan(f"week-{week}-again", {"window": window})
            assert second["planned"] == 0
            pipeline.close(second)
        if week % 13 == 7:  # aborted half-way, and never closed
            pipeline.work(planned, but=tuple(pipeline.taken(planned)[1:]))
            pipeline.abort(planned)
        else:
            pipeline.work(planned)
            pipeline.close(planned)
        pipeline.later(days=7)

    path = tmp_path / "items.parquet"
    outputs.fetch("ndvi/items.parquet", path)
    rows = duckdb.sql(f"SELECT id, \"geocadence:baseline\" FROM '{path}' ORDER BY id").fetchall()  # noqa: S608
    due = {entry["id"] for appears, entry in catalogue.entries if entry["id"] in catalogue.expected.values()}
    assert {scene for scene, _ in rows} == due
    assert len(rows) == len(due)
    links = outputs.read_json("ndvi/collection.json")["links"]
    assert sorted(link["href"].rpartition("/")[2][:-5] for link in links if link["rel"] == "item") == sorted(due)
    # Nobody was worked on twice, not even where a run was aborted.
    assert {scene: times for scene, times in Counter(pipeline.jobs).items() if times > 1} == {}
    first, last = (
        parse_instant(entry["properties"]["datetime"]) for _, entry in (catalogue.entries[0], catalogue.entries[-1])
    )
    assert last - first > timedelta(days=350)
