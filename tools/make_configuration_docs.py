"""Write docs/configuration.md from the definition's JSON Schema, so that the page can't fall behind the model.

.venv/bin/python -m tools.make_configuration_docs
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from geocadence.definition import definition_schema

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"

HEAD = """# Configuration: the keys of a pipeline definition

This page is generated from the model by `tools/make_configuration_docs.py`; `geocadence schema` prints the
same as JSON Schema. Durations are ISO 8601 (`P14D`, `PT4H`), without years and months. Paths of files are relative to
the definition, or else to the project.

"""


def page() -> str:
    """The whole page as Markdown."""
    schema = definition_schema()
    return HEAD + "\n".join(_section(schema, schema, "")) + "\n"


def _section(part: dict[str, Any], schema: dict[str, Any], path: str) -> list[str]:
    heading = f"## `{path}`" if path else "## The definition"
    lines = [heading, ""]
    if path and part.get("description"):
        lines += [" ".join(part["description"].split()), ""]
    lines += ["| key | value | default | what it is |", "|---|---|---|---|"]
    below = []
    for key, given in part["properties"].items():
        kind = _resolved(given, schema)
        required = "required" if key in part.get("required", []) else _default(given)
        # Where the key refers to a part with a description of its own, the key's goes before it.
        told = " ".join((given.get("description") or kind.get("description") or "").split())
        lines.append(f"| `{key}` | {_kind(kind, schema)} | {required} | {told}{_examples(given)} |".replace("\n", " "))
        here = f"{path}.{key}" if path else key
        if "properties" in kind:
            below += ["", *_section(kind, schema, here)]
        elif "$ref" in (each := kind.get("additionalProperties") or {}):
            below += ["", *_section(_resolved(each, schema), schema, f"{here}.<name>")]
    return lines + below


def _resolved(given: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What `given` refers to, past `$ref` and past an alternative of null."""
    if "$ref" in given:
        return schema["$defs"][given["$ref"].rpartition("/")[2]]
    others = [each for each in given.get("anyOf", []) if each.get("type") != "null"]
    return _resolved(others[0], schema) if len(others) == 1 else given


def _kind(kind: dict[str, Any], schema: dict[str, Any]) -> str:
    if "properties" in kind:
        return "mapping"
    if "enum" in kind:
        return " or ".join(f"`{value}`" for value in kind["enum"])
    if isinstance(kind.get("anyOf"), list):
        return " or ".join(_kind(each, schema) for each in kind["anyOf"] if each.get("type") != "null")
    if isinstance(kind.get("type"), list):
        return " or ".join(_kind({"type": each}, schema) for each in kind["type"])
    if kind.get("type") == "array":
        return f"list of {_kind(_resolved(kind['items'], schema), schema)}s"
    if kind.get("type") == "object":
        return "mapping"
    if kind.get("format") == "duration":
        return "duration"
    name = {"integer": "whole number", "string": "text", "boolean": "true or false", "number": "number"}.get(
        kind.get("type"), "value"
    )
    low, high = kind.get("minimum", kind.get("exclusiveMinimum")), kind.get("maximum")
    if low is not None and high is not None:
        return f"{name}, {low} to {high}"
    if low is not None:
        return f"{name}, {'above' if 'exclusiveMinimum' in kind else 'at least'} {low}"
    return name


def _default(given: dict[str, Any]) -> str:
    default = given.get("default")
    return (
        "–" if default in (None, "", [], {}) or isinstance(default, dict) else f"`{json.dumps(default).strip(chr(34))}`"
    )


def _examples(given: dict[str, Any]) -> str:
    shown = [json.dumps(each, ensure_ascii=False).strip('"') for each in given.get("examples", [])]
    return f", e.g. `{'`, `'.join(shown)}`" if shown else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
