"""The script of a pipeline as an S3 asset: what is stored as `<hash>.py` or `<hash>.zip` is what the job starts.

A folder becomes a zip with `__main__.py`, which Python runs as it is (`python3 <hash>.zip`). A built-in script
is one module of `processing_scripts/` among the others that it imports, so all of them travel, with a
`__main__.py` that names the one to run.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from stacks.refused import Refused

BUILT_IN = Path(__file__).resolve().parent.parent.parent / "processing_scripts"
_NOT_TO_SHIP = shutil.ignore_patterns("__pycache__", "*.pyc", "tests", "test_*.py", ".*", "*.md", "ruff.toml")
_MAIN = '''"""Runs {name}, one of the modules in this archive."""

import runpy

runpy.run_module("{name}", run_name="__main__", alter_sys=True)
'''


class ScriptAsset(Construct):
    """`file_name` is the name that the script has in its folder in the container."""

    def __init__(self, scope: Construct, id: str, *, script: Path) -> None:
        super().__init__(scope, id)
        with tempfile.TemporaryDirectory(prefix="script-") as staging:
            # The asset copies what it is given at once.
            asset = assets.Asset(self, "Asset", path=str(_shipped(script, Path(staging))))
        self.bucket = asset.s3_bucket_name
        self.key = asset.s3_object_key
        self.uri = asset.s3_object_url
        # The synthesizer may put a prefix before the hash; the job sees the last part.
        self.file_name = self.key.rpartition("/")[2]


class UnusableScript(Refused):
    """A script that a job could not start."""


def _shipped(script: Path, staging: Path) -> Path:
    """The file or folder to upload for `script`, a folder's copy being made in `staging`."""
    if script.is_file() and script.resolve().parent != BUILT_IN:
        return script
    built_in = script.is_file()
    if not built_in and not (script / "__main__.py").is_file():
        raise UnusableScript(f"{script} has no __main__.py (a script folder is started through it)")
    shutil.copytree(BUILT_IN if built_in else script, staging, ignore=_NOT_TO_SHIP, dirs_exist_ok=True)
    if built_in:
        (staging / "__main__.py").write_text(_MAIN.format(name=script.stem))
    return staging
