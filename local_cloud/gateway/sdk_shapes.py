"""Between a state machine's JSON and an AWS SDK's arguments and results.

Step Functions writes every parameter in PascalCase whatever the service's own spelling, takes JSON where a
service wants a string of JSON, and names errors as the Java SDK does.
https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
"""

from __future__ import annotations

import datetime
import functools
import json
import re
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

# Services whose name in a state machine isn't botocore's; Step Functions takes it from the Java SDK's packages.
OTHER_NAMES = {"sfn": "stepfunctions", "cloudwatchlogs": "logs", "eventbridge": "events"}


class InvalidArguments(ValueError):
    """Arguments that the operation does not have."""


@functools.cache
def client_name(service: str) -> str | None:
    """botocore's name for the service that a state machine calls `service`."""
    known = botocore.session.Session().get_available_services()
    wanted = OTHER_NAMES.get(service, service)
    return next((name for name in known if name.replace("-", "") == wanted.replace("-", "")), None)


def java_name(service_id: str) -> str:
    """`DynamoDB` → `DynamoDb`, `CloudWatch Logs` → `CloudWatchLogs`: how error names begin."""
    words = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+|[0-9]+", service_id)
    return "".join(word[:1].upper() + word[1:].lower() for word in words)


def exception_name(model: ServiceModel, code: str) -> str | None:
    """The exception that the Java SDK raises for an error code that the service's model knows."""
    for shape in model.error_shapes:
        if code in (shape.name, shape.error_code):
            return f"{shape.name.removesuffix('Fault').removesuffix('Exception')}Exception"
    return None


def request(value: Any, shape: Shape | None) -> Any:
    """Arguments in PascalCase as the operation's input shape spells them."""
    if isinstance(shape, StructureShape):
        if not isinstance(value, dict):
            raise InvalidArguments(f"{shape.name} must be an object, not {json.dumps(value)}.")
        members = {name.lower(): name for name in shape.members}
        unknown = [name for name in value if name.lower() not in members]
        if unknown:
            raise InvalidArguments(
                f"The field {unknown[0]!r} is not supported; {shape.name} has {sorted(shape.members)}."
            )
        return {
            members[name.lower()]: request(item, shape.members[members[name.lower()]]) for name, item in value.items()
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [request(item, shape.member) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {name: request(item, shape.value) for name, item in value.items()}
    if shape is not None and shape.type_name in ("string", "blob") and isinstance(value, dict | list):
        return json.dumps(value)
    if shape is not None and shape.type_name in ("integer", "long") and isinstance(value, float) and value.is_integer():
        return int(value)  # JSONata's numbers are floating-point
    return value


def result(value: Any, shape: Shape | None, *, time_as: str) -> Any:
    """A botocore reply as a task's result: members in PascalCase, times as `iso` text or epoch `millis`."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {
            name[:1].upper() + name[1:]: result(item, shape.members.get(name), time_as=time_as)
            for name, item in value.items()
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [result(item, shape.member, time_as=time_as) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {name: result(item, shape.value, time_as=time_as) for name, item in value.items()}
    if isinstance(value, datetime.datetime):
        return _time(value.astimezone(datetime.UTC), time_as)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.read().decode("utf-8", "replace") if hasattr(value, "read") else value


def _time(moment: datetime.datetime, time_as: str) -> int | str:
    if time_as == "millis":
        return int(moment.timestamp() * 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
