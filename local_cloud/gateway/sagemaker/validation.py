"""Checks a request against botocore's service model, in the words of AWS's own refusals.

botocore checks types, required members and lower bounds before it sends; patterns, upper bounds and
enumerations are left to the service. A request from Step Functions passes no client at all. So
everything the model states is checked here. One thing is stricter than AWS, which ignores members that
it does not know: a misspelt one is refused, because it would be silently without effect.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from .errors import ApiError, invalid

# AWS reports this many and drops the rest.
REPORTED = 10


@functools.cache
def service_model() -> ServiceModel:
    """botocore's description of SageMaker: a large file, so read once."""
    return botocore.session.Session().get_service_model("sagemaker")


def check_request(action: str, request: Any) -> None:
    """Raise what AWS would answer to a `request` that the model of `action` does not admit.

    SerializationException for a wrong JSON type, ValidationException (all findings in one message) for
    a missing member or a value outside of its constraint.
    """
    findings = list(_check(service_model().operation_model(action).input_shape, request, ""))
    if findings:
        many = "errors" if len(findings) > 1 else "error"
        raise invalid(f"{len(findings)} validation {many} detected: {'; '.join(findings[:REPORTED])}")


def _check(shape: Shape, value: Any, path: str) -> Iterator[str]:
    _check_type(shape, value, path)
    if isinstance(shape, StructureShape):
        yield from _check_structure(shape, value, path)
        return
    failed = list(_constraints_failed(shape, value))
    yield from (_finding(value, path, constraint) for constraint in failed)
    if isinstance(shape, ListShape):
        if _is_scalar(shape.member):
            yield from _check_together(shape.member, value, value, path, "Member")
        else:
            for number, member in enumerate(value, start=1):
                yield from _check(shape.member, member, f"{path}.{number}.member")
    elif isinstance(shape, MapShape):
        yield from _check_together(shape.key, list(value), value, path, "Map keys")
        yield from _check_together(shape.value, list(value.values()), value, path, "Map value")


def _check_structure(shape: StructureShape, value: dict[str, Any], path: str) -> Iterator[str]:
    for name in value:
        if name not in shape.members:
            raise invalid(
                f"Unknown parameter {name!r} in {path or 'the request'}: {shape.name} has "
                f"{', '.join(sorted(shape.members))}."
            )
    for name, member in shape.members.items():
        below = f"{path}.{_camel(name)}" if path else _camel(name)
        if value.get(name) is not None:
            yield from _check(member, value[name], below)
        elif name in shape.required_members:
            yield f"Value null at '{below}' failed to satisfy constraint: Member must not be null"


def _check_together(shape: Shape, values: list[Any], whole: Any, path: str, what: str) -> Iterator[str]:
    """AWS reports scalars inside lists and maps once for the whole, with all constraints of a member."""
    for value in values:
        _check_type(shape, value, path)
        if any(True for _ in _constraints_failed(shape, value)):
            constraints = ", ".join(_constraints(shape))
            yield _finding(whole, path, f"{what} must satisfy constraint: [{constraints}]")
            return


def _finding(value: Any, path: str, constraint: str) -> str:
    return f"Value '{_shown(value)}' at '{path}' failed to satisfy constraint: {constraint}"


_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
}


def _check_type(shape: Shape, value: Any, path: str) -> None:
    wanted = _JSON_TYPES[shape.type_name]
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise ApiError(
            "SerializationException",
            f"{path or 'the request'}: {type(value).__name__} can not be converted to {shape.type_name}",
        )


def _constraints_failed(shape: Shape, value: Any) -> Iterator[str]:
    rules = shape.metadata
    measured = len(value) if shape.type_name in ("string", "list", "map") else value
    if "min" in rules and measured < rules["min"]:
        yield _bound(shape, "greater", rules["min"])
    if "max" in rules and measured > rules["max"]:
        yield _bound(shape, "less", rules["max"])
    if not isinstance(value, str):
        return
    if shape.enum and value not in shape.enum:
        yield f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
    pattern = _compiled(rules.get("pattern"))
    if pattern and not pattern.fullmatch(value):
        yield f"Member must satisfy regular expression pattern: {rules['pattern']}"


def _constraints(shape: Shape) -> Iterator[str]:
    if "max" in shape.metadata:
        yield _bound(shape, "less", shape.metadata["max"])
    if "min" in shape.metadata:
        yield _bound(shape, "greater", shape.metadata["min"])
    if "pattern" in shape.metadata:
        yield f"Member must satisfy regular expression pattern: {shape.metadata['pattern']}"


def _bound(shape: Shape, comparison: str, limit: int) -> str:
    what = "length" if shape.type_name in ("string", "list", "map") else "value"
    return f"Member must have {what} {comparison} than or equal to {limit}"


@functools.cache
def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    """The model's patterns are Java's: Unicode classes are rewritten, what Python can't read is let pass."""
    if pattern is None:
        return None
    for java, python in ((r"\p{L}", r"\w"), (r"\p{N}", r"\d"), (r"\p{Z}", r"\s")):
        pattern = pattern.replace(java, python)
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _is_scalar(shape: Shape) -> bool:
    return shape.type_name not in ("structure", "list", "map")


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_shown(member) for member in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_shown(member)}" for key, member in value.items()) + "}"
    return str(value)
