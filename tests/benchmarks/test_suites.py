"""Two methods really run side by side on a small scene, and what comes of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import spyndex

from benchmarks.agreement import Disagreement
from benchmarks.bench import Bench
from benchmarks.harness import Cost, free_cores
from benchmarks.methods import AWS, METHODS, OURS
from benchmarks.results import Target, at_least, at_most, markdown, save
from benchmarks.suites import SUITES, indices, scale, tile

FACTS = {
    "date": "2026-11-22T20:00:00+00:00", "size": 1100, "rounds": 1, "cores_used": 2, "cores": 2, "cpu": "a CPU",
    "memory_gb": 16, "kernel": "Linux 6", "commit": "abc", "quiet": True,
}  # fmt: skip


@pytest.fixture
def bench(small_scene, monkeypatch) -> Bench:
    told: list[str] = []
    made = Bench(size=1100, rounds=1, say=told.append, cores=free_cores()[:2])
    monkeypatch.setattr(Bench, "scene_of", lambda self, size: small_scene)
    return made


def test_a_tile_by_two_methods_and_one_that_is_not_there(bench, tmp_path):
    absent = replace(METHODS[4], needs="no-such-program")
    result = tile.run(bench, (OURS, AWS, absent))
    ours, aws, missing = result.rows
    assert (ours["wall_ratio"], ours["cpu_ratio"]) == (1, 1)
    assert aws["wall_ratio"] == pytest.approx(aws["wall"] / ours["wall"])
    assert ours["error"] <= 5.1e-5
    assert aws["error"] <= 1e-6
    assert min(ours["peak_mb"], aws["peak_mb"]) > 50
    assert missing["output"] == "not measured: `no-such-program` is not on this machine"
    assert [target.met for target in result.targets[2:]] == [None]
    path = save(result, FACTS, tmp_path / "results")
    assert path.name == "2026-11-22-tile"
    kept = json.loads(path.with_suffix(".json").read_text())
    assert [list(kept["raw"]), len(kept["raw"]["aws"])] == [["geocadence", "aws"], 1]
    absent_row = "| gdal_calc | not measured: `no-such-program` is not on this machine | – |"
    assert absent_row in path.with_suffix(".md").read_text()


def test_five_indices_stand_beside_what_they_take_at_least(bench, tmp_path, monkeypatch):
    parts = {"inflate": 1.5, "kernel": 0.35, "encode": 0.42}
    # The floor itself needs what only `make bench` installs; what is made of its answer is held here.
    floor = tmp_path / "python"
    floor.write_text(f"#!/bin/sh\nfor last; do :; done\necho '{json.dumps({'parts': parts})}' > \"$last\"\n")
    floor.chmod(0o755)
    monkeypatch.setattr("benchmarks.suites.floor.PEERS_PYTHON", floor)
    told: list[str] = []
    result = indices.run(replace(bench, say=told.append))
    # What is timed has been compared with plain numpy before.
    first = next(number for number, line in enumerate(told) if line.startswith("["))
    checked = {tuple(line.partition(" agrees on")[0].split(": ")) for line in told[:first] if "agrees on" in line}
    assert checked == {("NDVI", "NDVI"), *((five.key, name) for five in indices.SETS for name in five.names)}
    one, *fives = result.rows
    assert len(fives) == 4
    for five, apart in (fives[:2], fives[2:]):
        assert 0 < five["cpu"] < apart["cpu"]
    for bands, note in ((4, result.notes[0]), (2, result.notes[1])):
        least = (bands / 2 * 1.5 + 0.35 + 5 * 0.42) / (1.5 + 0.35 + 0.42)
        assert f"at least {least:.2f} × the CPU" in note
    assert [target.measured for target in result.targets] == [
        fives[row][figure] / one[figure] for row in (0, 2) for figure in ("cpu", "wall")
    ]


@pytest.mark.parametrize("five", indices.SETS, ids=lambda five: five.key)
def test_five_indices_need_as_many_bands_as_their_row_says(five):
    symbols = {symbol for name in five.names for symbol in spyndex.indices[name].bands}
    assert (len(five.names), len(symbols & set(spyndex.bands))) == (5, five.bands)


def test_a_method_that_computes_something_else_is_not_timed(bench):
    copies_red = lambda task, folder: ["cp", task.href("red"), folder / "ndvi_red.tif"]  # noqa: E731
    wrong = replace(AWS, command=copies_red)
    with pytest.raises(Disagreement, match="is off by up to"):
        bench.verify(wrong, bench.task, wrong.run(bench.task))


def test_a_busy_machine_and_missed_targets_stand_in_the_table():
    from benchmarks.results import Chart, Column, Result

    result = Result(
        "tile", "A title", [Column("what", "what"), Column("wall", "wall s", 1)], [{"what": "ours", "wall": 1.25}],
        Chart("bars", "what", ("wall",), "s"), [at_least("speed", 4, 3.2), at_least("other", 1, None)],
    )  # fmt: skip
    text = markdown(result, {**FACTS, "quiet": False}, image="x.svg")
    assert "| speed | ≥ 4 × | 3.20 | **no** |" in text
    assert "| other | ≥ 1 × | – | not measured |" in text
    assert "| ours | 1.2 |" in text
    assert "The machine was busy" in text
    assert "busy" not in markdown(result, FACTS, image="x.svg")


def test_targets_are_met_at_their_limit():
    assert at_least("a", 4, 4.0) == Target("a", "≥ 4 ×", 4.0, True)
    assert at_most("a", 400, 400.0, "MB") == Target("a", "≤ 400 MB", 400.0, True)
    assert at_least("a", 4, 3.99).met is False
    assert at_most("a", 2, 2.01).met is False


def test_every_suite_is_called_by_the_name_of_its_results():
    assert set(SUITES) >= {"tile", "floor", "memory", "remote", "area", "cores", "shard", "indices"}
    assert len({method.key for method in METHODS}) == len(METHODS)


def test_scale_holds_what_an_aborted_run_left_to_the_same_limits_as_the_rest():
    cost = Cost(wall=1.0, cpu=1.0, peak_mb=100.0)
    point = dict.fromkeys(scale.STEPS, cost) | {"scenes": 100_000, "state_bytes": 189}
    slow = Cost(wall=61.0, cpu=60.0, peak_mb=513.0)
    met = {target.what: target.met for target in scale.result_of([point]).targets}
    assert set(met.values()) == {True}
    for step, what in (("adopt", "planning over what"), ("adopt_close", "committing what")):
        found = scale.result_of([point | {step: slow}]).targets
        missed = [target.what for target in found if not target.met]
        assert missed == [f"100,000 scenes, {what} an aborted run left{end}" for end in ("", ": peak memory")]
