"""The command line, and what becomes of errors that are no scene's."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from cataloguing.catalogue import Script, catalogue
from spectral.container import leave_message
from spectral.progress import Progress


def main(arguments: list[str] | None = None) -> int:
    """0 when each scene has its product or its failure file, else 1."""
    parser = argparse.ArgumentParser(prog="_catalogue_files", description="STAC Items for what a script left.")
    parser.add_argument("--script", required=True, help="the script's name")
    parser.add_argument("--digest", required=True, help="a digest of its code")
    parser.add_argument("--input", required=True, type=Path, help="the folder of the scenes")
    parser.add_argument("--output", required=True, type=Path, help="the folder of what the script left")
    given = parser.parse_args(arguments)
    try:
        catalogue(
            input_folder=given.input,
            output_folder=given.output,
            script=Script(given.script, given.digest),
            run_id=os.environ.get("GEOCADENCE_RUN_ID") or None,
            collection=os.environ.get("GEOCADENCE_PIPELINE") or None,
            progress=Progress(),
        )
    except OSError as error:
        reason = f"What the script left can't be catalogued: {error}."
        sys.stderr.write(reason + "\n")
        leave_message(reason)
        return 1
    return 0
