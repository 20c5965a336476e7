"""What a run leaves out of what was asked for, or leaves to others, and why: "nothing to do" would pass for done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def left_out(plan: dict[str, Any], *, by_name: bool) -> Iterator[str]:
    """Sentences for a person; `by_name`: scenes were named, of which each that is not taken and not done is told."""
    if not plan.get("planned") and plan.get("note"):
        yield plan["note"]
    for decision in plan.get("decisions", ()) if by_name else ():
        if decision["decision"] == "rejected" or decision.get("held_by"):
            yield f"{decision['id']}: {decision['reason']}"
