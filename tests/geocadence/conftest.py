"""A real S3 (MiniStack) and a real STAC API (rustac), one of each a session."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from geocadence.bucket import Bucket
from geocadence.layout import RunLayout
from geocadence.plan.batch_objects import write_batch
from geocadence.plan.planning import Run, plan_run
from tests.geocadence.scenes import ARN, STARTED, sources_in

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-west-2"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(command: list[str], *, url: str, log: Path, environment: dict[str, str] | None = None) -> Iterator[str]:
    """The server that `command` starts, once it answers at `url`."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.STDOUT, env=os.environ | (environment or {})
        )
        try:
            for _ in range(300):
                try:
                    urllib.request.urlopen(url, timeout=2).close()  # noqa: S310
                    break
                except urllib.error.HTTPError:
                    break
                except OSError:
                    if process.poll() is not None:
                        break
                    time.sleep(0.1)
            if process.poll() is not None:
                pytest.fail(f"{command[0]} ended at once: {log.read_text()[-2000:]}")
            yield url
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture(scope="session")
def aws_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    python = ROOT / ".local" / "emulator" / "bin" / "python"
    command = [str(python), "-m", "hypercorn", "ministack.app:app", "-b", f"127.0.0.1:{port}"]
    log = tmp_path_factory.mktemp("ministack") / "log"
    settings = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0"}
    with serving(command, url=f"http://127.0.0.1:{port}", log=log, environment=settings) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def s3(aws_endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=aws_endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture
def new_bucket(s3: Any) -> Callable[[str], Bucket]:
    def make(kind: str) -> Bucket:
        name = f"geocadence-test-{kind}-{uuid.uuid4().hex[:12]}"
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return Bucket(s3, name)

    return make


@pytest.fixture
def inputs(new_bucket: Callable[[str], Bucket]) -> Bucket:
    return new_bucket("input")


@pytest.fixture
def outputs(new_bucket: Callable[[str], Bucket]) -> Bucket:
    return new_bucket("output")


@pytest.fixture
def plan(inputs: Bucket, outputs: Bucket) -> Any:
    """Plans a run of 22 November, and writes its batches; the plan itself is the result's `document`."""

    def run(
        resolved: dict[str, Any],
        execution_input: Any = None,
        *,
        run_id: str = "20261122T060000Z-0a1b2c3d",
        quota_refusal: Any = lambda wanted: None,
        writes_batches: bool = True,
        **sources: Any,
    ) -> dict[str, Any]:
        result = plan_run(
            Run(run_id, f"{ARN}-{run_id}", STARTED, {} if execution_input is None else execution_input),
            definition=resolved,
            inputs=inputs,
            outputs=outputs,
            sources=sources_in(inputs, **sources),
            quota_refusal=quota_refusal,
            clock=lambda: STARTED,
        )
        if writes_batches and result["input_uri"].endswith("/batches/"):
            for batch in range(result["batches"]):
                write_batch(inputs, RunLayout("ndvi", run_id), batch)
        return result | {"document": inputs.read_json(f"ndvi/runs/{run_id}/plan.json")}

    return run


@pytest.fixture
def download() -> Callable[[Bucket, Path], None]:
    def everything(bucket: Bucket, folder: Path) -> None:
        for found in bucket.listing(""):
            path = folder / found.key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bucket.read(found.key) or b"")

    return everything


@pytest.fixture(scope="session")
def stac_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Twelve scenes, one a day from 2026-11-01, over the area; one more far away."""
    from tests.geocadence.scenes import far_away, item

    folder = tmp_path_factory.mktemp("rustac")
    items = [item(n) for n in range(12)] + [far_away()]
    file = folder / "items.json"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    port = free_port()
    command = [
        str(ROOT / ".venv/bin/rustac"),
        "serve",
        str(file),
        "--addr",
        f"127.0.0.1:{port}",
        "--create-collections",
    ]
    with serving(command, url=f"http://127.0.0.1:{port}", log=folder / "log") as url:
        yield url
