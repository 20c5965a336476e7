"""Planning and closing runs of up to 100,000 scenes: what their functions take, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.harness import CommandFailed, Run, clean_environment, measure, output_folder
from benchmarks.places import CACHE, ROOT
from benchmarks.results import Chart, Column, Result, Target, at_most
from benchmarks.scale import PIPELINE

SCENES = (10_000, 25_000, 50_000, 100_000)
# Seconds before S3's first byte: some tens of milliseconds within a region.
S3_LATENCY = 0.02
# What issue and definition allow: a function's memory is 1769 MB, where it has one whole processor.
MOST_SECONDS, MOST_MB = 60, 512

PYTHON = ROOT / ".venv" / "bin" / "python"
RUSTAC = ROOT / ".venv" / "bin" / "rustac"
_YEAR = {"start": "2026-01-01T00:00:00Z", "end": "2027-01-01T00:00:00Z"}
_AREA = {"type": "Polygon", "coordinates": [[[-20, 30], [20, 30], [20, 50], [-20, 50], [-20, 30]]]}
_DIRECT = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_IN_FULL = {
    "plan_rustac": "plan (rustac)",
    "plan": "plan",
    "close": "close",
    "again": "plan again",
    "adopt": "plan after an abort",
    "adopt_close": "close after an abort",
}
_IN_SHORT = {"write": "write a batch", "reconcile": "reconcile a batch", "close_again": "close again"}
STEPS = (*_IN_FULL, *_IN_SHORT)


def run(bench: Bench) -> Result:
    """Each size once: a step needs what the step before has left."""
    return result_of([point(bench, scenes) for scenes in SCENES])


def point(bench: Bench, scenes: int) -> dict[str, Any]:
    """A whole run of so many scenes; by step, its cost."""
    own, others = bench.cores[:1], bench.cores[-1:]
    row: dict[str, Any] = {"scenes": scenes}

    def step(name: str, does: str, **settings: Any) -> dict[str, Any]:
        file = "result.json"
        argv = [PYTHON, "-m", "benchmarks.scale.step", does, json.dumps(settings | {"limit": scenes})]
        key = f"scale-{scenes}-{name}"
        cost = measure(Run(key, lambda folder: [*argv, folder / file], (file, 1), _DIRECT, cpus=own))
        row[name] = cost
        bench.say(f"{scenes} scenes, {name}: {cost.wall:.1f} s wall, {cost.cpu:.1f} s CPU, {cost.peak_mb:.0f} MB")
        return json.loads((output_folder(key) / file).read_text())

    with _serving([PYTHON, "-m", "benchmarks.scale.world", "{port}", str(S3_LATENCY)], cpus=others) as s3:
        places = {"s3": s3, "inputs": "in", "outputs": "out", "run": "first"}
        parquet = _parquet(scenes)
        rustac = [
            RUSTAC,
            "serve",
            parquet,
            "--use-duckdb",
            "false",
            "--create-collections",
            "--addr",
            "127.0.0.1:{port}",
        ]
        with _serving(rustac, cpus=others) as api:
            elsewhere = places | {"inputs": "in-rustac", "outputs": "out-rustac"}
            planned = step("plan_rustac", "plan", **elsewhere, source=_source(api), input={"window": _YEAR})
            _expect(planned["planned"], scenes)
        with _serving([PYTHON, "-m", "benchmarks.large_api", str(scenes), "{port}"], cpus=others) as api:
            places |= {"source": _source(api)}
            planned = step("plan", "plan", **places, input={"window": _YEAR})
            _expect(planned["planned"], scenes)
            row["state_bytes"] = len(json.dumps(planned))
            batches = planned["batches"]
            step("write", "write", **places, batch=batches // 2)
            jobs = {"inputs": "in", "outputs": "out", "plan": planned["plan"].removeprefix("s3://in/")}
            _post(f"{s3}/jobs", jobs | {"batches": list(range(batches))})
            # What a run leaves that is aborted here, before its close.
            _post(f"{s3}/copies", {"in-aborted": "in", "out-aborted": "out"})
            step("reconcile", "reconcile", **places, batch=batches // 2)
            _expect(step("close", "close", **places, jobs=batches)["produced"], scenes)
            again = places | {"run": "second"}
            _expect(step("again", "plan", **again, input={"window": _YEAR})["skipped"], scenes)
            step("close_again", "close", **again, jobs=0)
            after = again | {"inputs": "in-aborted", "outputs": "out-aborted"}
            planned = step("adopt", "plan", **after, input={"window": _YEAR})
            _expect(planned["skipped"], scenes)
            step("adopt_close", "close", **after, jobs=0)
            _expect(_committed(f"{s3}/out-aborted"), scenes)
    return row


def result_of(points: Sequence[dict[str, Any]]) -> Result:
    """The table of what was measured at each size."""
    rows = []
    for found in points:
        row: dict[str, Any] = {"scenes": found["scenes"], "state_bytes": found["state_bytes"]}
        for name in STEPS:
            row |= {f"{name}_{key}": value for key, value in vars(found[name]).items()}
        rows.append(row)
    last, half = rows[-1], rows[-3] if len(rows) > 2 else rows[0]
    notes = [
        "There are no pixels here, and each step is measured once: it needs what the step before has left.",
        "Each figure is a whole process on one core, imports included: what a function has with 1769 MB. The other "
        "core has the servers, so the wall time of planning is in part theirs.",
        "plan (rustac): `rustac serve` in memory over stac-geoparquet (its DuckDB backend fetches an extension from "
        "the internet). plan: a STAC API of ours that misbehaves: every 25th page is empty, none comes behind 10,000 "
        "results. Its Items are as large and as nested as Earth Search's (21 KB, 35 assets, 1,150 values); rustac's "
        "are of 4 KB, as it holds all of them in memory.",
        f"S3 is a stand-in of ours in another process (benchmarks/scale/store.py), {S3_LATENCY * 1000:.0f} ms before "
        "each answer. Products are Items as wide as spectral_index's with one index, and files of a few bytes.",
        "write, reconcile: one batch of 500. again: the same window once more, where all is in place. after an abort: "
        "the same window, where a run had made every product and was aborted before its close; no job is started, and "
        "the close commits them.",
    ]
    columns = [Column("scenes", "scenes")]
    for name, heading in _IN_FULL.items():
        columns.append(Column(f"{name}_wall", f"{heading}, s", 1))
        columns.append(Column(f"{name}_cpu", "CPU s", 1))
        columns.append(Column(f"{name}_peak_mb", "MB", 0))
    columns += [Column(f"{name}_wall", f"{heading}, s", 1) for name, heading in _IN_SHORT.items()]
    columns.append(Column("state_bytes", "plan in state, bytes"))
    return Result(
        suite="scale",
        title="Planning and closing up to 100,000 scenes",
        columns=columns,
        rows=rows,
        chart=Chart(
            "lines", "scenes", ("plan_rustac_wall", "plan_wall", "close_wall"), "wall seconds", line_at=MOST_SECONDS
        ),
        targets=[
            *_within(last, "plan_rustac", "planning over rustac"),
            *_within(last, "plan", "planning over an API that misbehaves"),
            *_within(last, "close", "closing"),
            *_within(last, "again", "planning again over what is in place"),
            *_within(last, "adopt", "planning over what an aborted run left"),
            *_within(last, "adopt_close", "committing what an aborted run left"),
            *(_linear(name, what, half, last) for name, what in (("plan", "planning"), ("close", "closing"))),
            at_most("what PlanRun returns into the state", 10_000, float(last["state_bytes"]), "bytes"),
        ],
        notes=notes,
        raw={str(found["scenes"]): {name: vars(found[name]) for name in STEPS} for found in points},
    )


def _within(row: dict[str, Any], name: str, what: str) -> list[Target]:
    many = f"{row['scenes']:,} scenes, {what}"
    return [
        at_most(many, MOST_SECONDS, row[f"{name}_wall"], "s"),
        at_most(f"{many}: peak memory", MOST_MB, row[f"{name}_peak_mb"], "MB"),
    ]


def _linear(name: str, what: str, before: dict[str, Any], last: dict[str, Any]) -> Target:
    """CPU a scene must not grow."""
    growth = (last[f"{name}_cpu"] / last["scenes"]) / (before[f"{name}_cpu"] / before["scenes"])
    return at_most(f"{what}: CPU a scene at {last['scenes']:,} ÷ at {before['scenes']:,}", 1.15, growth)


def _source(api: str) -> dict[str, Any]:
    stac = {"api": api, "collection": "sentinel-2-c1-l2a", "area": "area.geojson", "geometry": _AREA}
    return {"stac": stac | {"lookback": "P366D", "query": {}}}


def _parquet(scenes: int) -> Path:
    path = CACHE / "scale" / f"{scenes}.parquet"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        lines, draft = path.with_suffix(".ndjson"), path.with_suffix(".draft.parquet")
        subprocess.run([PYTHON, "-m", "benchmarks.large_api", str(scenes), lines], cwd=ROOT, check=True)
        subprocess.run([RUSTAC, "translate", lines, draft], check=True)
        lines.unlink()
        draft.rename(path)
    return path


@contextmanager
def _serving(command: Sequence[str | Path], *, cpus: Sequence[int]) -> Iterator[str]:
    """The address of what `command` serves, `{port}` in it being a free one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [os.fspath(part).replace("{port}", str(port)) for part in command]
    process = subprocess.Popen(
        argv, cwd=ROOT, env=clean_environment() | _DIRECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.sched_setaffinity(process.pid, cpus)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                break
            time.sleep(0.1)
        if process.poll() is not None:
            raise CommandFailed(f"{argv[0]} ended with {process.returncode} instead of serving")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _post(url: str, body: dict[str, Any]) -> None:
    _DIRECTLY.open(urllib.request.Request(url, data=json.dumps(body).encode(), method="POST")).close()  # noqa: S310


def _committed(outputs: str) -> int:
    """Products that the catalogue has, by the collection's links, which are made from the table."""
    with _DIRECTLY.open(f"{outputs}/{PIPELINE}/collection.json") as answer:
        return sum(link["rel"] == "item" for link in json.load(answer)["links"])


def _expect(found: int, expected: int) -> None:
    if found != expected:
        raise CommandFailed(f"{found} scenes of {expected}: a time of something else means nothing")
