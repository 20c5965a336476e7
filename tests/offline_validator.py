"""stac-valid, which took stac-validator's place, told where pystac keeps the core schemas: no network."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pystac

# Programs for tests; also for those that another Python runs.
TOOLS = Path(__file__).parents[1] / ".venv/bin"


def stac_valid(file: Path) -> subprocess.CompletedProcess[str]:
    """What it says of an Item or a Collection; 0 where that is valid."""
    core = Path(pystac.__file__).parent / "validation/jsonschemas"
    places = {json.loads(path.read_text())["$id"].rstrip("#"): path for path in core.rglob("*.json")}
    # Misspelt in pystac's copy.
    places = {uri.replace("/commonjson", "/common.json"): path for uri, path in places.items()}
    mapped = [part for uri, path in places.items() for part in ("--schema-map", uri, str(path))]
    command = [TOOLS / "stac-valid", "validate", "--core", *mapped, file]
    return subprocess.run(command, capture_output=True, text=True, check=False)
