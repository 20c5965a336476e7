"""`report.html` out of `run.json`: no scripts, no requests but for the previews beside it."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from geocadence.instants import parse_instant
from geocadence.report.charts import footprints, mean_chart

# From <pipeline>/runs/<run-id>/ to <pipeline>/.
PIPELINE_FOLDER = "../../"
_HEADLINES = {
    "complete": "Complete",
    "partial": "Partly done",
    "failed": "Failed",
    "empty": "Nothing to do",
}
_ORDER = ("failed", "missing", "produced", "planned", "skipped")
_MAX_NAMED = 12


def render_report(record: dict[str, Any], *, pipeline_folder: str = PIPELINE_FOLDER) -> str:
    """The page for a run's record; `pipeline_folder` is the way from the page to the pipeline's files."""
    scenes = record["scenes"]
    return _template().render(
        run=record,
        folder=pipeline_folder,
        headline="Dry run" if record["dry_run"] else _HEADLINES[record["outcome"]],
        summary=_summary(record),
        chart=mean_chart(scenes),
        map=footprints(scenes, record["area"]),
        troubles=_troubles(record),
        listed=_listed(scenes),
        rejected=[scene for scene in scenes if scene["status"] == "rejected"],
        indices=sorted({name for s in scenes for name in (s.get("product") or {}).get("statistics", {})}),
        bytes=sum((s.get("product") or {}).get("bytes", 0) for s in scenes if s["status"] == "produced"),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"size": size, "duration": duration, "moment": moment, "day": day, "href": href}
    return environment.get_template("report.html.j2")


def _summary(record: dict[str, Any]) -> str:
    """The run in a sentence."""
    planned, produced, failed = record["planned"], record["produced"], record["failed"]
    things = "scene" if record["source"]["kind"] in ("stac", "items") else "object"
    if record["dry_run"]:
        return f"{_count(planned, things)} would be processed; nothing was started."
    if record["outcome"] == "empty":
        in_place = f" {_count(record['skipped'], 'product')} already in place." if record["skipped"] else ""
        return f"No {things} to process.{in_place}"
    if things == "object":
        return f"{_count(planned, things)} handed to the script, {_count(produced, 'file')} written, {failed} failed."
    return f"{produced} of {_count(planned, things)} turned into products" + (f", {failed} did not." if failed else ".")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _listed(scenes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What went wrong first, then this run's, then the others; the newest on top."""
    newest_first = sorted(scenes, key=lambda scene: scene["datetime"] or "", reverse=True)
    return sorted((s for s in newest_first if s["status"] in _ORDER), key=lambda scene: _ORDER.index(scene["status"]))


def _troubles(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Failures, those with the same reason as one."""
    grouped: dict[tuple[str, str, str | None], list[str]] = defaultdict(list)
    for scene in record["scenes"]:
        if failure := scene.get("failure"):
            grouped[failure["class"], failure["reason"], failure["advice"]].append(scene["id"])
    for other in record["other_failures"]:
        grouped[other["class"], other["reason"], None].append(other["scene"])
    troubles = [
        {
            "kind": kind,
            "reason": reason,
            "advice": advice,
            "scenes": scenes[:_MAX_NAMED],
            "more": max(0, len(scenes) - _MAX_NAMED),
        }
        for (kind, reason, advice), scenes in grouped.items()
    ]
    told = " ".join(trouble["reason"] for trouble in troubles)
    if record["failure"] and record["failure"] not in told:
        troubles.insert(
            0, {"kind": "job", "reason": record["failure"], "advice": record["advice"], "scenes": [], "more": 0}
        )
    return troubles


def size(number: int) -> str:
    """`123456` → `123 kB`."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            return f"{value:.0f} {unit}" if unit in ("B", "kB") or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


def duration(seconds: float | None) -> str:
    """`3725` → `1 h 2 min`."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def moment(text: str | None) -> str:
    return f"{parse_instant(text):%Y-%m-%d %H:%M} UTC" if text else "–"


def day(text: str | None) -> str:
    return f"{parse_instant(text):%Y-%m-%d}" if text else "–"


def href(path: str, folder: str) -> str | None:
    """A link from the report to a file of the pipeline; None for what lies elsewhere."""
    return None if urlsplit(path).scheme or path.startswith("/") else folder + quote(path)
