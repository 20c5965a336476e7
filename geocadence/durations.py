"""ISO 8601 durations as definitions write them: weeks, days, hours, minutes and seconds.

Years and months are refused: their length depends on the date, and every duration here ends up as
a number of seconds or minutes in an AWS API.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

_PATTERN = (
    r"^P(?!$)(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?!$)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?$"
)


class Duration(timedelta):
    """A timedelta that is written, read and printed as an ISO 8601 duration."""

    @classmethod
    def parse(cls, text: str) -> Duration:
        """The duration that `text` names; ValueError says what would be right."""
        match = re.match(_PATTERN, text)
        if match is None:
            raise ValueError("is no ISO 8601 duration of weeks, days, hours, minutes and seconds (expected e.g. P14D or PT4H)")
        return cls(**{unit: int(number) for unit, number in match.groupdict().items() if number})

    def __str__(self) -> str:
        hours, rest = divmod(self.seconds, 3600)
        minutes, seconds = divmod(rest, 60)
        date = f"{self.days}D" if self.days else ""
        time = "".join(f"{n}{u}" for n, u in ((hours, "H"), (minutes, "M"), (seconds, "S")) if n)
        return f"P{date}{'T' + time if time else ''}" if date or time else "PT0S"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.union_schema(
            [core_schema.is_instance_schema(cls), core_schema.no_info_after_validator_function(cls.parse, core_schema.str_schema())],
            mode="left_to_right",
            serialization=core_schema.to_string_ser_schema(),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "format": "duration", "pattern": _PATTERN.replace("?P<", "?<")}
