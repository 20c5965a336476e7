"""`report.html` out of `run.json`: no scripts, no requests but for the previews beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from geocadence.instants import parse_instant
from geocadence.report.charts import footprints, mean_chart
from geocadence.report.digest import Digest, Trouble, listed_as_words
from geocadence.source_kinds import has_scenes

# From <pipeline>/runs/<run-id>/ to <pipeline>/.
PIPELINE_FOLDER = "../../"
_HEADLINES = {
    "complete": "Complete",
    "partial": "Partly done",
    "failed": "Failed",
    "empty": "Nothing to do",
}


def render_report(
    record: dict[str, Any], scenes: Iterable[Mapping[str, Any]], *, pipeline_folder: str = PIPELINE_FOLDER
) -> str:
    """The page for a run's record and its scenes; `pipeline_folder` leads from the page to the pipeline's files."""
    digest = Digest(scenes, record["other_failures"])
    return _template().render(
        run=record,
        folder=pipeline_folder,
        headline="Dry run" if record["dry_run"] else _HEADLINES[record["outcome"]],
        summary=_summary(record),
        chart=mean_chart(digest.means),
        map=footprints(digest.outlines, record["area"]),
        troubles=_troubles(record, digest),
        digest=digest,
        indices=sorted(digest.indices),
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
    environment.filters["words"] = listed_as_words
    return environment.get_template("report.html.j2")


def _summary(record: dict[str, Any]) -> str:
    """The run in a sentence, and what the plan noted."""
    note = record.get("note")
    return _in_a_sentence(record) + (f" Note: {note}." if note else "")


def _in_a_sentence(record: dict[str, Any]) -> str:
    planned, produced, failed = record["planned"], record["produced"], record["failed"]
    things = "scene" if has_scenes(record["source"]["kind"]) else "object"
    if record["dry_run"]:
        refused = f" A run would be refused: {record['refusal']}" if record.get("refusal") else ""
        return f"{_count(planned, things)} would be processed; nothing was started.{refused}"
    if record["outcome"] == "empty":
        in_place = f" {_count(record['skipped'], 'product')} already in place." if record["skipped"] else ""
        return f"No {things} to process.{in_place}"
    if things == "object":
        return f"{_count(planned, things)} handed to the script, {_count(produced, 'file')} written, {failed:,} failed."
    lost = f", {failed:,} did not." if failed else "."
    return f"{produced:,} of {_count(planned, things)} turned into products{lost}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number:,} {thing}s"


def _troubles(record: dict[str, Any], digest: Digest) -> list[Trouble]:
    """Why scenes have no product; and why a job failed, where no scene says so."""
    told = " ".join(trouble.reason for trouble in digest.troubles)
    if record["failure"] and record["failure"] not in told:
        return [Trouble("job", record["failure"], record["advice"]), *digest.troubles]
    return digest.troubles


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
    """An instant as people read it, to the minute in UTC; a dash for none."""
    return f"{parse_instant(text):%Y-%m-%d %H:%M} UTC" if text else "–"


def day(text: str | None) -> str:
    """The day of an instant, in UTC; a dash for none."""
    return f"{parse_instant(text):%Y-%m-%d}" if text else "–"


def href(path: str, folder: str) -> str | None:
    """A link from the report to a file of the pipeline; None for what lies elsewhere."""
    return None if urlsplit(path).scheme or path.startswith("/") else folder + quote(path)
