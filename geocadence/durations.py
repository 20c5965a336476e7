"""ISO 8601 durations as definitions write them: weeks, days, hours, minutes and seconds.

Years and months are refused: their length depends on the date, and every duration here ends up as
a number of seconds or minutes in an AWS API.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

_PATTERN = (
    r"^P(?!$)(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?!$)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?$"
)


class Duration(timedelta):
    """A timedelta that is written, read and printed as an ISO 8601 duration."""

    @classmethod
    def parse(cls, text: str) -> Duration:
        """The duration that `text` names; ValueError says what would be right."""
        match = re.fullmatch(_PATTERN, text, re.ASCII)
        if match is None:
            raise ValueError(
                "is no ISO 8601 duration of weeks, days, hours, minutes and seconds (expected e.g. P14D or PT4H)"
            )
        try:
            return cls(**{unit: int(number) for unit, number in match.groupdict().items() if number})
        except OverflowError:
            raise ValueError("is too long a duration (expected e.g. P14D or PT4H)") from None

    def __str__(self) -> str:
        hours, rest = divmod(self.seconds, 3600)
        minutes, seconds = divmod(rest, 60)
        date = f"{self.days}D" if self.days else ""
        time = "".join(f"{n}{u}" for n, u in ((hours, "H"), (minutes, "M"), (seconds, "S")) if n)
        return f"P{date}{'T' + time if time else ''}" if date or time else "PT0S"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        # Imported here: the Lambda functions read durations too and carry no pydantic.
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            cls._validated, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def _validated(cls, value: Any) -> Duration:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise ValueError("is no ISO 8601 duration (expected text, e.g. P14D or PT4H)")
        return cls.parse(value)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        # Named groups are written differently in each language; a schema's pattern is for all of them.
        return {"type": "string", "format": "duration", "pattern": re.sub(r"\?P<\w+>", "", _PATTERN)}
