"""The script of a pipeline as an S3 asset, stored as `<hash>.zip`, which Python runs as it is (`python3 <hash>.zip`).

Every script travels in the same way, whether one file, a folder or a built-in one: `container/launcher` beside the
script's own files, which it runs unchanged, and the libraries that the script asks for.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from geocadence.definition.files import UnusableFile, files_to_ship, is_built_in
from stacks.components.libraries import GLIBC, MACHINE, Libraries, packages_in
from stacks.components.uv import ROOT, deploys_to_this_machine, pack
from stacks.refused import Refused

BUILT_IN = ROOT / "processing_scripts"
# What makes products of the files of a script that leaves no Items; the launcher starts it.
CATALOGUING = BUILT_IN / "_catalogue_files.py"
LAUNCHER = ROOT / "container" / "launcher" / "__main__.py"
# Locks of what makes a built-in script faster where it loads; it does without where it does not.
LIBRARIES_OF_BUILT_INS = {"spectral_index": ROOT / "requirements" / "codecs.txt"}
# What every image that a built-in script runs in has; another beside it would be in its way.
IN_EVERY_IMAGE = ("numpy", "rasterio")


class ScriptAsset(Construct):
    """`file_name` is the name that the archive has in its folder in the container.

    `entry` is the file of a script folder that is run; `python` is the image's, `provided` the packages in the image
    that must not travel although `requirements` would bring them; `files` the names that files deployed as inputs
    have in their folders; `products` is given for a script that leaves files without Items: the `digest` of its code,
    for the Items that they get, and the folders of the container where scenes come in and files are left.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        script: Path,
        entry: str = "__main__.py",
        requirements: Path | None = None,
        provided: tuple[str, ...] = (),
        python: str = "",
        files: Mapping[str, str] | None = None,
        products: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, id)
        # By its own name, whatever a link to it is called: the others beside it travel under theirs.
        script = script.resolve() if is_built_in(script, root=ROOT) else script
        with tempfile.TemporaryDirectory(prefix="script-") as scratch:
            archive, staging = Path(scratch, "script.zip"), Path(scratch, "script")
            staging.mkdir()
            listed = _stage(script, entry, _libraries(script, requirements, provided), _pythons(python), staging)
            start = {
                "entry": entry if script.is_dir() else script.name,
                "libraries": listed,
                "files": dict(files or {}),
            }
            if products is not None:
                start["products"] = {"script": script.name, **products}
                _lay_out(CATALOGUING, staging / "products")
            (staging / "start.json").write_text(json.dumps(start, indent=1))
            # Not by the CDK, which would press anew the libraries, zips already, for each deployment's folder.
            pack(staging, archive)
            # The asset copies what it is given at once.
            asset = assets.Asset(self, "Asset", path=str(archive))
        self.bucket = asset.s3_bucket_name
        self.key = asset.s3_object_key
        self.uri = asset.s3_object_url
        # The synthesizer may put a prefix before the hash; the job sees the last part.
        self.file_name = self.key.rpartition("/")[2]


class UnusableScript(Refused):
    """A script that a job could not start."""


def _libraries(script: Path, requirements: Path | None, provided: tuple[str, ...]) -> list[Libraries]:
    """Later ones go before earlier ones where the script looks for its imports."""
    found = []
    if is_built_in(script, root=ROOT) and script.stem in LIBRARIES_OF_BUILT_INS:
        found.append(Libraries(LIBRARIES_OF_BUILT_INS[script.stem], is_required=False, provided=IN_EVERY_IMAGE))
    if requirements is not None:
        found.append(Libraries(requirements, provided=provided))
    return found


def _pythons(python: str) -> tuple[str, ...]:
    """What libraries are gathered for, and last what they travel for: the image's Python, on the local cloud this one.

    There they are gathered for the image's too, so that what is refused for AWS is refused.
    """
    here = ".".join(map(str, sys.version_info[:2]))
    return tuple(dict.fromkeys((python, here))) if deploys_to_this_machine() else (python,)


def _stage(
    script: Path, entry: str, libraries: list[Libraries], pythons: tuple[str, ...], staging: Path
) -> list[dict[str, Any]]:
    """Lay out in `staging` what becomes the archive; what the launcher is told of the libraries."""
    shutil.copyfile(LAUNCHER, staging / "__main__.py")
    if script.is_dir() and not (script / entry).is_file():
        raise UnusableScript(f"{script} has no {entry} (a script folder is started through it)")
    try:
        _lay_out(script, staging / "script")
    except UnusableFile as error:
        raise UnusableScript(str(error)) from error
    return [_ship(each, pythons, staging, number) for number, each in enumerate(libraries)]


def _lay_out(script: Path, folder: Path) -> None:
    """The files that travel as `script`, below `folder`."""
    for name, path in files_to_ship(script, root=ROOT):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # With its mode: programs stay programs.
        shutil.copy(path, target)


def _ship(libraries: Libraries, pythons: tuple[str, ...], staging: Path, number: int) -> dict[str, Any]:
    """Put the zip of `libraries` into `staging`; what the launcher is told of it."""
    python, path = list(libraries.zips(pythons).items())[-1]
    # Numbered, since a file of requirements may bear the name of another.
    name = f"libraries/{number}-{libraries.requirements.stem}-{python}.zip"
    (staging / "libraries").mkdir(exist_ok=True)
    shutil.copyfile(path, staging / name)
    return {
        "name": libraries.requirements.name,
        "required": libraries.is_required,
        "packages": sorted(packages_in(path)),
        "machine": MACHINE,
        "glibc": GLIBC,
        "zips": {python: name},
    }
