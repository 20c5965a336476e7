"""A pipeline of one run over five scenes, planned and closed without a state machine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from geocadence.bucket import Bucket
from geocadence.close.batch import reconcile_batch, write_result
from geocadence.close.closing import Ending, close_run
from geocadence.layout import RunLayout
from geocadence.plan.planning import Run, plan_run
from tests.geocadence.scenes import definition, item, items_source, scene_id, sources_in

STARTED = datetime(2026, 11, 22, 6, tzinfo=UTC)
CLOSED = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
ARN = "arn:aws:states:us-west-2:123456789012:execution:geocadence-dev-ndvi:x"
RUN = "20261122T060000Z-0a1b2c3d"


class Pipeline:
    """A pipeline over five scenes, planned and closed without a state machine."""

    def __init__(self, inputs: Bucket, outputs: Bucket, *, is_reconciled: bool = True) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.is_reconciled = is_reconciled  # whether ReconcileBatch came to its end
        self.planned: dict[str, dict[str, Any]] = {}
        self.at_work: set[str] = set()
        self.definition = definition(items=items_source([item(n) for n in range(5)]))

    def plan(self, execution_input: dict[str, Any] | None = None, *, run_id: str = RUN) -> dict[str, Any]:
        self.planned[run_id] = plan_run(
            Run(run_id, ARN, STARTED, execution_input or {}),
            definition=self.definition,
            inputs=self.inputs,
            outputs=self.outputs,
            sources=sources_in(self.inputs, is_at_work=self.at_work.__contains__),
            quota_refusal=lambda wanted: None,
            clock=lambda: STARTED,
        )
        return self.planned[run_id]

    def reconcile(self, run_id: str = RUN, *, failure: str = "") -> None:
        layout = RunLayout("ndvi", run_id)
        for batch in range(self.planned[run_id]["batches"]):
            result = reconcile_batch(self.inputs, self.outputs, layout, batch, region="us-west-2", failure=failure)
            write_result(self.inputs, layout, batch, result)

    def close(
        self,
        *,
        run_id: str = RUN,
        jobs: int = 1,
        jobs_failed: int = 0,
        failure: str = "",
        seen: list[dict[str, Any]] | None = None,
    ) -> dict[str, Any]:
        if self.is_reconciled and self.planned[run_id]["input_uri"].endswith("/batches/"):
            self.reconcile(run_id)
        return close_run(
            Ending(run_id, ARN, self.inputs.uri(f"ndvi/runs/{run_id}/plan.json"), jobs, jobs_failed, failure),
            definition=self.definition,
            stage="dev",
            region="us-west-2",
            inputs=self.inputs,
            outputs=self.outputs,
            read_jobs=lambda: seen or [],
            clock=lambda: CLOSED,
        )

    def fail(self, n: int, reason: str, *, kind: str = "input") -> None:
        key = f"ndvi/runs/{RUN}/failures/{scene_id(n)}.json"
        self.outputs.write_json(key, {"scene": scene_id(n), "class": kind, "reason": reason})

    def record(self, run_id: str = RUN) -> dict[str, Any]:
        return self.outputs.read_json(f"ndvi/runs/{run_id}/run.json")

    def collection(self) -> Any:
        return self.outputs.read_json("ndvi/collection.json")
