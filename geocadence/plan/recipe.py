"""The recipe of a product: what makes it what it is, beside its scene.

Arguments and environment, the form in which the script gets scenes and leaves products; its code; the image. Not how
many instances of which type: they change nothing in a product.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

# In the order of the parts of a recipe's id.
_PARTS = ("arguments", "script", "image")


def recipe_of(definition: dict[str, Any]) -> str:
    """The id of a resolved definition's recipe: `<arguments>-<script>-<image>`, 8 hex digits each."""
    processing = definition["processing"]
    asked = {key: processing.get(key) or {} for key in ("arguments", "environment", "inputs", "files_digest")}
    # Said only where they are not what they were before they could be said, so that recipes of then still hold.
    forms = {"scene_format": "search-result", "products": "files"}
    parts = (
        asked | {key: form for key, form in forms.items() if processing.get(key) == form},
        {key: processing.get(key) for key in ("script", "entry", "python", "provided", "code_digest")},
        # An image that is not built here has no digest of ours, and keeps the recipe that it had without one.
        {key: processing[key] for key in ("image", "image_digest") if processing.get(key)},
    )
    return "-".join(hashlib.sha256(json.dumps(p, sort_keys=True).encode()).hexdigest()[:8] for p in parts)


def what_changed(before: str, now: str) -> str:
    """The parts of the recipe that differ, as a person would list them."""
    pairs = zip(_PARTS, before.split("-"), now.split("-"), strict=False)
    return " and ".join(name for name, then, since in pairs if then != since) or "version"
