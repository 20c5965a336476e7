"""A result as a picture."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, ScalarFormatter

from benchmarks.results import Result

_COLOURS = ("#1b5e4b", "#8fc1a9", "#c9a227")


def draw(result: Result, path: Path) -> None:
    """Write the result's chart as SVG: bars of the rows, or lines over its x column."""
    mpl.use("svg")
    # The same file for the same figures.
    mpl.rcParams.update({"svg.hashsalt": result.suite, "font.family": "sans-serif", "font.size": 9})
    figure = _bars(result) if result.chart.kind == "bars" else _lines(result)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _bars(result: Result) -> plt.Figure:
    chart = result.chart
    rows = [row for row in result.rows if row.get(chart.values[0]) is not None]
    figure, axes = plt.subplots(figsize=(7.5, 0.9 + 0.42 * len(rows)), layout="constrained")
    height = 0.8 / len(chart.values)
    for number, key in enumerate(chart.values):
        places = [place + (number - (len(chart.values) - 1) / 2) * height for place in range(len(rows))]
        drawn = axes.barh(places, [row.get(key) or 0 for row in rows], height, color=_COLOURS[number])
        axes.bar_label(drawn, fmt="%.3g", padding=2, fontsize=7)
        drawn.set_label(_heading(result, key))
    axes.set_yticks(range(len(rows)), [row[chart.x] for row in rows])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    _finish(result, axes, axes.set_xlabel, axes.axvline)
    return figure


def _lines(result: Result) -> plt.Figure:
    chart = result.chart
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    places = [row[chart.x] for row in result.rows]
    for number, key in enumerate(chart.values):
        axes.plot(places, [row[key] for row in result.rows], "o-", color=_COLOURS[number], label=_heading(result, key))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.xaxis.set_minor_locator(FixedLocator([]))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlabel(_heading(result, chart.x))
    axes.set_ylim(bottom=0)
    _finish(result, axes, axes.set_ylabel, axes.axhline)
    return figure


def _finish(result: Result, axes, name_axis, draw_limit) -> None:
    name_axis(result.chart.axis)
    if result.chart.line_at is not None:
        draw_limit(result.chart.line_at, color="#a33", linewidth=1, linestyle="--", label="target")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(result.title, fontsize=10, loc="left")
    if len(result.chart.values) > 1 or result.chart.line_at is not None:
        axes.legend(frameon=False, fontsize=8)


def _heading(result: Result, key: str) -> str:
    return next(column.heading for column in result.columns if column.key == key)
