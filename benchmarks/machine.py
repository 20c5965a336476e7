"""The circumstances of a measurement: machine, versions, date."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.places import CONTAINER_PYTHON, PEERS_PYTHON, ROOT

# Share of a core that others may use while it still counts as quiet.
_QUIET = 0.15

_VERSIONS = """
import importlib.metadata, json, platform, rasterio
found = {one.metadata["Name"].lower(): one.version for one in importlib.metadata.distributions()}
print(json.dumps({"python": platform.python_version(), "gdal": rasterio.__gdal_version__, **found}))
"""


def facts(*, size: int, rounds: int, cores_used: int) -> dict[str, Any]:
    """What a reader needs to judge the figures. Call it before anything is measured: it looks at the load."""
    load = os.getloadavg()[0]
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "size": size,
        "rounds": rounds,
        "cpu": _first_line("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "cores_used": cores_used,
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9),
        "kernel": f"{platform.system()} {platform.release()}",
        "load_before": round(load, 2),
        "quiet": load < _QUIET * (os.cpu_count() or 1),
        "commit": _output(["git", "-C", str(ROOT), "describe", "--always", "--dirty"]),
        "container": _versions(CONTAINER_PYTHON),
        "peers": _versions(PEERS_PYTHON),
        "gdal_calc": _output(["gdalinfo", "--version"]) if shutil.which("gdal_calc.py") else None,
        "orfeo": _orfeo(),
    }


def _versions(python: Path) -> dict[str, str]:
    return json.loads(_output([str(python), "-c", _VERSIONS]))


def _orfeo() -> str | None:
    """Its programs tell no version but in what they log."""
    program = shutil.which("otbcli_BandMath")
    if not program:
        return None
    told = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    return next((line.strip() for line in (told.stdout + told.stderr).splitlines() if "version" in line), "unknown")


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _first_line(path: str, name: str) -> str:
    lines = Path(path).read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), platform.processor())
