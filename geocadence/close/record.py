"""`run.json`: everything there is to know of one run, for people, programs and the report."""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from geocadence import __version__
from geocadence.close.jobs import advice, failure_sentence, job_advice
from geocadence.close.reconcile import Failure, Outcome, SceneResult
from geocadence.instants import format_instant, parse_instant
from geocadence.layout import RunLayout
from geocadence.products import Product

RECORD_VERSION = 1


def run_record(
    *,
    plan: dict[str, Any],
    definition: dict[str, Any],
    stage: str,
    region: str | None,
    outcome: Outcome,
    numbers: dict[str, int],
    jobs: Sequence[dict[str, Any]],
    failure: str,
    other_failures: Sequence[dict[str, Any]],
    closed_at: datetime,
) -> dict[str, Any]:
    """The run but for its scenes; `numbers` are planned, produced, skipped, rejected and failed."""
    started_at = parse_instant(plan["started_at"])
    return {
        "version": RECORD_VERSION,
        "run_id": plan["run_id"],
        "execution_arn": plan["execution_arn"],
        "pipeline": plan["pipeline"],
        "description": definition.get("description", ""),
        "stage": stage,
        "region": region,
        "outcome": outcome.value,
        **numbers,
        "dry_run": plan["dry_run"],
        "source": {"kind": plan["source"], **_source(definition["source"][plan["source"]])},
        "area": definition["source"][plan["source"]].get("geometry"),
        "window": plan["window"],
        "recipe": plan["recipe"],
        "note": plan["note"],
        "refusal": plan.get("refusal", ""),
        "estimate": plan["estimate"],
        "started_at": plan["started_at"],
        "planned_at": plan["planned_at"],
        "closed_at": format_instant(closed_at),
        "seconds": {
            "whole": round((closed_at - started_at).total_seconds(), 1),
            "planning": round((parse_instant(plan["planned_at"]) - started_at).total_seconds(), 1),
            "jobs": round(sum(job["seconds"] or 0 for job in jobs), 1),
        },
        "batches": plan["batches"],
        "instance_count": plan["instance_count"],
        "failure": failure,
        "advice": advice(failure, run=plan["run_id"], region=region) if failure else None,
        "other_failures": list(other_failures),
        "jobs": [job | _what_went_wrong(job, run=plan["run_id"], region=region) for job in jobs],
        "versions": {
            "geocadence": __version__,
            "python": platform.python_version(),
            "pystac": _version("pystac"),
            "image": definition["processing"]["image"],
        },
    }


def _source(source: dict[str, Any]) -> dict[str, Any]:
    # `collection` is the id of a STAC source, but a whole inlined ItemCollection of an `items` source.
    shown = ("api", "area", "query", "href", "uri", *(["collection"] if "api" in source else []))
    return {key: source[key] for key in shown if key in source}


def scene_entry(result: SceneResult, layout: RunLayout, region: str | None) -> dict[str, Any]:
    """What run.json says of one scene."""
    decision, failure = result.decision, result.failure
    scene = {
        "id": decision["id"],
        "datetime": decision["datetime"],
        "decision": decision["decision"],
        "reason": decision["reason"],
        "batch": decision["batch"],
        "bbox": decision.get("bbox"),
        "status": result.status.value,
    }
    if result.product is not None and result.product.is_complete and result.product.item:
        scene["product"] = _product(result.product, layout.pipeline)
    if failure is not None:
        scene["failure"] = failure_entry(failure, run=layout.run_id, region=region)
    return scene


def failure_entry(failure: Failure, *, run: str, region: str | None, of_scene: bool = True) -> dict[str, Any]:
    """What run.json says of a failure, with what to do: by its reason where that is a known one, else by its class.

    `of_scene` is False for what no run can be asked for again by its name, such as an object.
    """
    by_class = _OF_SCENES.get(failure.failure_class) if of_scene else _OF_OTHERS.get(failure.failure_class)
    return {
        "class": failure.failure_class,
        "reason": failure.reason,
        "advice": advice(failure.reason, run=run, region=region) or (by_class and by_class.format(run=run)),
    }


_COLOUR = re.compile(r"#[0-9a-f]{6}", re.ASCII)
_BUG = (
    "The script did not foresee this: look for it in the log (.venv/bin/geocadence logs {run}), mend the script and "
    "deploy, then "
)
_OF_SCENES = {
    "input": "The scene itself is at fault: trying again changes nothing.",
    "transient": "Trying again may help: the next run takes the scene as long as its window holds it.",
    "bug": (
        f"{_BUG}make what is missing by .venv/bin/geocadence retry {{run}}; of a script of Geocadence's own, report it "
        "with the scene's Item and what the log says."
    ),
    "missing": "The next run takes the scene again as long as its window holds it.",
}
_OF_OTHERS = {"transient": "Trying again may help: start a run again.", "bug": f"{_BUG}start a run again."}


def _product(product: Product, pipeline: str) -> dict[str, Any]:
    """Hrefs are relative to the pipeline's folder in the output bucket."""
    folder = product.key.rpartition("/")[0].removeprefix(f"{pipeline}/") + "/"
    assets = {name: _beside(asset["href"], folder) for name, asset in product.item["assets"].items()}
    return {
        "item": product.key.removeprefix(f"{pipeline}/"),
        "assets": assets,
        **_preview(product.item, folder),
        "bytes": product.size,
        "statistics": statistics(product.item),
        "geometry": _outline(product.item.get("geometry")),
    }


def _beside(href: str, folder: str) -> str:
    return href if "://" in href else folder + href.removeprefix("./")


def _preview(item: dict[str, Any], folder: str) -> dict[str, Any]:
    """The picture that a browser can show, by its role, and what its colours mean where the asset says so."""
    for asset in item["assets"].values():
        is_picture = asset.get("type") in ("image/png", "image/jpeg", "image/webp")
        roles = asset.get("roles")
        if is_picture and isinstance(roles, list) and ("thumbnail" in roles or "overview" in roles):
            legend = _legend(asset.get("geocadence:legend"))
            return {"preview": _beside(asset["href"], folder), **({"legend": legend} if legend else {})}
    return {"preview": None}


def _legend(given: Any) -> dict[str, Any] | None:
    """`geocadence:legend` where it is one; Items of other scripts may hold anything there, and the report draws it."""
    if not isinstance(given, dict):
        return None
    colours, ends = given.get("colours"), [given.get("minimum"), given.get("maximum")]
    usable = (
        isinstance(given.get("index"), str)
        and all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)
        and isinstance(colours, list)
        and 2 <= len(colours) <= 64
        and all(isinstance(colour, str) and _COLOUR.fullmatch(colour) for colour in colours)
    )
    return {name: given[name] for name in ("index", "minimum", "maximum", "colours")} if usable else None


def statistics(item: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Values and valid share of each data asset, from STAC's statistics, which are of the numbers as stored."""
    found = {}
    for name, asset in item["assets"].items():
        bands = asset.get("bands") or asset.get("raster:bands")
        described = [asset, *(bands if isinstance(bands, list) else [])]
        within = next((d for d in described if isinstance(d, dict) and isinstance(d.get("statistics"), dict)), {})
        given = within.get("statistics", {})
        numbers = {
            key: _value(given[key], within) for key in ("mean", "minimum", "maximum") if _is_number(given.get(key))
        }
        if _is_number(share := given.get("valid_percent")):
            numbers["valid_percent"] = share
        if numbers:
            found[name] = numbers
    return found


def _value(stored: float, band: dict[str, Any]) -> float:
    """What a stored number stands for; `scale` and `offset` are the extension's names of before STAC 1.1."""
    scale, offset = (band.get(f"raster:{name}", band.get(name)) for name in ("scale", "offset"))
    value = stored * (scale if _is_number(scale) else 1) + (offset if _is_number(offset) else 0)
    # Binary fractions show as 0.5894020000000001.
    return float(f"{value:.12g}")


def _outline(geometry: Any) -> list[list[list[float]]]:
    """The outer rings of a polygon or multipolygon, thinned to a sketch."""
    if not isinstance(geometry, dict) or geometry.get("type") not in ("Polygon", "MultiPolygon"):
        return []
    try:
        polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
        rings = [polygon[0] for polygon in polygons]
        return [[[round(x, 5), round(y, 5)] for x, y, *_ in ring[:: max(1, len(ring) // 60)]] for ring in rings]
    except (KeyError, IndexError, TypeError, ValueError):  # a script of the user's may write what it likes
        return []


def _what_went_wrong(job: dict[str, Any], *, run: str, region: str | None) -> dict[str, Any]:
    if job["status"] not in ("Failed", "Stopped"):
        return {"why": None, "advice": None}
    return {"why": failure_sentence(job), "advice": job_advice(job, run=run, region=region)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
