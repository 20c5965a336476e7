"""Which runs are at work: so that two at the same time take no scene twice.

`<pipeline>/runs/claims.json` in the input bucket names the runs that have taken scenes and not closed yet; what each
has taken stands beside its plan. A run reads them, then looks at the products, and enters only over the state that it
has read (a conditional write): of two that plan at the same time one is refused, looks again, and leaves the other its
scenes; a run that closes meanwhile changes the file too. What it
is to commit that others left is taken as well. There is no time limit to guess: a claim holds as long as its execution
runs or one of its jobs does, which Step Functions and SageMaker know. Of runs that ended without a close, whose claims
hold no more, those are still named that may have left products which are in no catalogue yet (`left_behind`).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from geocadence.bucket import Bucket, Conflict
from geocadence.layout import RunLayout, claims_key
from geocadence.tries import tries


@dataclass(frozen=True)
class Claim:
    """A run at work. `nonce` tells attempts at planning it apart, so that each changes the file."""

    run_id: str
    execution_arn: str
    planned_at: str
    nonce: str


@dataclass(frozen=True)
class Claims:
    """What the file said when it was read."""

    runs: tuple[Claim, ...]
    changes: int  # how often it was written: runs that came and went must show
    etag: str | None
    ended: tuple[Claim, ...] = ()  # without a close; what they left is known by their plans
    forgot: str = ""  # when the first was planned of those that ended too and are named no longer

    def other_runs(self, run_id: str, *, is_at_work: Callable[[str], bool]) -> OtherRuns:
        """All but the run itself; `is_at_work` tells of an execution, by its ARN."""
        works = {claim: is_at_work(claim.execution_arn) for claim in self.others(run_id)}
        live, gone = ([claim for claim in works if works[claim] is which] for which in (True, False))
        return OtherRuns(live, [*(claim for claim in self.ended if claim.run_id != run_id), *gone], self.forgot)

    def others(self, run_id: str) -> tuple[Claim, ...]:
        return tuple(claim for claim in self.runs if claim.run_id != run_id)


@dataclass(frozen=True)
class OtherRuns:
    """What a plan has to look at beside the catalogue.

    Attributes:
        live: runs at work.
        dead: runs that ended without a close.
        forgot: as of `Claims`; "" for none.
    """

    live: list[Claim]
    dead: list[Claim]
    forgot: str


def read_claims(inputs: Bucket, pipeline: str) -> Claims:
    """The file as it is now; no runs where there is none yet."""
    body, etag = inputs.read_with_etag(claims_key(pipeline))
    if body is None:
        return Claims((), 0, None)
    data = json.loads(body)
    runs, ended = (tuple(map(_claim, data.get(key, ()))) for key in ("runs", "ended"))
    return Claims(runs, data["changes"], etag, ended, data.get("forgot", ""))


def _claim(said: dict[str, Any]) -> Claim:
    """What later code says of a run beside this is left: rolled back, no plan may end for it."""
    return Claim(**{field.name: said[field.name] for field in fields(Claim)})


def held_scenes(inputs: Bucket, pipeline: str, live: Iterable[Claim]) -> dict[str, str]:
    """What the runs at work have taken, or are to commit: scene id, and acquisition, → run."""
    held: dict[str, str] = {}
    for claim in live:
        for name in inputs.read_json(RunLayout(pipeline, claim.run_id).taken) or ():
            held[name] = claim.run_id
    return held


def replace_claims(
    inputs: Bucket,
    pipeline: str,
    read: Claims,
    runs: Iterable[Claim],
    *,
    ended: Iterable[Claim] | None = None,
    forgot: str | None = None,
) -> None:
    """Write `runs`, and what else changes, over what was read; Conflict where another run was faster."""
    data: dict[str, Any] = {
        "changes": read.changes + 1,
        "runs": [asdict(claim) for claim in runs],
        "ended": [asdict(claim) for claim in (read.ended if ended is None else ended)],
        "forgot": read.forgot if forgot is None else forgot,
    }
    inputs.replace_json(claims_key(pipeline), data, etag=read.etag)


class ClaimGone(Exception):
    """Another run has entered since this one ended, and may have taken its scenes; the text says what to do."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"the claim of run {run_id} is gone: after the run was stopped another one has entered, and may have taken "
            f"its scenes (what is still missing is asked for by `.venv/bin/geocadence retry {run_id}`)"
        )


def is_entered(inputs: Bucket, pipeline: str, run_id: str) -> bool:
    """Whether a run still has its claim."""
    return any(claim.run_id == run_id for claim in read_claims(inputs, pipeline).runs)


def renew(inputs: Bucket, pipeline: str, run_id: str) -> bool:
    """Enter a run's claim anew; False where another run took it for dead and has its scenes.

    For a claim that is older than what shows that its owner lives: who looked in between, and has not entered yet, is
    refused by this write, looks again, and finds the owner alive.
    """
    for _ in tries():
        read = read_claims(inputs, pipeline)
        others = read.others(run_id)
        if len(others) == len(read.runs):
            return False
        mine = next(claim for claim in read.runs if claim.run_id == run_id)
        try:
            replace_claims(inputs, pipeline, read, [*others, replace(mine, nonce=secrets.token_hex(8))])
        except Conflict:
            continue
        return True
    raise RuntimeError(f"{inputs.uri(claims_key(pipeline))} kept changing while run {run_id} renewed its claim")


def leave(inputs: Bucket, pipeline: str, run_id: str) -> None:
    """Take a run's claim back, if it has one."""
    for _ in tries():
        read = read_claims(inputs, pipeline)
        others = read.others(run_id)
        if len(others) == len(read.runs):
            return
        try:
            replace_claims(inputs, pipeline, read, others)
        except Conflict:
            continue
        return
    raise RuntimeError(f"{inputs.uri(claims_key(pipeline))} kept changing while run {run_id} tried to leave it")
