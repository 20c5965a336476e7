"""What the command line prints: facts to stdout, as tables or JSON; everything else to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_STYLES = {
    "complete": "green", "produced": "green", "new": "green", "succeeded": "green", "completed": "green",
    "partial": "yellow", "missing": "yellow", "recompute": "yellow", "stopped": "yellow", "aborted": "yellow",
    "failed": "red", "rejected": "red", "timed out": "red",
    "empty": "blue", "skip": "dim", "skipped": "dim", "running": "cyan", "inprogress": "cyan",
}  # fmt: skip


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Whoever read has seen enough: no failure, while rich's own answer is exit code 1."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0)


class Screen:
    """Where a verb's words go."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        # Piped tables must not be folded to the 80 columns of a terminal that is not there.
        self.out = _Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 240)
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)

    def facts(self, data: Any) -> None:
        """Facts for programs."""
        self.out.print(Text(json.dumps(data, indent=2, ensure_ascii=False, default=str)))

    def say(self, text: str = "") -> None:
        """Words for people; where programs listen, beside the facts."""
        (self.err if self.as_json else self.out).print(Text(text))

    def fail(self, text: str) -> int:
        """A sentence on what went wrong, and the exit code that goes with it."""
        self.err.print(Text(f"geocadence: {text}"))
        return 1

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, numbers: Sequence[str] = ()) -> None:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in columns:
            table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
        for row in rows:
            table.add_row(*(_cell(value) for value in row))
        self.out.print(table, soft_wrap=False)


def _cell(value: Any) -> Text:
    text = "–" if value is None or value == "" else str(value)
    return Text(text, style=_STYLES.get(text, ""))
