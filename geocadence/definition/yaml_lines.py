"""YAML read as plain data together with the line of every key.

Dates stay the text that was written (they end up as arguments of a script), and so do numbers that are words of a
script's command line; duplicate keys, which YAML forbids but most readers swallow, are problems.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML, MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLStreamError
from ruamel.yaml.nodes import Node

from geocadence.definition.problems import KeyPath, Problem

_MERGE = "tag:yaml.org,2002:merge"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
# A list there is a command line, word by word: 007, 1.10 and 1e5 are other words than 7, 1.1 and 100000.0.
_WORDS = ("processing", "arguments")
_MAX_DEPTH = 20


@dataclass
class Document:
    """The plain data of one YAML document and where each of its keys stands."""

    file: str
    data: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, key: KeyPath) -> int:
        """The line of `key`, or of the nearest key around it that is there."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key, 1)

    def problem(self, key: KeyPath, sentence: str) -> Problem:
        return Problem(self.file, self.line(key), key, sentence)


def read(text: str, *, file: str) -> Document:
    """`text` as plain data with lines; syntax errors become the document's problems."""
    document = Document(file)
    yaml = YAML(typ="safe", pure=True)
    try:
        node = yaml.compose(text)
        if node is not None:
            document.data = _Reader(yaml, document).value(node, ())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = ", ".join(part for part in (error.context, error.problem) if part)
        document.problems.append(Problem(file, line, (), f"is no valid YAML: {what}"))
    except (YAMLError, YAMLStreamError, RecursionError, ValueError) as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        document.problems.append(Problem(file, 1, (), f"is no valid YAML: {first_line}"))
    return document


class _Reader:
    def __init__(self, yaml: YAML, document: Document) -> None:
        self._constructor = yaml.constructor
        self._document = document

    def value(self, node: Node, key: KeyPath) -> Any:
        self._document.lines.setdefault(key, node.start_mark.line + 1)
        if len(key) > _MAX_DEPTH:
            raise ValueError("an anchor refers to itself, or the nesting is absurdly deep")
        if isinstance(node, ScalarNode):
            return node.value if _stays_text(node, key) else self._constructor.construct_object(node)
        if isinstance(node, SequenceNode):
            return [self.value(child, (*key, n)) for n, child in enumerate(node.value)]
        return self._mapping(node, key)

    def _mapping(self, node: MappingNode, key: KeyPath) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == _MERGE:
                parts = value_node.value if isinstance(value_node, SequenceNode) else [value_node]
                for part in reversed(parts):
                    merged |= self.value(part, key) if isinstance(part, MappingNode) else {}
                continue
            name = str(key_node.value) if isinstance(key_node, ScalarNode) else "?"
            here = (*key, name)
            if name in own:
                first = self._document.lines[here]
                self._document.problems.append(
                    Problem(
                        self._document.file, line, here, f"is there twice (first in line {first}; keep one of them)"
                    )
                )
                continue
            self._document.lines[here] = line
            own[name] = self.value(value_node, here)
        return merged | own


def _stays_text(node: ScalarNode, key: KeyPath) -> bool:
    is_word = key[:-1] == _WORDS and isinstance(key[-1], int)
    return node.tag == _TIMESTAMP or (is_word and node.tag in _NUMBERS)
