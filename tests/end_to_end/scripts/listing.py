"""Writes down what it found, and on which host."""

import json
import os
from pathlib import Path

processing = Path("/opt/ml/processing")
host = json.loads(Path("/opt/ml/config/resourceconfig.json").read_text())["current_host"]
found = {
    str(path.relative_to(processing / "input_data")): path.read_text()
    for path in (processing / "input_data").rglob("*")
    if path.is_file()
}
target = processing / "output_data" / os.environ["GEOCADENCE_RUN_ID"] / f"{host}.json"
target.parent.mkdir(parents=True, exist_ok=True)
target.write_text(json.dumps(found))
