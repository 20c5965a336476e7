"""The range server as a process beside the measured ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Self

from benchmarks.places import ROOT


class RangeServer:
    """Serves a folder on 127.0.0.1 for as long as the context lasts; see `range_server.py`."""

    def __init__(self, folder: Path, *, latency: float, rate: float) -> None:
        """
        Args:
            folder: what is served.
            latency: seconds before a request is answered.
            rate: bytes a second on each connection.
        """
        self._command = [sys.executable, ROOT / "benchmarks" / "range_server.py", folder, str(latency), str(rate)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def counts(self) -> dict[str, int]:
        """Requests, bytes and connections since the last call."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()
