"""EventBridge Scheduler's cron expressions: six fields, read before AWS does.

The rules are those of https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


@dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    may_be_open: bool = False  # `?`

    def number(self, text: str) -> int | None:
        if text.upper() in self.names:
            return self.names.index(text.upper()) + 1
        return int(text) if re.fullmatch(r"[0-9]{1,4}", text) and self.low <= int(text) <= self.high else None

    @property
    def range(self) -> str:
        names = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.low}-{self.high}{names}"


_FIELDS = (
    _Field("minutes", 0, 59),
    _Field("hours", 0, 23),
    _Field("day-of-month", 1, 31, may_be_open=True),
    _Field("month", 1, 12, tuple(_MONTHS)),
    _Field("day-of-week", 1, 7, tuple(_DAYS), may_be_open=True),
    _Field("year", 1970, 2199),
)


def cron_problem(expression: str) -> str | None:
    """Why EventBridge Scheduler would refuse `expression`, or None."""
    fields = expression.split()
    if len(fields) != 6:
        names = ", ".join(field.name for field in _FIELDS)
        return f"has {len(fields)} fields (expected six: {names}; e.g. 0 6 ? * MON *)"
    for field, text in zip(_FIELDS, fields, strict=True):
        if not _is_valid(field, text):
            wildcard = "* or ?" if field.may_be_open else "*"
            expected = f"{field.range}, {wildcard}, or lists, ranges and steps of those"
            return f"has {text!r} for {field.name} (expected {expected})"
    if (fields[2] == "?") == (fields[4] == "?"):
        found = "both" if fields[2] == "?" else "neither"
        return f"has ? in {found} of day-of-month and day-of-week (exactly one of the two must be ?)"
    return None


def _is_valid(field: _Field, text: str) -> bool:
    if text == "?":
        return field.may_be_open
    return all(_is_valid_part(field, part) for part in text.split(","))


def _is_valid_part(field: _Field, part: str) -> bool:
    if field.name == "day-of-month" and re.fullmatch(r"L|LW|L-[0-9]{1,2}", part):
        return True
    if field.name == "day-of-month" and part.endswith("W"):
        return field.number(part[:-1]) is not None
    if field.name == "day-of-week":
        if part == "L":
            return True
        if (match := re.fullmatch(r"(\w+?)(?:L|#[1-5])", part)) and field.number(match[1]) is not None:
            return True
    base, slash, step = part.partition("/")
    if slash and not (re.fullmatch(r"[0-9]{1,4}", step) and int(step) >= 1):
        return False
    if base == "*":
        return True
    first, dash, last = base.partition("-")
    low = field.number(first)
    if low is None or not dash:
        return low is not None
    high = field.number(last)
    # FRI-MON wraps around the week; in the other fields a backward range is a slip.
    return high is not None and (low <= high or bool(field.names))
