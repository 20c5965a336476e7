"""JSON documents that end in one long list, written and read entry by entry: it may be more than memory has room for.

Any JSON reader takes them; what makes them readable piece by piece is that each entry of the list has its own line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from geocadence.fast_json import dumps, loads

_END = "]}"


def compact(data: Any) -> str:
    """JSON without spaces, in one line, that UTF-8 can hold."""
    return dumps(data).decode()


def write_long(path: Path, head: dict[str, Any], name: str, entries: Iterable[str]) -> None:
    """`head` and, under `name`, the list of `entries`, each JSON in one line."""
    with path.open("w", encoding="utf-8") as file:
        file.write(compact({**head, name: []}).removesuffix(_END) + "\n")
        for n, entry in enumerate(entries):
            file.write((",\n" if n else "") + entry)
        file.write("\n" + _END)


def read_head(path: Path) -> dict[str, Any]:
    """All but the list, which is left empty."""
    with path.open("rb") as file:
        return head_of(file.readline())


def head_of(start: bytes) -> dict[str, Any]:
    """The same of a document's first bytes; ValueError where its head is longer than they are."""
    line, end, _ = start.partition(b"\n")
    if not end:
        raise ValueError("the first line is not whole")
    return loads(line.decode() + _END)


def read_entries(path: Path) -> Iterator[Any]:
    """The list, one entry at a time."""
    with path.open(encoding="utf-8") as file:
        file.readline()
        for line in file:
            entry = line.rstrip("\n").removesuffix(",")
            if entry and entry != _END:
                yield loads(entry)
