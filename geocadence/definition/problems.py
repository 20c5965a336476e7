"""What is wrong with a definition, and where: `file:line: key: what is wrong (what would be right)`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing wrong at a key of a file; an empty key path means the file itself."""

    file: str
    line: int
    key: KeyPath
    sentence: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: "
        return where + (f"{dotted(self.key)}: {self.sentence}" if self.key else self.sentence)


class DefinitionErrors(Exception):
    """All that is wrong with the definitions read; its text holds one problem a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=lambda p: (p.file, p.line, dotted(p.key), p.sentence)))
        super().__init__("\n".join(map(str, self.problems)))


def dotted(key: KeyPath) -> str:
    """`("notify", "email", 0)` → `notify.email[0]`."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
