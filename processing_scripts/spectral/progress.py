"""Telling people and machines how far the shard is: a bar on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import json
import sys
import threading
from datetime import datetime, timezone
from typing import Any, TextIO

_BAR = 24


class Progress:
    """Reports events; `stream` is where a person would look (stderr by default)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._total = 0
        self._done = 0
        self._lock = threading.Lock()

    def start(self, *, scenes: int, **facts: Any) -> None:
        """The shard begins: what it is made of and what it runs on."""
        self._total = scenes
        self.note("start", scenes=scenes, **facts)

    def note(self, event: str, *, level: str = "info", **facts: Any) -> None:
        """Anything worth a line; any thread may say it."""
        with self._lock:
            self._note(event, level, facts)

    def _note(self, event: str, level: str, facts: dict[str, Any]) -> None:
        if self._terminal:
            shown = " ".join(f"{name}={value}" for name, value in facts.items())
            self._line(f"{event}: {shown}" if shown else event)
            self._bar()
        else:
            moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
            entry = {"time": moment, "level": level, "event": event, **facts}
            # ASCII, because a container's locale may know nothing else.
            self._stream.write(json.dumps(entry, default=str) + "\n")
            self._stream.flush()

    def scene(self, scene_id: str, outcome: str, **facts: Any) -> None:
        """One scene is through: `produced` or `failed`."""
        self._done += 1
        self.note("scene", level="info" if outcome == "produced" else "error", scene=scene_id, outcome=outcome, **facts)

    def end(self, summary: str) -> None:
        """The shard is through."""
        self.note("end", summary=summary)
        if self._terminal:
            self._stream.write("\n")

    def _line(self, text: str) -> None:
        self._stream.write(f"\r\x1b[K{text}\n")

    def _bar(self) -> None:
        if self._total:
            full = _BAR * self._done // self._total
            self._stream.write(f"\r\x1b[K[{'█' * full}{'·' * (_BAR - full)}] {self._done}/{self._total} scenes")
            self._stream.flush()
