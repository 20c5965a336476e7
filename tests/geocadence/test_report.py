"""The report's page: numbers, drawings, nothing from outside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geocadence.report.charts import Means, Outlines, footprints, mean_chart
from geocadence.report.page import duration, size
from geocadence.report.page import render_report as render
from geocadence.report.scales import day_ticks, labelled_days, nice_ticks
from tests.geocadence.scenes import AREA, LEGEND

FIRST = datetime(2026, 11, 1, 11, tzinfo=UTC)


def scene(n: int, *, status: str = "produced", **changes: Any) -> dict[str, Any]:
    west = -8.0 + n
    found = {
        "id": f"S2B_{n}",
        "datetime": f"{FIRST + timedelta(days=n):%Y-%m-%dT%H:%M:%SZ}",
        "decision": "new",
        "reason": "no product yet",
        "batch": 0,
        "bbox": [west, 38, west + 1, 39],
        "status": status,
    }
    if status == "produced":
        found["product"] = {
            "item": f"2026/11/S2B_{n}/S2B_{n}.json",
            "assets": {"ndvi": f"2026/11/S2B_{n}/S2B_{n}_ndvi.tif", "source": "https://example.com/B04.tif"},
            "preview": f"2026/11/S2B_{n}/S2B_{n}_preview.png",
            "bytes": 1_500_000,
            "statistics": {"ndvi": {"mean": 0.4 + 0.02 * n, "valid_percent": 75.0}},
            "geometry": [[[west, 38], [west + 1, 38], [west + 1, 39], [west, 38]]],
        }
    return found | changes


def record(*scenes: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "run_id": "20261122T060000Z-0a1b2c3d",
        "execution_arn": "arn:aws:states:us-west-2:123456789012:execution:geocadence-dev-ndvi:x",
        "pipeline": "ndvi",
        "description": "",
        "stage": "dev",
        "region": "us-west-2",
        "outcome": "complete",
        "planned": len(scenes),
        "produced": len(scenes),
        "skipped": 0,
        "rejected": 0,
        "failed": 0,
        "dry_run": False,
        "source": {"kind": "stac", "api": "https://example.com", "collection": "c", "area": "a.geojson"},
        "area": AREA,
        "window": {"start": None, "end": "2026-11-22T06:00:00Z"},
        "started_at": "2026-11-22T06:00:00Z",
        "planned_at": "2026-11-22T06:00:04Z",
        "closed_at": "2026-11-22T06:30:00Z",
        "seconds": {"whole": 1800.0, "planning": 4.0, "jobs": 960.0},
        "batches": 1,
        "instance_count": 1,
        "failure": "",
        "advice": None,
        "scenes": list(scenes),
        "other_failures": [],
        "jobs": [],
        "versions": {"geocadence": "0.1.0", "python": "3.13", "pystac": "1.15", "image": "sagemaker-geospatial"},
    } | changes


def render_report(run: dict[str, Any], **settings: Any) -> str:
    return render(run, run["scenes"], **settings)


def means_of(*scenes: dict[str, Any]) -> Means:
    means = Means()
    for each in scenes:
        means.add(each)
    return means


def outlines_of(*scenes: dict[str, Any]) -> Outlines:
    outlines = Outlines()
    for each in scenes:
        outlines.add(each)
    return outlines


def links(page: str) -> list[str]:
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend(value or "" for name, value in attrs if name in ("href", "src", "xlink:href"))

    Reader().feed(page)
    return found


def test_the_page_asks_for_nothing_but_the_files_beside_it() -> None:
    page = render_report(record(scene(0), scene(1)))

    asked_for = links(page)
    assert "run.json" in asked_for
    assert [link for link in asked_for if re.match(r"[a-z]+:|//", link)] == []
    assert "<script" not in page
    assert "url(" not in page
    assert "@import" not in page


def test_the_links_lead_to_the_pipelines_folder() -> None:
    assert "../../2026/11/S2B_0/S2B_0_ndvi.tif" in links(render_report(record(scene(0))))
    assert "2026/11/S2B_0/S2B_0_ndvi.tif" in links(render_report(record(scene(0)), pipeline_folder=""))


def test_whatever_comes_from_outside_is_escaped() -> None:
    hostile = scene(
        0, status="failed", failure={"class": "bug", "reason": "<img src=x onerror=alert(1)>", "advice": None}
    )

    page = render_report(record(hostile, description="</style><b>", failed=1, produced=0, outcome="failed"))

    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_a_preview_has_a_bar_of_its_colours_with_the_values_at_its_ends() -> None:
    produced = scene(0)
    without = render_report(record(produced))
    produced["product"]["legend"] = LEGEND | {"index": "<NDVI>"}

    page = render_report(record(produced))

    assert 'class="colours"' not in without
    bar = page[page.index('class="colours"') :]
    assert "linear-gradient(to right,#f5f0e6,#8b9c4a,#23432f)" in bar
    assert "<b>0</b><b>0.9</b>" in bar
    assert "&lt;NDVI&gt;" in bar


@pytest.mark.parametrize(
    ("changes", "headline", "summary"),
    [
        ({}, "Complete", "1 of 1 scene turned into products."),
        ({"outcome": "partial", "planned": 3, "produced": 1, "failed": 2}, "Partly done",
         "1 of 3 scenes turned into products, 2 did not."),
        ({"outcome": "failed", "planned": 2, "produced": 0, "failed": 2}, "Failed",
         "0 of 2 scenes turned into products, 2 did not."),
        ({"outcome": "empty", "planned": 0, "skipped": 7}, "Nothing to do",
         "No scene to process. 7 products already in place."),
        ({"outcome": "empty", "dry_run": True, "planned": 4}, "Dry run",
         "4 scenes would be processed; nothing was started."),
        ({"outcome": "empty", "dry_run": True, "planned": 4, "refusal": "Too many."}, "Dry run",
         "4 scenes would be processed; nothing was started. A run would be refused: Too many."),
        ({"source": {"kind": "prefix", "uri": "s3://b/"}, "planned": 9, "produced": 12}, "Complete",
         "9 objects handed to the script, 12 files written, 0 failed."),
        ({"source": {"kind": "prefix", "uri": "s3://b/"}, "outcome": "empty", "note": "run x is at work on <them>"},
         "Nothing to do", "No object to process. Note: run x is at work on &lt;them&gt;."),
    ],
)  # fmt: skip
def test_the_page_says_first_how_the_run_went(changes: dict[str, Any], headline: str, summary: str) -> None:
    page = render_report(record(scene(0), **changes))

    assert f"</span>{headline}</h1>" in page
    assert summary in page


def test_failures_of_one_kind_are_told_once() -> None:
    failure = {"class": "missing", "reason": "the job failed: exit code: 1", "advice": "see its logs"}
    lost = [scene(n, status="missing", failure=failure) for n in range(20)]

    page = render_report(record(*lost, outcome="failed", produced=0, failed=20, failure="the job failed: exit code: 1"))

    assert page.count('<article class="trouble">') == 1
    assert "and 8 more" in page


def test_the_chart_holds_every_mean_within_its_axes() -> None:
    chart = mean_chart(means_of(*(scene(n) for n in range(10))))

    assert chart is not None
    assert [line["name"] for line in chart["series"]] == ["ndvi"]
    ticks = [tick["y"] for tick in chart["y_ticks"]]
    for dot in chart["series"][0]["dots"]:
        assert chart["left"] <= dot["x"] <= chart["right"]
        assert min(ticks) <= dot["y"] <= max(ticks)


def test_without_statistics_there_is_no_chart() -> None:
    assert mean_chart(means_of(scene(0, status="failed"))) is None


def test_the_same_footprint_is_drawn_once() -> None:
    same = scene(0)["product"]["geometry"]
    twice = [scene(n) for n in range(2)]
    for each in twice:
        each["product"]["geometry"] = same

    drawing = footprints(outlines_of(*twice), AREA)

    assert drawing is not None
    assert len(drawing["shapes"]) == 1
    assert len(drawing["area"]) == 1


def test_the_page_of_a_large_run_stays_small_counts_all_and_says_what_it_leaves_out() -> None:
    def scenes() -> Iterator[dict[str, Any]]:
        for n in range(20_000):
            when = f"{FIRST + timedelta(minutes=5 * n):%Y-%m-%dT%H:%M:%SZ}"
            status = {3: "failed", 7: "rejected"}.get(n % 100, "produced")
            why = {"class": "input", "reason": f"reason {n % 4000}", "advice": None}
            yield scene(n, status=status, datetime=when, **({"failure": why} if status == "failed" else {}))

    run = record(planned=19_800, produced=19_600, failed=200, rejected=200, outcome="partial")
    page = render(run, scenes())

    assert len(page) < 1_000_000
    assert "19,600 of 19,800 scenes turned into products, 200 did not." in page
    assert page.count('<tr class="failed">') == 200
    assert page.count('<tr class="produced">') == 300
    assert "The first 500 of 19,800" in page
    assert "Not listed here: 19,300 produced." in page
    assert page.count('<article class="trouble">') == 30
    assert "50 more scenes have other reasons." in page
    assert "The mean of each day; 19,600 single values are not drawn." in page
    assert "18,600 more are not drawn." in page
    assert "200 rejected by the plan" in page
    assert page.index("S2B_19999<") < page.index("S2B_19998<")


@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-6, 1e6))
def test_ticks_cover_what_they_stand_for(low: float, width: float) -> None:
    ticks = nice_ticks(low, low + width)

    assert 2 <= len(ticks) <= 9
    assert ticks[0] <= low + width * 1e-3
    assert ticks[-1] >= low + width - width * 1e-3


@given(days=st.integers(1, 20_000))
def test_dates_on_the_axis_are_few_and_in_order(days: int) -> None:
    ticks = day_ticks(FIRST, FIRST + timedelta(days=days))

    assert ticks == sorted(ticks)
    assert len(ticks) <= 8


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1500, "2 kB"), (1_500_000, "1.5 MB"), (42e9, "42 GB")]
)
def test_sizes_are_readable(number: float, text: str) -> None:
    assert size(int(number)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (4.2, "4.2 s"), (59, "59 s"), (61, "1 min 1 s"), (1901, "32 min"), (7260, "2 h 1 min")],
)
def test_durations_are_readable(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("days", "labels"),
    [
        (5, ["2 Nov", "3 Nov", "4 Nov", "5 Nov", "6 Nov"]),
        (400, ["Feb 2027", "May 2027", "Aug 2027", "Nov 2027"]),
        (2000, ["2027", "2028", "2029", "2030", "2031", "2032"]),
    ],
)
def test_dates_are_written_so_that_they_differ(days: int, labels: list[str]) -> None:
    assert [label for _, label in labelled_days(FIRST, FIRST + timedelta(days=days))] == labels
