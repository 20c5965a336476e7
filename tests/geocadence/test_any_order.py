"""Whatever comes in whatever order: deliveries and runs at random, and what always holds of the catalogue.

The simulated year (`test_year`) goes through one catalogue's ordinary life; here hypothesis looks for the order of
events that nobody thought of. What is expected is counted in halves of a tile, not by footprints.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import duckdb
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from geocadence.instants import parse_instant
from geocadence.layout import product_item
from geocadence.plan.claims import ClaimGone
from geocadence.plan.recipe import recipe_of
from tests.geocadence.pipeline import in_memory, linked
from tests.geocadence.scenes import item

DAYS = (2, 3)
# The ids of one acquisition by what they cover of the tile: west and east half.
HALVES = {"0": "we", "1": "we", "2": "w", "3": "w", "4": "e", "5": "e"}
BOUNDS = {"we": (-8.0, -7.0), "w": (-8.0, -7.5), "e": (-7.51, -7.0)}


def delivered(day: int, counter: str, baseline: int) -> dict[str, Any]:
    """They overlap by a fiftieth, as parts of split tiles do."""
    source = item(day)
    west, east = BOUNDS[HALVES[counter]]
    ring = [[west, 38.0], [east, 38.0], [east, 39.0], [west, 39.0], [west, 38.0]]
    told = {"s2:processing_baseline": f"05.{baseline}", "updated": "2026-11-20T00:00:00Z"}
    return source | {
        "id": f"S2B_29SNB_{source['properties']['datetime'][:10].replace('-', '')}_{counter}_L2A",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": source["properties"] | told,
    }


class Row(NamedTuple):
    scene: str
    baseline: str
    etag: str
    recipe: str

    @property
    def halves(self) -> list[tuple[str, str]]:
        """(day, half)"""
        _, _, day, counter, _ = self.scene.split("_")
        return [(day, half) for half in HALVES[counter]]


def newest(rows: Iterable[Row]) -> dict[tuple[str, str], str]:
    best: dict[tuple[str, str], str] = defaultdict(str)
    for row in rows:
        for half in row.halves:
            best[half] = max(best[half], row.baseline)
    return best


class Catalogue(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.pipeline = in_memory([])
        self.listed: dict[str, dict[str, Any]] = {}
        self.newest_listed: dict[str, int] = {}
        self.going: list[dict[str, Any]] = []
        self.aborted: list[dict[str, Any]] = []
        self.runs = 0
        self.ever: dict[tuple[str, str], str] = {}
        self.read: tuple[str | None, list[Row]] = (None, [])

    # What the catalogue of the source does

    @rule(day=st.sampled_from(DAYS), counter=st.sampled_from(sorted(HALVES)), baseline=st.integers(10, 13))
    def is_delivered(self, day: int, counter: str, baseline: int) -> None:
        """New, a second time, processed anew, or late; under one id never an older version than ever before."""
        found = delivered(day, counter, baseline)
        if self.newest_listed.get(found["id"], 0) <= baseline:
            self.newest_listed[found["id"]] = baseline
            self.listed[found["id"]] = found

    @precondition(lambda self: self.listed)
    @rule(data=st.data())
    def is_withdrawn(self, data: st.DataObject) -> None:
        self.listed.pop(data.draw(st.sampled_from(sorted(self.listed))))

    # What people do

    @rule()
    def the_recipe_changes(self) -> None:
        arguments = self.pipeline.definition["processing"]["arguments"]
        arguments["edition"] = arguments.get("edition", 1) + 1

    # What runs do

    def _plan(self, day: int | None = None) -> dict[str, Any]:
        """Over everything, or a day."""
        self.runs += 1
        self.pipeline.later(minutes=1)
        self.pipeline.items = list(self.listed.values())
        window = {"window": {"start": f"2026-11-{day + 1:02}", "end": f"2026-11-{day + 2:02}"}} if day else {}
        return self.pipeline.plan(f"run-{self.runs}", window)

    def _work(self, planned: dict[str, Any], fails: int, *, is_redriven: bool = False) -> None:
        """`fails` says in its bits which scenes do."""
        taken = self.pipeline.taken(planned)
        lost = tuple(scene for n, scene in enumerate(taken) if fails >> n & 1)
        self.pipeline.work(planned, but=lost, is_redriven=is_redriven)

    @rule(fails=st.integers(0, 7), day=st.none() | st.sampled_from(DAYS))
    def a_run(self, fails: int, day: int | None) -> None:
        planned = self._plan(day)
        self._work(planned, fails)
        self.pipeline.close(planned)
        self.look()

    @precondition(lambda self: len(self.going) < 2)
    @rule(day=st.none() | st.sampled_from(DAYS))
    def starts(self, day: int | None) -> None:
        self.going.append(self._plan(day))

    @precondition(lambda self: self.going)
    @rule(fails=st.integers(0, 7), last=st.booleans())
    def ends(self, fails: int, last: bool) -> None:
        planned = self.going.pop(-1 if last else 0)
        self._work(planned, fails)
        self.pipeline.close(planned)
        self.look()

    @precondition(lambda self: self.going)
    @rule(fails=st.integers(0, 7), works=st.booleans())
    def is_aborted(self, fails: int, works: bool) -> None:
        planned = self.going.pop()
        if works:
            self._work(planned, fails)
        self.pipeline.abort(planned)
        self.aborted.append(planned)

    @precondition(lambda self: self.aborted)
    @rule(fails=st.integers(0, 7))
    def is_redriven(self, fails: int) -> None:
        """From WriteBatch on, wherever it was stopped."""
        planned = self.aborted.pop()
        self.pipeline.at_work.add(planned["arn"])
        with suppress(ClaimGone):
            self._work(planned, fails, is_redriven=True)
        self.pipeline.close(planned)
        self.look()

    # What holds

    def rows(self) -> list[Row]:
        body, etag = self.pipeline.outputs.read_with_etag("ndvi/items.parquet")
        if body is not None and etag != self.read[0]:
            with TemporaryDirectory() as folder:
                path = f"{folder}/items.parquet"
                with open(path, "wb") as file:  # noqa: PTH123
                    file.write(body)
                columns = 'id, "geocadence:baseline", "geocadence:etag", "geocadence:recipe"'
                found = duckdb.sql(f"SELECT {columns} FROM '{path}'").fetchall()  # noqa: S608
            self.read = (etag, [Row(*each) for each in found])
        return self.read[1]

    def look(self) -> None:
        """What a reader had it has in the same version or a newer one, and links lead to what is in the table."""
        rows = self.rows()
        there = newest(rows)
        lost = {half: version for half, version in self.ever.items() if there[half] < version}
        assert not lost, (lost, rows)
        self.ever |= there
        if rows:
            assert Counter(linked(self.pipeline)) == Counter(row.scene for row in rows)

    def teardown(self) -> None:
        if not hasattr(self, "pipeline"):
            return
        for planned in self.going:
            self.pipeline.abort(planned)
        self.runs_well()
        rows = self.rows()
        wanted = newest(
            Row(scene, each["properties"]["s2:processing_baseline"], "", "") for scene, each in self.listed.items()
        )
        assert {half: newest(rows)[half] for half in wanted} == {
            half: max(version, self.ever.get(half, "")) for half, version in wanted.items()
        }
        for row in rows:
            others = newest(other for other in rows if other is not row)
            assert any(others[half] < row.baseline for half in row.halves), (row, rows)
        for row in rows:
            if row.scene in self.listed:
                instant = parse_instant(self.listed[row.scene]["properties"]["datetime"])
                body, etag = self.pipeline.outputs.read_with_etag(product_item("ndvi", row.scene, instant))
                assert body is not None
                assert etag == row.etag
                assert row.recipe == recipe_of(self.pipeline.definition)
        assert self.runs_well()["outcome"] == "empty"

    def runs_well(self) -> dict[str, Any]:
        planned = self._plan()
        self._work(planned, 0)
        closed = self.pipeline.close(planned)
        self.look()
        return closed


Catalogue.TestCase.settings = settings(
    max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyOrder = Catalogue.TestCase
