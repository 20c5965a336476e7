"""Scene ids as parts of S3 keys and file names: what is let through.

An id comes from a foreign catalogue and becomes a folder in S3 and on disk, so nothing that could
climb out of its folder, hide or break a file name is let through.
"""

from __future__ import annotations

import re

_MAX_LENGTH = 181  # <id>_<index>.tif must stay below the 255 bytes that file systems allow
_SAFE = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{_MAX_LENGTH - 1}}}", re.ASCII)
# As messages say what would be right.
SAFE_ID = f"1 to {_MAX_LENGTH} letters, digits, dots, underscores and hyphens, the first a letter or digit"


def is_safe_id(text: str) -> bool:
    """Whether an id can be part of a key and of a file's name."""
    return _SAFE.fullmatch(text) is not None
