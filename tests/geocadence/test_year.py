"""A year left alone: 52 weekly runs over scenes that come late, twice and anew, of which half go wrong in some way."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from geocadence.bucket import Bucket
from geocadence.instants import parse_instant
from tests.geocadence.pipeline import Pipeline, in_memory
from tests.geocadence.scenes import item

# Long past: what the catalogue changed is from before its product, by S3's own clock.
FIRST_RUN = datetime(2025, 1, 6, 6, tzinfo=UTC)
WEEKS = 52
LOOKBACK = timedelta(days=35)  # at least two runs see a scene that comes as late as can be


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
            elif n % 7 == 2:  # the same under its old id
                first = self._add(n, sensed, sensed + delay + timedelta(days=6), counter=0, baseline="05.11")
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
        return list({entry["id"]: entry for appears, entry in self.entries if appears <= now}.values())


class Year:
    """A pipeline left alone: its weekly runs, and all that happens to them."""

    def __init__(self, catalogue: Catalogue, pipeline: Pipeline, *, seed: int) -> None:
        self.catalogue, self.pipeline = catalogue, pipeline
        self.chance = random.Random(seed)  # noqa: S311
        self.happened: Counter[str] = Counter()
        self.late: dict[str, Any] | None = None  # last week's run, still at work
        self.before = ""  # what happened last week

    def week(self, n: int, *, quiet: bool) -> None:
        pipeline = self.pipeline
        pipeline.items = self.catalogue.at(pipeline.clock)
        window = {"start": (pipeline.clock - LOOKBACK).isoformat(), "end": pipeline.clock.isoformat()}
        planned = pipeline.plan(f"week-{n}", {"window": window})
        # What a lookback promises is that one bad week is made up for by the next.
        events = [event for event in EVENTS if event not in LOSES or self.before not in LOSES]
        what = self.before = "goes well" if quiet else self.chance.choice(events)
        self.happened[what] += 1
        if what == "somebody presses Start as well, or the event comes again under another name":
            second = pipeline.plan(f"week-{n}-again", {"window": window})
            assert second["planned"] == 0
            assert pipeline.close(second)["outcome"] == "empty"
        some = tuple(scene for scene in pipeline.taken(planned) if self.chance.random() < 0.5)
        if what == "is aborted half-way":
            pipeline.work(planned, but=some, is_reconciled=False)
            pipeline.abort(planned)
        elif what == "is aborted just before its close":
            pipeline.work(planned)
            pipeline.abort(planned)
        elif what == "dies after its plan":
            pipeline.abort(planned)
        elif what == "has scenes that fail":
            pipeline.work(planned, but=some)
            assert pipeline.close(planned)["failed"] == len(some)
        elif what == "is not reconciled batch by batch":
            pipeline.work(planned, is_reconciled=False)
            pipeline.close(planned)
        elif what == "is closed twice":
            pipeline.work(planned)
            assert pipeline.close(planned) == pipeline.close(planned)
        elif what == "is planned again, its first answer being lost":
            again = pipeline.plan(f"week-{n}", {"window": window})
            assert pipeline.taken(again) == pipeline.taken(planned)
            pipeline.work(again)
            pipeline.close(again)
        else:
            pipeline.work(planned)
            if what != "is still at work when the next one starts":
                pipeline.close(planned)
        if self.late is not None:
            pipeline.close(self.late)
        self.late = planned if what == "is still at work when the next one starts" else None
        pipeline.later(days=7)


EVENTS = (
    "goes well",
    "goes well",
    "somebody presses Start as well, or the event comes again under another name",
    "is aborted half-way",
    "is aborted just before its close",
    "dies after its plan",
    "has scenes that fail",
    "is not reconciled batch by batch",
    "is closed twice",
    "is planned again, its first answer being lost",
    "is still at work when the next one starts",
)


LOSES = ("is aborted half-way", "is aborted just before its close", "dies after its plan", "has scenes that fail")


@pytest.mark.parametrize(("seed", "is_over_s3"), [(1, True), (2, False)], ids=["over S3", "in memory"])
def test_a_year_of_weekly_runs_ends_with_exactly_the_right_catalogue(
    inputs: Bucket, outputs: Bucket, tmp_path: Any, seed: int, is_over_s3: bool
) -> None:
    catalogue, pipeline = Catalogue(), Pipeline(inputs, outputs, []) if is_over_s3 else in_memory([])
    inputs, outputs, pipeline.clock = pipeline.inputs, pipeline.outputs, FIRST_RUN
    year = Year(catalogue, pipeline, seed=seed)
    for week in range(WEEKS + 4):
        year.week(week, quiet=week >= WEEKS)  # the last ones fetch what comes late, and what was lost

    path = tmp_path / "items.parquet"
    outputs.fetch("ndvi/items.parquet", path)
    columns = 'id, "geocadence:baseline", "geocadence:acquisition"'
    rows = duckdb.sql(f"SELECT {columns} FROM '{path}' ORDER BY id").fetchall()  # noqa: S608
    due = set(catalogue.expected.values())
    assert {scene for scene, *_ in rows} == due
    assert len(rows) == len(due) == len({acquisition for *_, acquisition in rows})
    newest = {entry["id"]: entry["properties"]["s2:processing_baseline"] for _, entry in catalogue.entries}
    assert {scene: baseline for scene, baseline, _ in rows} == {scene: newest[scene] for scene in due}
    links = [link["href"] for link in outputs.read_json("ndvi/collection.json")["links"] if link["rel"] == "item"]
    assert sorted(href.rpartition("/")[2][:-5] for href in links) == sorted(due)
    assert all(outputs.exists(f"ndvi/{href.removeprefix('./')}") for href in links)
    # No version was worked on twice, not even where a run was aborted, failed or overlapped with the next.
    versions = Counter(entry["id"] for _, entry in catalogue.entries)
    assert {scene: times for scene, times in Counter(pipeline.jobs).items() if times > versions[scene]} == {}
    # No claim is left behind by a run that ended well.
    assert inputs.read_json("ndvi/runs/claims.json")["runs"] == []
    assert len(set(year.happened) & set(EVENTS)) >= 9
    first, last = (
        parse_instant(entry["properties"]["datetime"]) for _, entry in (catalogue.entries[0], catalogue.entries[-1])
    )
    assert last - first > timedelta(days=350)
