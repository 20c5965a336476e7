"""The report's drawings as plain numbers, for the template to write as SVG."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from geocadence.instants import parse_instant
from geocadence.report.scales import labelled_days, nice_ticks

Drawing = dict[str, Any]

WIDTH, HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 14, 34


class Means:
    """The means of each index over time: of each day, and of the single scenes while they are few enough to be seen."""

    MOST_DOTS = 2000

    def __init__(self) -> None:
        # index → day → [instant of the day's first scene, sum of means, how many]
        self.daily: dict[str, dict[date, list[Any]]] = defaultdict(dict)
        self.dots: dict[str, list[tuple[datetime, float, str]]] = defaultdict(list)
        self.count = 0

    def add(self, scene: Mapping[str, Any]) -> None:
        for name, numbers in (scene.get("product") or {}).get("statistics", {}).items():
            if "mean" not in numbers or not math.isfinite(numbers["mean"]):
                continue
            instant, mean = parse_instant(scene["datetime"]), numbers["mean"]
            day = self.daily[name].setdefault(instant.date(), [instant, 0.0, 0])
            day[1] += mean
            day[2] += 1
            self.count += 1
            if self.count <= self.MOST_DOTS:
                self.dots[name].append((instant, mean, scene["id"]))

    @property
    def has_dots(self) -> bool:
        return self.count <= self.MOST_DOTS

    def lines(self) -> dict[str, list[tuple[datetime, float]]]:
        return {
            name: [(instant, total / number) for _, (instant, total, number) in sorted(days.items())]
            for name, days in sorted(self.daily.items())
        }


def mean_chart(found: Means) -> Drawing | None:
    """The mean of each index over time: a dot a scene, a line through the means of each day."""
    lines = found.lines()
    if not lines:
        return None
    dots = {name: found.dots[name] if found.has_dots else [] for name in lines}
    points = [point[:2] for values in (dots if found.has_dots else lines).values() for point in values]
    first, last = min(p[0] for p in points), max(p[0] for p in points)
    if last - first < timedelta(days=2):
        first, last = first - timedelta(days=1), last + timedelta(days=1)
    means = [p[1] for p in points]
    padding = max((max(means) - min(means)) * 0.1, 0.02)
    ticks = nice_ticks(min(means) - padding, max(means) + padding)

    def x(instant: datetime) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * ((instant - first) / (last - first)), 1)

    def y(value: float) -> float:
        share = (value - ticks[0]) / (ticks[-1] - ticks[0])
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share, 1)

    decimals = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    decimals += round((ticks[1] - ticks[0]) * 10**decimals, 6) % 1 > 0
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": _LEFT,
        "right": WIDTH - _RIGHT,
        "bottom": HEIGHT - _BOTTOM,
        "x_ticks": [{"x": x(tick), "label": label} for tick, label in labelled_days(first, last)],
        "y_ticks": [{"y": y(tick), "label": f"{tick:.{decimals}f}".replace("-", "−")} for tick in ticks],
        "years": f"{first:%Y}" if first.year == last.year else f"{first:%Y}–{last:%Y}",
        "series": [
            {
                "name": name,
                "style": n % 6,
                "line": " ".join(f"{x(day)},{y(mean)}" for day, mean in line) if len(line) > 1 else "",
                "dots": [
                    {"x": x(instant), "y": y(mean), "label": f"{scene}: {name} {mean:.3f}, {instant:%Y-%m-%d}"}
                    for instant, mean, scene in dots[name]
                ],
            }
            for n, (name, line) in enumerate(lines.items())
        ],
        "without_dots": 0 if found.has_dots else found.count,
    }


class Outlines:
    """The scenes' footprints, as many as can be told apart on a small map."""

    MOST = 1000  # of each status

    def __init__(self) -> None:
        self.shapes: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._drawn: Counter[str] = Counter()
        self.left_out = 0

    def add(self, scene: Mapping[str, Any]) -> None:
        status = scene["status"]
        for ring in (scene.get("product") or {}).get("geometry") or _box(scene.get("bbox")):
            # The same tile at several dates is one shape.
            key = (status, *map(tuple, ring))
            if key in self.shapes:
                continue
            if self._drawn[status] >= self.MOST:
                self.left_out += 1
                continue
            self._drawn[status] += 1
            self.shapes[key] = {"ring": ring, "status": status}


def footprints(found: Outlines, area: dict[str, Any] | None) -> Drawing | None:
    """Footprints over the area on a grid of degrees, widths shrunk as they are at that latitude."""
    shapes = found.shapes
    outline = _rings(area)
    points = [point for shape in shapes.values() for point in shape["ring"]] + [p for ring in outline for p in ring]
    if not points:
        return None
    west, east = min(p[0] for p in points), max(p[0] for p in points)
    south, north = min(p[1] for p in points), max(p[1] for p in points)
    shrink = max(math.cos(math.radians((south + north) / 2)), 0.05)
    margin = max((east - west) * shrink, north - south, 0.01) * 0.08
    west, east = west - margin / shrink, east + margin / shrink
    south, north = south - margin, north + margin
    scale = min((WIDTH - _LEFT - _RIGHT) / ((east - west) * shrink), (HEIGHT - _TOP - _BOTTOM) / (north - south))
    left = _LEFT + (WIDTH - _LEFT - _RIGHT - (east - west) * shrink * scale) / 2
    top = _TOP + (HEIGHT - _TOP - _BOTTOM - (north - south) * scale) / 2

    def place(point: list[float]) -> tuple[float, float]:
        return round(left + (point[0] - west) * shrink * scale, 1), round(top + (north - point[1]) * scale, 1)

    def path(ring: list[list[float]]) -> str:
        return " ".join(f"{x},{y}" for x, y in map(place, ring))

    right, bottom = place([east, south])
    longitudes = [t for t in nice_ticks(west, east, about=4) if west <= t <= east]
    latitudes = [t for t in nice_ticks(south, north, about=4) if south <= t <= north]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": round(left, 1),
        "right": right,
        "top": round(top, 1),
        "bottom": bottom,
        "longitudes": [{"x": place([t, south])[0], "label": _degrees(t, "EW")} for t in longitudes],
        "latitudes": [{"y": place([west, t])[1], "label": _degrees(t, "NS")} for t in latitudes],
        "area": [path(ring) for ring in outline],
        "shapes": [
            {"path": path(shape["ring"]), "status": shape["status"]}
            # What went wrong lies on top.
            for shape in sorted(shapes.values(), key=lambda s: _LAYERS.index(s["status"]))
        ],
        "left_out": found.left_out,
    }


_LAYERS = ("skipped", "planned", "produced", "missing", "failed")


def _box(bbox: Any) -> list[list[list[float]]]:
    if not isinstance(bbox, list) or len(bbox) not in (4, 6) or not all(isinstance(n, int | float) for n in bbox):
        return []
    west, south, east, north = (*bbox[:2], *bbox[len(bbox) // 2 :][:2])
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]]


def _rings(geometry: Any) -> list[list[list[float]]]:
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind == "Polygon":
        return [geometry["coordinates"][0]]
    if kind == "MultiPolygon":
        return [polygon[0] for polygon in geometry["coordinates"]]
    if kind == "GeometryCollection":
        return [ring for part in geometry["geometries"] for ring in _rings(part)]
    return []


def _degrees(value: float, letters: str) -> str:
    letter = letters[0] if value > 0 else letters[1] if value < 0 else ""
    return f"{abs(value):g}°{letter}"
