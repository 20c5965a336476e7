"""What a run will take before anything is spent: instance-hours from earlier runs, money where a price is known.

CloseRun keeps what the latest runs took in `<pipeline>/runs/throughput.json` of the output bucket.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from geocadence.bucket import Bucket, Conflict
from geocadence.execution_input import InvalidInput
from geocadence.layout import throughput_key

# Stated, not measured: what is taken for granted until a run of the pipeline has closed.
DEFAULT_SECONDS_A_SCENE = 60
DEFAULT_SECONDS_TO_START = 180
RUNS_KEPT = 20
# What a run is made of: a scene and a bare object are not alike.
SCENE, OBJECT = "scene", "object"
_ATTEMPTS = 5
# By how much the work of one instance has to differ between runs, so that its start can be told from it.
_APART = 3


@dataclass(frozen=True)
class Took:
    """What one run took of its instances, start-up included."""

    run_id: str
    instance_type: str
    scenes: int  # or objects
    bytes: int | None  # of the scenes' assets; None where a catalogue does not say
    instance_seconds: float
    of: str = SCENE
    starts: int | None = None  # instances that were started, each job's counted; None in records of earlier code


@dataclass(frozen=True)
class Estimate:
    """What a run will take. `cost_usd` is None where no price is known."""

    of: str
    scenes: int  # or objects
    bytes: int | None
    instance_hours: float
    basis: str
    usd_per_hour: float | None
    cost_usd: float | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def estimate(
    *,
    scenes: int,
    bytes_: int | None,
    jobs: int,
    instances: int,
    of: str,
    instance_types: Sequence[str],
    history: Sequence[Took],
    usd_per_hour: float | None,
) -> Estimate:
    """By bytes where all runs and this one know theirs, else by scenes; by the stated default before there are any.

    Starting an instance takes its time however little it has to do, so the two are told apart where earlier runs are
    different enough to tell: else a year's backfill would cost the start of a week's run for each of its scenes.
    """
    alike = [took for took in history if took.instance_type in instance_types and took.of == of and took.scenes]
    named = " or ".join(instance_types)
    starts = jobs * instances
    if not alike:
        seconds = scenes * DEFAULT_SECONDS_A_SCENE + starts * DEFAULT_SECONDS_TO_START
        basis = (
            f"no run on {named} has closed yet: {DEFAULT_SECONDS_A_SCENE} s {_each(of)} and "
            f"{DEFAULT_SECONDS_TO_START} s to start an instance are assumed"
        )
    elif bytes_ and all(took.bytes for took in alike):
        to_start, per_byte = _pace(alike, [took.bytes or 0 for took in alike])
        seconds = to_start * starts + per_byte * bytes_
        pace = f"{1 / per_byte / 1e6:.1f} MB an instance-second"
        basis = f"{pace}{_told(to_start)} in the last {len(alike)} runs on {named}"
    else:
        to_start, per_scene = _pace(alike, [took.scenes for took in alike])
        seconds = to_start * starts + per_scene * scenes
        pace = f"{per_scene:.1f} instance-seconds {_each(of)}"
        basis = f"{pace}{_told(to_start)} in the last {len(alike)} runs on {named}"
    hours = seconds / 3600
    cost = round(hours * usd_per_hour, 2) if usd_per_hour is not None else None
    return Estimate(of, scenes, bytes_, round(hours, 3), basis, usd_per_hour, cost)


def _pace(history: Sequence[Took], work: Sequence[int]) -> tuple[float, float]:
    """Seconds to start an instance, and seconds of one for a unit of work: what fits all runs best, by shares of each.

    0 to start, and what all runs took together for a unit, where that can't be told apart: an instance's work was much
    the same in all of them, they do not know how many were started, or nowhere did working take as long as starting.
    What is little beside a start is what chance does to starts, and times a year's scenes it would pass any limit.
    """
    together = 0.0, sum(took.instance_seconds for took in history) / sum(work)
    shares = [done / took.starts for took, done in zip(history, work, strict=True) if took.starts]
    if len(shares) < len(history) or max(shares) < _APART * min(shares):
        return together
    # Least squares of (start * starts + each * work) / seconds against 1.
    rows = [
        ((took.starts or 0) / took.instance_seconds, done / took.instance_seconds)
        for took, done in zip(history, work, strict=True)
    ]
    aa, ab, bb = (sum(row[i] * row[j] for row in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    a, b = (sum(row[i] for row in rows) for i in (0, 1))
    determinant = aa * bb - ab * ab
    to_start, each = (a * bb - b * ab) / determinant, (b * aa - a * ab) / determinant
    return (to_start, each) if 0 < to_start <= each * max(shares) else together


def _told(to_start: float) -> str:
    return f" and {to_start:.0f} s to start an instance" if to_start else ", starting included,"


def _each(of: str) -> str:
    return {SCENE: "a scene", OBJECT: "an object"}[of]


def refuse_above(limit: float | None, expected: Estimate, *, instance_types: Sequence[str]) -> None:
    """InvalidInput where the run would cost more than `limits.max_cost_usd`, or nobody can tell."""
    if limit is None or not expected.scenes:
        return
    if expected.cost_usd is None:
        raise InvalidInput(
            f"limits.max_cost_usd is {limit:g}, but no price of {' or '.join(instance_types)} is known: the run can't "
            "be held to it (set processing.hourly_rate in the definition, in USD)."
        )
    if expected.cost_usd > limit:
        raise InvalidInput(
            f"The run would cost about {expected.cost_usd:.2f} USD ({expected.scenes} {expected.of}s, "
            f"{expected.instance_hours:.1f} instance-hours at {expected.usd_per_hour:g} USD; {expected.basis}), above "
            f"limits.max_cost_usd, {limit:g} (take a shorter window, name the scenes, or raise the limit in the "
            "definition)."
        )


def read_history(outputs: Bucket, pipeline: str) -> list[Took]:
    """What later code noted besides is left out: after a deployment was rolled back runs are planned all the same."""
    known = {field.name for field in fields(Took)}
    noted = outputs.read_json(throughput_key(pipeline)) or ()
    return [Took(**{key: value for key, value in took.items() if key in known}) for took in noted]


def remember(outputs: Bucket, pipeline: str, took: Took) -> None:
    """Add a run to the history; without insisting, as an estimate bears the loss of one."""
    key = throughput_key(pipeline)
    for _ in range(_ATTEMPTS):
        _, etag = outputs.read_with_etag(key)
        others = [other for other in read_history(outputs, pipeline) if other.run_id != took.run_id]
        try:
            outputs.replace_json(key, [asdict(each) for each in [*others, took][-RUNS_KEPT:]], etag=etag)
        except Conflict:
            continue
        return
