"""What can go wrong with a scene, in the three classes that the run's report tells apart."""

from __future__ import annotations

import hashlib
import re
from typing import ClassVar

# The rule of geocadence/scene_ids.py, which is not in the container: an id that the plan lets through must
# be one here, and no other, or plan and products would not agree on names.
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,180}", re.ASCII)
# Of web addresses: a name and password before the host; the query, where signatures are.
_USER = re.compile(r"(?<=://)[^/@\s?#]+@")
_SIGNED = re.compile(r"(?<=[^\s?])\?(?=[^\s=&]*=)[^\s)'\"<>]*")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
# What a library that doesn't fit ends its import with: built against another numpy (ValueError, RuntimeError,
# AttributeError, SystemError), without a library of the system (OSError), or for another Python.
MISFITS = (ImportError, AttributeError, OSError, RuntimeError, SystemError, TypeError, ValueError)


class SceneFailure(Exception):
    """A scene that can't become a product; the message is the reason, a sentence for the report."""

    failure_class: ClassVar[str]


class InputFailure(SceneFailure):
    """The scene itself is at fault: trying again changes nothing."""

    failure_class = "input"


class TransientFailure(SceneFailure):
    """The way to the scene is at fault (network, throttling): trying again may help."""

    failure_class = "transient"


class UnfitInstance(Exception):
    """The machine is at fault (disk full, libraries missing): the whole shard has to stop."""


def failure_class(error: Exception) -> str:
    """`input`, `transient`, or `bug` for whatever this code did not foresee."""
    return error.failure_class if isinstance(error, SceneFailure) else "bug"


def without_secrets(text: str) -> str:
    """The text without what signed addresses carry: reasons end up in reports and mails."""
    return _SIGNED.sub("?…", _USER.sub("", text))


def check_id(scene_id: object) -> str:
    """The id, when it can name files and S3 objects.

    Raises:
        InputFailure: it is empty, longer than 181 characters, or holds anything that could lead out of
            the output folder or upset a file system.
    """
    if not isinstance(scene_id, str) or not _SAFE_ID.fullmatch(scene_id):
        shown = repr(scene_id)
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        raise InputFailure(
            f"The scene's id {shown} can't name a file: expected 1 to 181 letters, digits or any of "
            ". _ - with a letter or digit first."
        )
    return scene_id


def file_name_for(scene_id: object) -> str:
    """A file name for any id: the id itself when it is safe, else a readable rest of it and its digest."""
    if isinstance(scene_id, str) and _SAFE_ID.fullmatch(scene_id):
        return scene_id
    # Not the bare number 7, which may be another scene's id as a text.
    text = scene_id if isinstance(scene_id, str) else f"{type(scene_id).__name__} {scene_id!r}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    rest = _UNSAFE.sub("_", text).strip("._-")[:80]
    return f"{rest}-{digest}" if rest else f"unnamed-{digest}"
