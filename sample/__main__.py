"""`make run`: deploy a pipeline to the local cloud with the real CDK CLI, run it, and keep what it made.

Starts the local cloud where it is not running yet, and leaves it running: a second call finds the catalogue of
the first and has nothing left to do. A pipeline that searches a STAC API on this machine gets the sample
catalogue served there for as long as the cloud runs; any other is left to its own source.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

import local_cloud
from geocadence.cli.bar import ProgressBar
from geocadence.cli.screen import Screen
from geocadence.definition import LOCAL_STAGE, Definition, DefinitionErrors, load_pipeline
from geocadence.follow import Finished, fetch_run, follow, start
from geocadence.target import Target, TargetError
from sample import kept_stac_api
from sample.deploy import DeployFailed, bootstrap, deploy
from sample.imagery import put_sample
from sample.stac_api import StacApiError

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    options = _options()
    screen = Screen()
    try:
        path = _definition_path(options.pipeline)
        finished, folder = _run(load_pipeline(path), path, options, screen)
    except DefinitionErrors as errors:
        screen.err.print(str(errors), markup=False)
        return 1
    except (local_cloud.CloudError, DeployFailed, StacApiError, TargetError) as error:
        return screen.fail(str(error))
    except (BotoCoreError, ClientError) as error:
        return screen.fail(f"AWS did not answer as it should: {error}")
    except KeyboardInterrupt:
        screen.err.print("interrupted; a run that has started goes on in the local cloud", markup=False)
        return 130
    _tell(finished, folder, screen)
    return 0 if finished.is_good else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make run", description=__doc__.splitlines()[0])
    parser.add_argument("pipeline", help="a definition's name under pipelines/, or its file")
    parser.add_argument("--out", type=Path, default=ROOT / "out", help="where runs are kept")
    parser.add_argument("--cloud", type=Path, default=local_cloud.FOLDER, help="folder of the local cloud")
    return parser.parse_args()


def _definition_path(pipeline: str) -> Path:
    named = ROOT / "pipelines" / f"{pipeline}.yaml"
    path = named if named.is_file() else Path(pipeline)
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in (ROOT / "pipelines").glob("*.yaml")))
        raise TargetError(f"there is no pipeline {pipeline} (known: {known}; or give a definition's file)")
    return path.resolve()


def _run(
    definition: Definition, path: Path, options: argparse.Namespace, screen: Screen
) -> tuple[Finished, Path | None]:
    port = _sample_port(definition)
    if port is not None:
        kept_stac_api.check(options.cloud / "stac", port=port)
    with _step("local cloud"):
        cloud = local_cloud.up(folder=options.cloud)
        os.environ.update(cloud.environment())
    log = cloud.folder / "cdk.log"
    with _step("bootstrap"):
        bootstrap(cloud, log=log)
    with _step(f"deploy {definition.name}"):
        deploy(cloud, context={"stage": LOCAL_STAGE, "definition": str(path)}, log=log)
    target = Target.on_local_cloud(cloud)
    execution_input = {}
    if port is not None:
        with _step("sample catalogue"):
            execution_input = _serve_sample(definition, target, cloud, port=port)
    run = start(target, definition.name, execution_input)
    screen.say(f"run {run.run_id}")
    with ProgressBar(screen.err) as bar:
        finished = follow(target, run, on_progress=bar.show)
    has_report = "report" in finished.output
    return finished, fetch_run(target, run, out=options.out) if has_report else None


def _sample_port(definition: Definition) -> int | None:
    """Where the sample's STAC API has to answer; None for a pipeline whose source is somewhere else."""
    if not definition.is_local_only:
        return None
    return urlsplit(definition.pipeline.source.stac.api).port or 80


def _serve_sample(definition: Definition, target: Target, cloud: local_cloud.Cloud, *, port: int) -> dict[str, Any]:
    """Put the sample where the job reads it, serve it beside the cloud; the execution's input.

    The sample's dates stay what they are, so its runs are told their window; any other run has the definition's.
    """
    items = put_sample(bucket=target.inputs.name, pipeline=definition.name)
    kept_stac_api.keep(items, folder=cloud.folder / "stac", port=port, beside=cloud.pid)
    days = sorted(item["properties"]["datetime"][:10] for item in items)
    return {"window": {"start": days[0], "end": f"{days[-1]}T23:59:59Z"}}


@contextmanager
def _step(name: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"{name:<24}", end="", flush=True)
    try:
        yield
    except KeyboardInterrupt:
        print("interrupted")
        raise
    except BaseException:
        print("failed")
        raise
    print(f"{time.monotonic() - started:5.1f} s")


def _tell(finished: Finished, folder: Path | None, screen: Screen) -> None:
    if finished.cause:
        screen.fail(finished.cause)
    if folder is None:
        return
    record = json.loads((folder / "run.json").read_text())
    for scene in record["scenes"]:
        product = scene.get("product")
        mean = (
            f"  mean NDVI {product['statistics']['ndvi']['mean']:.3f}"
            if product and "ndvi" in product["statistics"]
            else ""
        )
        why = scene.get("failure", {}).get("reason", "") or ("" if product else scene["reason"])
        screen.say(f"  {scene['status']:<9}{scene['id']}{mean}  {why}".rstrip())
    shown = os.path.relpath(folder)
    screen.say(f"outcome: {record['outcome']}")
    screen.say(", ".join(f"{record[count]} {count}" for count in ("planned", "produced", "skipped", "failed")))
    screen.say(f"report:   {shown}/report.html")
    if record["produced"]:
        screen.say(f"products: {shown}/" + (" (with STAC Items; collection.json)" if record["scenes"] else ""))


if __name__ == "__main__":
    sys.exit(main())
