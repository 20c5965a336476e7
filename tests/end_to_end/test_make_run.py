"""What `make run` does: the sample's own definition, deployed and run twice on a cloud of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pystac
import pytest
from rio_cogeo import cog_validate

import local_cloud
from geocadence.follow import follow, start
from geocadence.target import Target
from tests.end_to_end.conftest import ROOT, STAGE, free_port


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[list[str]]:
    """The command of `make run`, for the sample's definition with a STAC API at a port that is free."""
    shutil.copytree(ROOT / "pipelines/areas", tmp_path / "areas")
    text = (ROOT / "pipelines/ndvi-sample.yaml").read_text()
    definition = tmp_path / "ndvi-sample.yaml"
    definition.write_text(text.replace("127.0.0.1:7822", f"127.0.0.1:{free_port()}"))
    yield [
        *(sys.executable, "-m", "sample", str(definition)),
        *("--out", str(tmp_path / "out"), "--cloud", str(tmp_path / "cloud")),
    ]
    local_cloud.down(tmp_path / "cloud")


def test_make_run_leaves_products_and_a_second_one_finds_nothing_to_do(sample: list[str], tmp_path: Path):
    first = run(sample)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "outcome: complete" in first.stdout
    # What the README shows but for what differs each time: run ids, durations, and set-up, which was done before.
    shown = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    lines = [line for line in without_changing(shown).splitlines() if not line.startswith("set-up:")]
    assert lines == [line for line in without_changing(first.stdout).splitlines() if line in lines]
    assert len(lines) > 14
    folder = told_folder(first.stdout)
    record = json.loads((folder / "run.json").read_text())
    assert (record["planned"], record["produced"], record["instance_count"]) == (7, 7, 2)
    rasters = list(folder.glob("*/*/*/*_ndvi.tif"))
    assert len(rasters) == 7
    assert all(cog_validate(path, strict=True)[0] for path in rasters)
    items = list(pystac.Collection.from_file(str(folder / "collection.json")).get_items())
    assert len(items) == 7
    for link in re.findall(r'(?:src|href)="([^"#]+)"', (folder / "report.html").read_text()):
        assert link.startswith(("http", "data:")) or (folder / link).exists(), link

    # The catalogue is served on: whoever starts the pipeline now, by console or schedule, finds it.
    cloud = local_cloud.status(tmp_path / "cloud")
    target = Target.on_local_cloud(cloud)
    dry = follow(target, start(target, "ndvi-sample", {"window": {"start": "2021-01-01"}, "dry_run": True}))
    assert (dry.status, dry.output["skipped"]) == ("SUCCEEDED", 7), dry

    again = run(sample)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "outcome: empty" in again.stdout
    assert "0 planned, 0 produced, 7 skipped, 0 failed" in again.stdout

    # As `make destroy` does it: full buckets go, too.
    buckets = [target.inputs.name, target.outputs.name]
    assert set(buckets) <= buckets_of(target)
    command = [sys.executable, "tools/cdk.py", "destroy", "--all", "--force"]
    destroyed = run([*command, "-c", f"stage={STAGE}", "-c", f"definition={sample[3]}"], **cloud.environment())
    assert destroyed.returncode == 0, destroyed.stderr
    assert not {name for name in buckets_of(target) if name.startswith("geocadence-")}
    assert not target.state_machines()
    assert not target.client("scheduler").list_schedules()["Schedules"]


def test_make_run_ends_non_zero_with_a_sentence_when_something_is_wrong(tmp_path: Path):
    definition = tmp_path / "wrong.yaml"
    definition.write_text("name: wrong\nsource: {}\nprocessing: {script: none}\n")
    ended = run([sys.executable, "-m", "sample", str(definition)])
    assert ended.returncode == 1
    assert re.search(r"wrong\.yaml:2: source: needs exactly one of", ended.stderr)
    assert "Traceback" not in ended.stderr
    unknown = run([sys.executable, "-m", "sample", "no-such-pipeline"])
    assert unknown.returncode == 1
    assert "known: ndvi-alentejo, ndvi-sample" in unknown.stderr


def test_make_run_says_that_the_catalogues_port_is_taken_before_it_does_anything(sample: list[str], tmp_path: Path):
    (port,) = re.findall(r"http://127\.0\.0\.1:(\d+)", (tmp_path / "ndvi-sample.yaml").read_text())
    with socket.create_server(("127.0.0.1", int(port))):
        ended = run(sample)
    assert ended.returncode == 1
    assert f"port {port} of 127.0.0.1" in ended.stderr
    assert f"process {os.getpid()} " in ended.stderr
    assert not (tmp_path / "cloud").exists()


def buckets_of(target: Target) -> set[str]:
    return {each["Name"] for each in target.client("s3").list_buckets()["Buckets"]}


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False, env=given)


def without_changing(output: str) -> str:
    return re.sub(r"\S*\d{8}T\d{6}Z-[0-9a-f]{8}| +[\d.]+ s$", "…", output, flags=re.MULTILINE)


def told_folder(output: str) -> Path:
    report = next(line for line in output.splitlines() if line.startswith("report:"))
    return (ROOT / report.split(maxsplit=1)[1]).parent
