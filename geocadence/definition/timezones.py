"""Time zones by their IANA names, as EventBridge Scheduler knows them."""

from __future__ import annotations

import difflib
import zoneinfo


def timezone_problem(name: str) -> str | None:
    """Why `name` is no time zone, or None; without a time zone database nothing is refused."""
    known = zoneinfo.available_timezones() - {"localtime", "Factory"}
    if not known or name in known:
        return None
    by_lower = {zone.lower(): zone for zone in sorted(known)}
    close = difflib.get_close_matches(name.lower().replace(" ", "_"), by_lower, n=1)
    example = f"did you mean {by_lower[close[0]]}?" if close else "expected an IANA name, e.g. Europe/Lisbon"
    return f"is no time zone ({example})"
