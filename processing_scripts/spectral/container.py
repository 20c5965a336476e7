"""What a processing container tells the script, and what it wants to hear.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

from __future__ import annotations

import json
import os
from pathlib import Path

# Where no /opt/ml can be, this variable of AWS's own toolkits names the folder in its place.
ROOT = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
INPUT = ROOT / "processing" / "input_data"
OUTPUT = ROOT / "processing" / "output_data"
# SageMaker cuts the message to 1 KB and fails a job whose message is no UTF-8.
_LONGEST_MESSAGE = 1024


def host(root: Path = ROOT) -> dict:
    """`current_host` and `hosts` of the job, or nothing outside of one."""
    try:
        config = json.loads((root / "config" / "resourceconfig.json").read_text(encoding="utf-8"))
        return {"host": str(config["current_host"]), "hosts": len(config["hosts"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def leave_message(text: str, root: Path = ROOT) -> None:
    """What DescribeProcessingJob shows as ExitMessage; nothing outside of a container.

    SageMaker puts the messages of all hosts one behind the other, so each ends its line.
    """
    folder = root / "output"
    if folder.is_dir():
        short = text.encode("utf-8", "replace")[: _LONGEST_MESSAGE - 1].decode("utf-8", "ignore") + "\n"
        # Never worth failing for.
        try:
            (folder / "message").write_text(short, encoding="utf-8")
        except OSError:
            return
