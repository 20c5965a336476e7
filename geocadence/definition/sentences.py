"""Pydantic's errors as sentences: the value, what is wrong with it, what would be right."""

from __future__ import annotations

import difflib
import json
import types
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from geocadence.definition.model import Pipeline
from geocadence.definition.problems import KeyPath

_TYPES = {
    "string_type": ("text", "put it in quotes"),
    "int_type": ("a whole number", "e.g. 4"),
    "float_type": ("a number", "e.g. 50"),
    "bool_type": ("a boolean", "expected true or false"),
    "list_type": ("a list", "e.g. [a, b]"),
    "dict_type": ("a mapping", "expected `key: value` lines below it"),
    "model_type": ("a mapping", "expected `key: value` lines below it"),
}
# Why a number has the bounds that it has.
_BECAUSE = {
    ("processing.instance_count", "below"): "a job needs at least one instance",
    ("processing.instance_count", "above"): "a processing job takes at most 100 instances",
    ("processing.volume_size_gb", "below"): "an instance needs a disk of 1 to 16384 GB",
    ("processing.volume_size_gb", "above"): "an instance's disk holds 1 to 16384 GB",
    ("limits.max_scenes_per_run", "below"): "a run that may take no scene would never do anything",
    ("limits.scenes_per_job", "below"): "a job takes at least one scene",
    ("limits.concurrent_jobs", "below"): "at least one job must be able to run",
    ("limits.concurrent_jobs", "above"): "a Map state runs at most 40 jobs at the same time",
    ("limits.max_cost_usd", "below"): "expected an amount, or leave the key out for no limit",
    ("processing.hourly_rate", "below"): "expected USD, or leave the key out for AWS's list price",
}
_PATTERNS = {"name": "is no pipeline name (expected up to 30 lower-case letters, digits and -, a letter first)"}


def sentence(error: ErrorDetails, key: KeyPath) -> str:
    """What is wrong at `key`, and what would be right, without the key itself."""
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    if kind == "missing":
        return f"is missing ({_description(key)})"
    if kind == "extra_forbidden":
        return _unknown_key(key)
    if kind == "value_error":
        return _with_value(value, str(context["error"]))
    if kind in _TYPES:
        wanted, hint = _TYPES[kind]
        return _with_value(value, f"is not {wanted} ({hint})")
    if kind in ("greater_than_equal", "less_than_equal", "greater_than"):
        bound = next(iter(context.values()))
        side = "above" if kind == "less_than_equal" else "below"
        reached = "not above" if kind == "greater_than" else side
        because = _BECAUSE.get((".".join(map(str, key)), side))
        return _with_value(value, f"is {reached} {bound:g}" + (f" ({because})" if because else ""))
    if kind == "literal_error":
        return _with_value(value, f"is unknown (expected {context['expected'].replace(chr(39), '')})")
    if kind == "string_pattern_mismatch":
        return _with_value(value, _PATTERNS.get(".".join(map(str, key)), "has the wrong form"))
    if kind in ("string_too_short", "too_short"):
        return "is empty (name at least one, or leave the key out)" if kind == "too_short" else "is empty"
    if kind == "finite_number":
        return _with_value(value, "is no finite number (expected e.g. 50)")
    return _with_value(value, error["msg"][:1].lower() + error["msg"][1:])


def model_at(key: KeyPath) -> type[BaseModel] | None:
    """The model that describes the mapping at `key`, if one does."""
    model: Any = Pipeline
    for part in key:
        field = model.model_fields.get(part)
        model = _model_in(field.annotation) if field is not None else None
        if model is None:
            return None
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if get_origin(annotation) in (Union, types.UnionType):
        return next((found for arg in get_args(annotation) if (found := _model_in(arg)) is not None), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _unknown_key(key: KeyPath) -> str:
    model = model_at(key[:-1])
    known = list(model.model_fields) if model is not None else []
    close = difflib.get_close_matches(str(key[-1]).lower().replace("-", "_"), known, n=1)
    return f"unknown key; did you mean {close[0]}?" if close else f"unknown key (expected one of {', '.join(known)})"


def _description(key: KeyPath) -> str:
    model = model_at(key[:-1])
    field = model.model_fields.get(str(key[-1])) if model is not None else None
    if field is None:
        return "it is required"
    text = field.description or (model_at(key).__doc__ or "").split(":")[0]
    example = f", e.g. {field.examples[0]}" if field.examples else ""
    word = text.split(" ")[0]
    lower = word if word[1:] != word[1:].lower() else word.lower()  # but not GeoJSON, STAC, S3
    return f"it is required: {lower}{text[len(word) :]}{example}"


def _with_value(value: Any, text: str) -> str:
    return f"{_shown(value)} {text}" if not isinstance(value, dict | list | BaseModel) else text


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    shown = str(value)
    shown = shown if len(shown) <= 80 else shown[:77] + "…"
    return repr(shown) if isinstance(value, str) and (not shown or not shown.isprintable()) else shown
