"""Where things are in the input and the output bucket: the keys of docs/architecture.md."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

# The input bucket's lifecycle rule lets objects with this tag expire: what a run's steps hand to each other.
BATCH_TAGS = "geocadence-expires=batch"


@dataclass(frozen=True)
class RunLayout:
    """The keys of one run of a pipeline."""

    pipeline: str
    run_id: str

    @classmethod
    def of_plan(cls, key: str) -> RunLayout:
        """The run whose plan has this key."""
        pipeline, _, run_id, _ = key.split("/")
        return cls(pipeline, run_id)

    @property
    def folder(self) -> str:
        """In either bucket: the run's own folder."""
        return f"{self.pipeline}/runs/{self.run_id}/"

    @property
    def plan(self) -> str:
        return f"{self.folder}plan.json"

    def plan_slice(self, batch: int) -> str:
        """What the plan says of one batch, its Items included."""
        return f"{self.folder}plan/{batch}.jsonl.gz"

    @property
    def results(self) -> str:
        return f"{self.folder}results/"

    def batch_result(self, batch: int) -> str:
        """What became of a batch's scenes; written when its rows are."""
        return f"{self.results}{batch}.jsonl.gz"

    def batch_of_result(self, key: str) -> int | None:
        """The batch whose result has this key; None for a batch's rows."""
        name = key.removeprefix(self.results).removesuffix(".jsonl.gz")
        return int(name) if name.isdigit() else None

    def batch_rows(self, batch: int) -> str:
        """The rows that a batch's products are in the table."""
        return f"{self.results}{batch}_rows.jsonl.gz"

    def is_of_rows(self, key: str) -> bool:
        return key.startswith(self.results) and key.endswith("_rows.jsonl.gz")

    @property
    def batches(self) -> str:
        return f"{self.folder}batches/"

    @property
    def taken(self) -> str:
        """Ids and acquisitions of the scenes that the run has taken, or is to commit the products of."""
        return f"{self.folder}taken.json"

    def batch_item(self, batch: int, name: str) -> str:
        """An object that ShardedByS3Key shards: one scene."""
        return f"{self.batches}{batch}/{name}.json"

    @property
    def run_json(self) -> str:
        return f"{self.folder}run.json"

    @property
    def report(self) -> str:
        return f"{self.folder}report.html"

    @property
    def failures(self) -> str:
        return f"{self.folder}failures/"

    def failure(self, scene: str) -> str:
        """Why the script made nothing of a scene."""
        return f"{self.failures}{scene}.json"


def is_run_id(text: str) -> bool:
    """Whether a text has the form of `run_id_of`."""
    return re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{8}", text) is not None


def run_id_of(execution_arn: str, started_at: datetime) -> str:
    """The id that the state machine's first state gives to the run of an execution."""
    return f"{started_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{_hash(execution_arn)[:8]}"


def collection_key(pipeline: str) -> str:
    """In the output bucket: the STAC collection of all committed products."""
    return f"{pipeline}/collection.json"


def items_key(pipeline: str) -> str:
    """stac-geoparquet of all committed products: the catalogue, and the index of what is done."""
    return f"{pipeline}/items.parquet"


def claims_key(pipeline: str) -> str:
    """In the input bucket: the runs at work."""
    return f"{runs_folder(pipeline)}claims.json"


def runs_folder(pipeline: str) -> str:
    """What belongs to single runs; in the input bucket what they work by, in the output bucket what they report."""
    return f"{pipeline}/runs/"


def throughput_key(pipeline: str) -> str:
    """What the latest runs took, for estimates."""
    return f"{runs_folder(pipeline)}throughput.json"


def month_folder(pipeline: str, instant: datetime) -> str:
    """In the output bucket: the products of the scenes of a month, in UTC."""
    return f"{pipeline}/{instant.astimezone(UTC):%Y/%m}/"


def product_folder(pipeline: str, scene: str, instant: datetime) -> str:
    """A product's Item and files; `instant` is the scene's, not the run's."""
    return f"{month_folder(pipeline, instant)}{scene}/"


def product_item(pipeline: str, scene: str, instant: datetime) -> str:
    """The product's STAC Item: the commit marker, written last."""
    return f"{product_folder(pipeline, scene, instant)}{scene}.json"


def job_name_prefix(pipeline: str, execution_arn: str) -> str:
    """What the names of an execution's processing jobs begin with: `<pipeline>-<6 hex>-<12 hex>-`.

    The state machine's hash is before the execution's, so that permissions on one pipeline's jobs in one
    stage hold for no other stage's.
    """
    state_machine = execution_arn.partition(":execution:")[2].partition(":")[0]
    return f"{pipeline}-{_hash(state_machine)[:6]}-{_hash(execution_arn)[:12]}-"


def backfill_run_name(execution_arn: str, window_start: str) -> str:
    """What the execution of a backfill's window is called, but for the count of redrives behind it."""
    stamp = window_start[:19].replace("-", "").replace(":", "")
    return f"backfill-{_hash(execution_arn)[:8]}-{stamp}{'Z' if stamp else ''}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def split_s3_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/key` as bucket and key."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
