"""A definition's `processing.arguments` as the command line of the script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# CreateProcessingJob: ContainerArguments is a list of 1 to 100 texts of at most 256 characters.
MAX_ARGUMENTS = 100
MAX_LENGTH = 256
EVALUATED = "(Step Functions would evaluate it as JSONata; write it in another way)"
# What scripts name their options by: argparse would take nearly any text, and a slip of the pen is none of these.
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


def is_evaluated(text: str) -> bool:
    """Whether Step Functions would take `text` for a JSONata expression, not for itself.

    https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
    """
    return text.startswith("{%") and text.endswith("%}")


def render_arguments(arguments: Mapping[str, Any] | list[Any]) -> list[str]:
    """`{"indices": ["NDVI", "EVI"], "overwrite": True, "mask": None}` → `--indices NDVI,EVI --overwrite`.

    Lists in a mapping are joined by commas, `True` is the flag alone, `False` and `None` are nothing. A list in the
    mapping's place is the command line itself, word by word.
    """
    if isinstance(arguments, list):
        return [_text(word) for word in arguments]
    rendered: list[str] = []
    for key, value in arguments.items():
        if value is None or value is False:
            continue
        rendered.append(f"--{key}")
        if value is not True:
            rendered.append(",".join(map(_text, value)) if isinstance(value, list) else _text(value))
    return rendered


def argument_problems(arguments: Mapping[str, Any] | list[Any]) -> list[tuple[str | int | None, str]]:
    """What keeps `arguments` from becoming a command line: (key or place, None for all of them; sentence)."""
    if isinstance(arguments, list):
        problems = [(n, sentence) for n, word in enumerate(arguments) if (sentence := _word_problem(word)) is not None]
    else:
        problems = [
            (key, text) for key, value in arguments.items() if (text := _option_problem(key, value)) is not None
        ]
    if not problems and (count := len(render_arguments(arguments))) > MAX_ARGUMENTS:
        problems.append((None, f"make {count} words on the command line (a job takes at most {MAX_ARGUMENTS})"))
    return problems


def _word_problem(word: Any) -> str | None:
    """Why `word` can't be one of the command line's, as it is."""
    if isinstance(word, bool) or not isinstance(word, str | int | float):
        return "is neither text nor number (a list is the command line, word by word: put in quotes what is a text)"
    return _rendered_problem([_text(word)])


def _option_problem(key: str, value: Any) -> str | None:
    """Why `key: value` can't become `--key value`."""
    if not _KEY.fullmatch(key):
        return "is no argument name (expected letters, digits, -, _ and ., a letter first; or a list of words instead)"
    return _value_problem(value) or _rendered_problem([*render_arguments({key: value}), *_texts(value)])


def _rendered_problem(words: list[str]) -> str | None:
    if (length := max(map(len, words), default=0)) > MAX_LENGTH:
        return f"is {length} characters long as an argument (a job takes at most {MAX_LENGTH})"
    if any("\n" in word or "\r" in word for word in words):
        return "spans several lines (an argument of a job is one line)"
    if any(map(is_evaluated, words)):
        return f"is between {{% and %}} {EVALUATED}"
    return None


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
