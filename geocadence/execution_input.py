"""The execution input: what a person, the schedule or a program may ask of one run.

    {"window": {"start": …, "end": …}, "scenes": [ids], "recompute": false, "instance_count": n, "dry_run": false}

Every key is optional. `recompute` may be a time as well: what was made since, by the same recipe, stays as it is.
People paste anything into the console, so whatever is wrong ends in InvalidInput, whose text is a sentence.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from geocadence.instants import format_instant, parse_instant
from geocadence.scene_ids import SAFE_ID, is_safe_id

MAX_SCENES = 2000
MAX_INSTANCES = 100
_KEYS = ("window", "scenes", "recompute", "instance_count", "dry_run")


class InvalidInput(Exception):
    """The run can't start as asked; the text says why, and what would be right.

    The state machine knows it by this class name.
    """


@dataclass(frozen=True)
class Window:
    """The closed time interval a run covers; `start` is None where the source has no lookback."""

    start: datetime | None
    end: datetime
    is_given: bool = False  # whether a person or the schedule's backfill named its start
    has_end: bool = False  # whether somebody, or the schedule, named its end

    def holds(self, instant: datetime, *, until: datetime | None = None) -> bool:
        """Whether an instant lies within, or a span of time from it `until` another one in part."""
        return (self.start is None or self.start <= (until or instant)) and instant <= self.end

    def as_json(self) -> dict[str, str | None]:
        return {"start": format_instant(self.start) if self.start else None, "end": format_instant(self.end)}


@dataclass(frozen=True)
class ExecutionInput:
    """A checked execution input; None means: as the definition says."""

    window: Window
    scenes: tuple[str, ...] | None = None
    recompute: bool | datetime = False  # a time: only what was made before it, or by another recipe
    instance_count: int | None = None
    dry_run: bool = False


def read_execution_input(data: Any, *, started_at: datetime, lookback: timedelta | None) -> ExecutionInput:
    """`data` checked and completed: the window ends at `started_at` and reaches back by `lookback`."""
    if not isinstance(data, dict):
        raise InvalidInput(
            f"The execution input is {_named(data)}, not an object "
            f"(expected {{}} or some of the keys {', '.join(_KEYS)})."
        )
    problems = [f"`{_plain(key)}` {_unknown(key, _KEYS)}" for key in data if key not in _KEYS]
    checked: dict[str, Any] = {}
    readers: dict[str, Callable[[Any], Any]] = {
        "window": lambda value: _window(value, started_at=started_at, lookback=lookback),
        "scenes": _scenes,
        "recompute": _recompute,
        "instance_count": _instance_count,
        "dry_run": _boolean,
    }
    for key, reader in readers.items():
        try:
            if key in data:
                checked[key] = reader(data[key])
            elif key == "window":
                checked[key] = reader({})
        except _Wrong as wrong:
            problems.extend(f"`{key}{part}` {sentence}" for part, sentence in wrong.parts)
    if problems:
        raise InvalidInput("The execution input is wrong: " + "; ".join(problems) + ".")
    return ExecutionInput(**checked)


class _Wrong(Exception):
    """What is wrong with one key: (part of it, sentence) pairs."""

    def __init__(self, *parts: tuple[str, str]) -> None:
        super().__init__(parts)
        self.parts = parts


def _window(value: Any, *, started_at: datetime, lookback: timedelta | None) -> Window:
    if not isinstance(value, dict):
        raise _Wrong(("", f'is {_named(value)}, not an object (expected {{"start": …, "end": …}}, both optional)'))
    problems = [(f".{_plain(key)}", _unknown(key, ("start", "end"))) for key in value if key not in ("start", "end")]
    given: dict[str, datetime] = {}
    for key in ("start", "end"):
        if key not in value:
            continue
        text = value[key]
        try:
            if not isinstance(text, str):
                raise ValueError("is no time (expected text, e.g. 2026-11-22T06:00:00Z)")
            given[key] = parse_instant(text)
        except ValueError as error:
            problems.append((f".{key}", f"({_shown(text)}) {error}"))
    if problems:
        raise _Wrong(*problems)
    end = given.get("end", started_at)
    try:
        start = given.get("start", end - lookback if lookback is not None else None)
    except OverflowError:
        raise _Wrong((".end", f"({format_instant(end)}) is too early to look back from")) from None
    if start is not None and start >= end:
        default = "" if "end" in given else " (the execution's start, as no end is given)"
        raise _Wrong(("", f"starts at {format_instant(start)}, not before its end, {format_instant(end)}{default}"))
    return Window(start, end, is_given="start" in given, has_end="end" in given)


def _scenes(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _Wrong(("", f'is {_named(value)}, not a list (expected the ids of scenes, e.g. ["S2B_T29SNB_20261107"])'))
    if not value:
        raise _Wrong(("", "is empty (name at least one scene, or leave the key out for all)"))
    if len(value) > MAX_SCENES:
        raise _Wrong(("", f"names {len(value)} scenes (expected {MAX_SCENES} at most; start several runs)"))
    seen: set[str] = set()
    for n, scene in enumerate(value):
        if not isinstance(scene, str) or not is_safe_id(scene):
            raise _Wrong((f"[{n}]", f"({_shown(scene)}) is no scene id (expected text of {SAFE_ID})"))
        if scene in seen:
            raise _Wrong((f"[{n}]", f"({scene}) is there twice (name each scene once)"))
        seen.add(scene)
    return tuple(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong(("", f"is {_named(value)} (expected true or false, without quotes)"))
    return value


def _recompute(value: Any) -> bool | datetime:
    if isinstance(value, bool):
        return value
    try:
        if not isinstance(value, str):
            raise ValueError
        return parse_instant(value)
    except ValueError:
        expected = "true or false, without quotes, or the time before which products were made that are to be made anew"
        raise _Wrong(("", f"is {_named(value)} (expected {expected})")) from None


def _instance_count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _Wrong(("", f"is {_named(value)} (expected a whole number from 1 to {MAX_INSTANCES}, without quotes)"))
    if not 1 <= value <= MAX_INSTANCES:
        raise _Wrong(("", f"is {value} (expected 1 to {MAX_INSTANCES}, what one processing job takes)"))
    return value


def _unknown(key: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(key.lower().replace("-", "_"), known, n=1)
    meant = f"did you mean `{close[0]}`?" if close else f"expected some of {', '.join(known)}"
    return f"is no known key ({meant})"


def _plain(key: str) -> str:
    return _shown(key)[1:-1]


def _named(value: Any) -> str:
    """`value` in words that go with "is"."""
    kinds = {dict: "an object", list: "a list", str: f"the text {_shown(value)}"}
    return kinds.get(type(value), _shown(value))


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 80 else text[:77] + "…"
