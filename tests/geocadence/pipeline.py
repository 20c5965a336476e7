"""A pipeline whose runs are planned, worked and closed without a state machine, over a real S3."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.scale.store import Client, Store
from geocadence.bucket import Bucket
from geocadence.close.batch import reconcile_batch, write_result
from geocadence.close.closing import Ending, close_run
from geocadence.instants import format_instant, parse_instant
from geocadence.layout import RunLayout, product_item, run_id_of
from geocadence.plan.batch_objects import write_batch
from geocadence.plan.planning import Run, plan_run
from tests.geocadence.scenes import definition, items_source, sources_in

ARN = "arn:aws:states:us-west-2:123456789012:execution:geocadence-dev-ndvi:"


class Pipeline:
    """Its source is `items`; its executions are `at_work` from their plan on until they close or are `abort`ed."""

    def __init__(self, inputs: Bucket, outputs: Bucket, items: list[dict[str, Any]]) -> None:
        self.inputs, self.outputs, self.items = inputs, outputs, items
        self.definition = definition(items=items_source(items))
        self.at_work: set[str] = set()
        self.jobs: list[str] = []  # scenes that were worked on, as often as they were
        self.clock = datetime(2026, 11, 22, 6, tzinfo=UTC)
        self.sources: dict[str, Any] = {}  # how its runs find their input, where not as usual
        self.tells_baseline = True  # whether products say what they were made from, as spectral_index's do
        self.says: dict[str, Any] = {}  # what products say of themselves beside what their scenes do

    def plan(self, name: str, execution_input: dict[str, Any] | None = None, **sources: Any) -> dict[str, Any]:
        if "collection" in (self.definition["source"]["items"] or {}):
            self.definition["source"]["items"] = items_source(self.items)
        arn = ARN + name
        run = Run(run_id_of(arn, self.clock), arn, self.clock, execution_input or {})
        result = plan_run(
            run,
            definition=self.definition,
            inputs=self.inputs,
            outputs=self.outputs,
            sources=sources_in(self.inputs, **{"is_at_work": self.at_work.__contains__} | self.sources | sources),
            quota_refusal=lambda wanted: None,
            clock=lambda: self.clock,
        )
        self.at_work.add(arn)
        document = self.inputs.read_json(f"ndvi/runs/{run.run_id}/plan.json")
        return result | {"arn": arn, "run_id": run.run_id, "document": document}

    def decisions(self, planned: dict[str, Any]) -> dict[str, tuple[str, str]]:
        return {d["id"]: (d["decision"], d["reason"]) for d in planned["document"]["decisions"]}

    def taken(self, planned: dict[str, Any]) -> list[str]:
        return [d["id"] for d in planned["document"]["decisions"] if d["batch"] is not None]

    def work(
        self,
        planned: dict[str, Any],
        *,
        but: tuple[str, ...] = (),
        is_reconciled: bool = True,
        is_redriven: bool = False,
    ) -> None:
        """What becomes of each batch: its objects, a product for each scene that its job finds, its result."""
        layout = RunLayout("ndvi", planned["run_id"])
        for batch in range(planned["batches"]):
            write_batch(self.inputs, layout, batch, is_redriven=is_redriven)
        self._process(planned, but=but)
        self.reconcile(planned, range(planned["batches"] if is_reconciled else 0))

    def reconcile(self, planned: dict[str, Any], batches: Iterable[int], *, failure: str = "") -> None:
        layout = RunLayout("ndvi", planned["run_id"])
        for batch in batches:
            result = reconcile_batch(self.inputs, self.outputs, layout, batch, region="us-west-2", failure=failure)
            write_result(self.inputs, layout, batch, result)

    def produce(self, n: int) -> None:
        """The product of the n-th scene, without a job."""
        self._produce(self.items[n])

    def _process(self, planned: dict[str, Any], *, but: tuple[str, ...]) -> None:
        for found in list(self.inputs.listing(f"ndvi/runs/{planned['run_id']}/batches/")):
            if found.key.endswith("/"):
                continue
            source = self.inputs.read_json(found.key)
            if isinstance(source, list):  # a search result
                source = source[0]["geocadence:item"]
            if source["id"] not in but:
                self.jobs.append(source["id"])
                self._produce(source)

    def _produce(self, source: dict[str, Any]) -> None:
        scene, properties = source["id"], source["properties"]
        key = product_item("ndvi", scene, parse_instant(properties["datetime"] or properties["start_datetime"]))
        self.outputs.write(f"{key.rpartition('/')[0]}/{scene}_ndvi.tif", b"pixels", content_type="image/tiff")
        asset = {"href": f"./{scene}_ndvi.tif", "type": "image/tiff; application=geotiff", "roles": ["data"]}
        kept = {"datetime": properties["datetime"], "platform": properties.get("platform", "sentinel-2b")}
        kept |= {name: properties[name] for name in ("start_datetime", "end_datetime") if name in properties}
        if self.tells_baseline and (baseline := properties.get("s2:processing_baseline")):
            kept["s2:processing_baseline"] = baseline
        product = source | {"collection": "ndvi", "properties": kept, "links": [], "assets": {"ndvi": asset}}
        self.outputs.write_json(key, product | {"stac_version": "1.1.0"} | self.says)

    def close(self, planned: dict[str, Any], *, jobs: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
        """`jobs` are what SageMaker tells of those that there were."""
        ending = Ending(planned["run_id"], planned["arn"], planned["plan"], planned["batches"], 0, "")
        result = close_run(
            ending,
            definition=self.definition,
            stage="dev",
            region="us-west-2",
            inputs=self.inputs,
            outputs=self.outputs,
            read_jobs=lambda: jobs,
            clock=lambda: self.clock,
        )
        self.at_work.discard(planned["arn"])
        return result

    def run(self, name: str, execution_input: dict[str, Any] | None = None) -> dict[str, Any]:
        planned = self.plan(name, execution_input)
        self.work(planned)
        return planned | self.close(planned)

    def abort(self, planned: dict[str, Any]) -> None:
        """The execution ends without ever coming to its close."""
        self.at_work.discard(planned["arn"])

    def later(self, **time: float) -> None:
        self.clock += timedelta(**time)

    @property
    def now(self) -> str:
        return format_instant(self.clock)


def in_memory(items: list[dict[str, Any]]) -> Pipeline:
    """Over an S3 that is none, but knows conditional writes, and takes no time."""
    client = Client(Store())
    return Pipeline(Bucket(client, "in"), Bucket(client, "out"), items)


def table(pipeline: Pipeline, tmp_path: Path, columns: str = "id") -> list[Any]:
    """What items.parquet has of these columns; of one column, its values."""
    path = tmp_path / "items.parquet"
    assert pipeline.outputs.fetch("ndvi/items.parquet", path)
    rows = duckdb.sql(f"SELECT {columns} FROM '{path}'").fetchall()  # noqa: S608
    return [row[0] for row in rows] if "," not in columns else rows


def linked(pipeline: Pipeline) -> list[str]:
    """The ids of the Items that collection.json links to."""
    links = pipeline.outputs.read_json("ndvi/collection.json")["links"]
    return [link["href"].rpartition("/")[2].removesuffix(".json") for link in links if link["rel"] == "item"]


def delete(bucket: Bucket, *keys: str) -> None:
    """What a person does by hand: none of our roles may delete."""
    objects = [{"Key": key} for key in keys]
    answer = bucket._client.delete_objects(Bucket=bucket.name, Delete={"Objects": objects, "Quiet": True})
    assert not answer.get("Errors"), answer
