"""Where the benchmarks find things: all of it inside the clone."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".local" / "bench"
SCENES = CACHE / "scenes"
WORK = CACHE / "work"
PEERS = ROOT / "benchmarks" / "peers"
SCRIPT = ROOT / "processing_scripts" / "spectral_index.py"

_BIN = "Scripts" if os.name == "nt" else "bin"
# What a processing job finds (`make run` makes it), and what the peers run in (`make bench` makes it).
CONTAINER_PYTHON = ROOT / ".local" / "container" / _BIN / "python"
PEERS_BIN = CACHE / "env" / _BIN
PEERS_PYTHON = PEERS_BIN / "python"
