"""Points in time: always with a zone, read from and written as RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATETIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,6}(?P<finer>\d{1,3})?)?)?(?P<zone>[Zz]|[+-]\d{2}:?\d{2})?",
    re.ASCII,
)


def parse_instant(text: str) -> datetime:
    """`2026-11-22T06:00:00Z`, or a date alone as its midnight in UTC; ValueError says what is wrong."""
    match = _DATETIME.fullmatch(text)
    if match is None and not _DATE.fullmatch(text):
        raise ValueError("is no ISO 8601 date or time (expected e.g. 2026-11-22T06:00:00Z)")
    if match is not None and match["zone"] is None:
        raise ValueError("has no time zone (append Z for UTC, or an offset such as +01:00)")
    if match is not None and match["finer"]:  # the standard library reads six digits of a second's fraction at most
        text = text[: match.start("finer")] + text[match.end("finer") :]
    try:
        instant = datetime.fromisoformat(text.upper())
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no date that exists (expected e.g. 2026-11-22T06:00:00Z)") from None


def format_instant(instant: datetime) -> str:
    """RFC 3339 in UTC, with a fraction only where there is one."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
