"""A bar on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import io
import json

from spectral.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar():
    stream = Terminal()
    progress = Progress(stream)
    progress.start(scenes=2)
    progress.scene("A", "produced")
    progress.scene("B", "failed", reason="why")
    progress.end("done")
    shown = stream.getvalue()
    assert "1/2 scenes" in shown
    assert "2/2 scenes" in shown
    assert "reason=why" in shown


def test_elsewhere_each_line_is_json_in_ascii(log: io.StringIO):
    progress = Progress(log)
    progress.start(scenes=1)
    progress.scene("A", "failed", reason="Évora \ud800")
    lines = log.getvalue().splitlines()
    assert all(line.isascii() for line in lines)
    assert [json.loads(line)["level"] for line in lines] == ["info", "error"]
