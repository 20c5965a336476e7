"""A definition's `processing.arguments` as the command line of the script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# CreateProcessingJob: ContainerArguments is a list of 1 to 100 texts of at most 256 characters.
MAX_ARGUMENTS = 100
MAX_LENGTH = 256
EVALUATED = "(Step Functions would evaluate it as JSONata; write it in another way)"
_KEY = re.compile(r"[a-z][a-z0-9_-]*")


def is_evaluated(text: str) -> bool:
    """Whether Step Functions would take `text` for a JSONata expression, not for itself.

    https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
    """
    return text.startswith("{%") and text.endswith("%}")


def render_arguments(arguments: Mapping[str, Any]) -> list[str]:
    """`{"indices": ["NDVI", "EVI"], "overwrite": True, "mask": None}` → `--indices NDVI,EVI --overwrite`.

    Lists are joined by commas, `True` is the flag alone, `False` and `None` are nothing.
    """
    rendered: list[str] = []
    for key, value in arguments.items():
        if value is None or value is False:
            continue
        rendered.append(f"--{key}")
        if value is not True:
            rendered.append(",".join(map(_text, value)) if isinstance(value, list) else _text(value))
    return rendered


def argument_problems(arguments: Mapping[str, Any]) -> list[tuple[str | None, str]]:
    """What keeps `arguments` from becoming a command line: (key or None for all of them, sentence)."""
    problems: list[tuple[str | None, str]] = []
    for key, value in arguments.items():
        if not _KEY.fullmatch(key):
            problems.append((key, "is no argument name (expected lower-case letters, digits, - and _, a letter first)"))
        elif (sentence := _value_problem(value)) is not None:
            problems.append((key, sentence))
        elif any(len(part) > MAX_LENGTH for part in render_arguments({key: value})):
            length = max(map(len, render_arguments({key: value})))
            problems.append((key, f"is {length} characters long as an argument (a job takes at most {MAX_LENGTH})"))
        elif any("\n" in part or "\r" in part for part in render_arguments({key: value})):
            problems.append((key, "spans several lines (an argument of a job is one line)"))
        elif any(is_evaluated(text) for text in (*render_arguments({key: value}), *_texts(value))):
            problems.append((key, f"is between {{% and %}} {EVALUATED}"))
    if not problems and (count := len(render_arguments(arguments))) > MAX_ARGUMENTS:
        problems.append((None, f"make {count} words on the command line (a job takes at most {MAX_ARGUMENTS})"))
    return problems


def _value_problem(value: Any) -> str | None:
    if isinstance(value, list):
        if not value:
            return "is an empty list (leave the key out, or name at least one value)"
        if not all(isinstance(part, str | int | float) for part in value):
            return "holds something else than texts, numbers and booleans (a list becomes a,b,c)"
        if any("," in part for part in value if isinstance(part, str)):
            return "has a value with a comma in it (a list becomes a,b,c; the script could not tell them apart)"
        return None
    if value is not None and not isinstance(value, str | int | float):
        return "is neither text, number, boolean nor a list of those (it becomes --key value)"
    return None


def _texts(value: Any) -> list[str]:
    return [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, str)]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
