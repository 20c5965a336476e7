"""A suite's result: its table, its targets, and how both are written down."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness import Cost, median

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Target:
    """Something that the project set out to reach; `met` is None where it could not be measured."""

    what: str
    limit: str
    measured: float | None
    met: bool | None


@dataclass(frozen=True)
class Column:
    """One column of a table: the rows' key, its heading, how many decimals."""

    key: str
    heading: str
    decimals: int | None = None  # None: text


@dataclass(frozen=True)
class Chart:
    """How to draw the rows: bars (`x` names them) or lines over `x`."""

    kind: str
    x: str
    values: tuple[str, ...]
    axis: str
    line_at: float | None = None


@dataclass
class Result:
    """What one suite found."""

    suite: str
    title: str
    columns: list[Column]
    rows: list[dict[str, Any]]
    chart: Chart
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)  # every single measurement, by key


COST_COLUMNS = [Column("wall", "wall s", 2), Column("cpu", "CPU s", 2), Column("peak_mb", "peak MB", 0)]


def at_least(what: str, limit: float, measured: float | None) -> Target:
    """A ratio that should be this large or larger."""
    return Target(what, f"≥ {limit:g} ×", measured, None if measured is None else measured >= limit)


def at_most(what: str, limit: float, measured: float | None, unit: str = "×") -> Target:
    """A figure that should not be larger."""
    return Target(what, f"≤ {limit:g} {unit}", measured, None if measured is None else measured <= limit)


def costs_of(costs: dict[str, list[Cost]]) -> tuple[dict[str, Cost], dict[str, Any]]:
    """The medians by key, and every measurement in a shape for `Result.raw`."""
    return {key: median(some) for key, some in costs.items()}, {
        key: [asdict(cost) for cost in some] for key, some in costs.items()
    }


def save(result: Result, facts: dict[str, Any], folder: Path) -> Path:
    """Write `<date>-<suite>.json` and the table beside it as Markdown; returns the path without its ending."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{facts['date'][:10]}-{result.suite}"
    path.with_suffix(".json").write_text(
        json.dumps({**asdict(result), "facts": facts}, indent=1, ensure_ascii=False) + "\n"
    )
    path.with_suffix(".md").write_text(markdown(result, facts, image=f"{path.name}.svg"))
    return path


def markdown(result: Result, facts: dict[str, Any], *, image: str) -> str:
    """The result for people."""
    lines = [f"# {result.title}", "", _circumstances(facts), ""]
    lines += _table([column.heading for column in result.columns], [_cells(result.columns, row) for row in result.rows])
    if result.targets:
        rows = [[one.what, one.limit, _number(one.measured, 2), _verdict(one)] for one in result.targets]
        lines += ["", *_table(["target", "limit", "measured", "met"], rows)]
    lines += ["", *(f"- {note}" for note in result.notes), "", f"![{result.title}]({image})", ""]
    return "\n".join(lines)


def _circumstances(facts: dict[str, Any]) -> str:
    busy = "" if facts["quiet"] else " **The machine was busy: only the ratios mean something, and those little.**"
    return (
        f"{facts['date']}, {facts['size']} × {facts['size']} pixels, medians of {facts['rounds']} interleaved rounds, "
        f"{facts['cores_used']} of {facts['cores']} cores of {facts['cpu']}, {facts['memory_gb']} GB, "
        f"{facts['kernel']}, commit {facts['commit']}.{busy}"
    )


def _cells(columns: list[Column], row: dict[str, Any]) -> list[str]:
    return [str(row.get(column.key, "–")) if column.decimals is None else _number(row.get(column.key), column.decimals)
            for column in columns]  # fmt: skip


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"


def _verdict(target: Target) -> str:
    return {True: "yes", False: "**no**", None: "not measured"}[target.met]


def _table(headings: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (headings, ["---"] * len(headings), *rows)]
